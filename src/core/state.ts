import { CarillonError } from '../protocol/errors.ts'
import { encodeJson, type JsonBounds, type JsonText } from './json.ts'

export interface StateBounds extends JsonBounds {
  /** The name of the limit that `maxBytes` is. */
  readonly limit: string
}

/**
 * The text of a state that a caller gives: of a topic, or of one who is present.
 * @throws CarillonError PAYLOAD_TOO_LARGE, INVALID_INPUT
 */
export function encodeState(state: unknown, bounds: StateBounds): JsonText {
  const encoded = encodeJson(state, bounds)
  if (encoded.kind === 'encoded') return encoded.text
  const { maxBytes, maxDepth } = bounds
  if (encoded.fault === 'too-large') {
    throw new CarillonError('PAYLOAD_TOO_LARGE', `The state is larger than ${maxBytes} bytes.`, {
      limit: bounds.limit,
    })
  }
  throw new CarillonError(
    'INVALID_INPUT',
    `The state is not a JSON value, or nested deeper than ${maxDepth} levels.`,
    encoded.fault === 'too-deep' ? { limit: 'jsonDepth' } : {},
  )
}

import { CarillonError } from '../protocol/errors.ts'

/** What happens to a subscriber of the library that does not keep up with its topics. */
export type Overflow =
  /** It reads on from the log, however far behind it is. Nothing is lost. */
  | { readonly kind: 'catchUp' }
  /** It goes on with the newest messages. */
  | { readonly kind: 'dropOldest'; readonly maxLag: number }
  /** It stops until it is told to go on; then it catches up. Nothing is lost. */
  | { readonly kind: 'pause'; readonly maxLag: number; readonly onPause: (() => void) | undefined }

export interface OverflowRequest {
  /** `catchUp` (default), `dropOldest` or `pause`. */
  readonly overflow?: Overflow['kind'] | undefined
  /** How many messages of a topic it may be behind before that; 1 to 100,000, default 1,000. */
  readonly maxLag?: number | undefined
  /** Called when it pauses. */
  readonly onPause?: (() => void) | undefined
}

const DEFAULT_MAX_LAG = 1_000
const GREATEST_MAX_LAG = 100_000

/** @throws CarillonError INVALID_INPUT */
export function parseOverflow(request: OverflowRequest): Overflow {
  const { overflow: kind = 'catchUp', maxLag = DEFAULT_MAX_LAG, onPause } = request
  if (!Number.isInteger(maxLag) || maxLag < 1 || maxLag > GREATEST_MAX_LAG) {
    throw new CarillonError('INVALID_INPUT', `\`maxLag\` is 1 to ${GREATEST_MAX_LAG} messages.`)
  }
  switch (kind) {
    case 'catchUp':
      return { kind }
    case 'dropOldest':
      return { kind, maxLag }
    case 'pause':
      return { kind, maxLag, onPause }
    default:
      kind satisfies never
      throw new CarillonError('INVALID_INPUT', '`overflow` is catchUp, dropOldest or pause.')
  }
}

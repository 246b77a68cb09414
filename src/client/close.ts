import { CarillonError, type CarillonErrorCode, carillonError } from './error.ts'

/** Why a connection ended, and whether another one can be better. */
export interface Loss {
  readonly error: CarillonError
  /** True where the server would only say the same again. */
  readonly isFatal: boolean
}

/**
 * After these, graphql-ws does not connect again, either. 4403 is none of them: fresh credentials may be let in. Nor is 1009, for one
 * message that was too long.
 */
const FATAL = [1002, 1003, 1007, 1008, 1011, 1015, 4004, 4005, 4400, 4401, 4406, 4409, 4429, 4500]

/** What closes mean whose reason does not begin with a code of the catalogue. */
const CODES: Readonly<Record<number, CarillonErrorCode>> = {
  1009: 'PAYLOAD_TOO_LARGE',
  1012: 'SHUTTING_DOWN',
  4403: 'UNAUTHENTICATED',
  4500: 'INTERNAL',
}

/** What the close of a socket says, or its error, which has no reason. */
export function lossOf(event: unknown): Loss {
  const { code = 0, reason } = event as { readonly code?: number; readonly reason?: string }
  const isFatal = FATAL.includes(code)
  if (reason === undefined) return { error: carillonError(event), isFatal }
  const [, named = CODES[code] ?? 'NETWORK_ERROR', text = `${code} ${reason}`] =
    /^([A-Z_]+): (.*)/s.exec(reason) ?? []
  const retryable = !isFatal && code !== 4403
  const error = new CarillonError(named as CarillonErrorCode, text, { cause: event, retryable })
  return { error, isFatal }
}

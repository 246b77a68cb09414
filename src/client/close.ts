import { CarillonError, type CarillonErrorCode, carillonError } from './error.ts'

/** Why a connection ended, and whether another one can be better. */
export interface Loss {
  readonly error: CarillonError
  /** True where the server would only say the same again. */
  readonly isFatal: boolean
}

/** What WebSockets close with, as far as it is looked at. */
interface CloseLike {
  readonly code: number
  readonly reason: string
}

/** 4403 is none of these: fresh credentials may be let in. Of 1xxx, those that are not passing are fatal, too. */
const FATAL = [4004, 4005, 4400, 4401, 4406, 4409, 4429, 4500]
const PASSING = [1000, 1001, 1005, 1006, 1012, 1013, 1014]

const CODES: Readonly<Record<number, CarillonErrorCode>> = {
  1009: 'PAYLOAD_TOO_LARGE',
  1012: 'SHUTTING_DOWN',
  1013: 'SERVICE_UNAVAILABLE',
  4400: 'INVALID_INPUT',
  4403: 'UNAUTHENTICATED',
  4500: 'INTERNAL',
}

/** The server begins the reason of a close with the code of its catalogue. */
const REASON = /^([A-Z_]+): (.*)/s

/** What the close or the error of a socket says. */
export function lossOf(event: unknown): Loss {
  if (!isCloseLike(event)) return { error: carillonError(event), isFatal: false }
  const { code, reason } = event
  const isFatal = FATAL.includes(code) || (code < 2000 && !PASSING.includes(code))
  const [, named = CODES[code] ?? 'NETWORK_ERROR', text = reason || `Closed with ${code}.`] =
    REASON.exec(reason) ?? []
  return {
    error: new CarillonError(named as CarillonErrorCode, text, {
      cause: event,
      retryable: !isFatal && code !== 4403,
    }),
    isFatal,
  }
}

/** Not so errors, which have no reason. */
function isCloseLike(event: unknown): event is CloseLike {
  return typeof (event as Partial<CloseLike> | undefined)?.reason === 'string'
}

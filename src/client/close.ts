import { CarillonError, type CarillonErrorCode } from './error.ts'

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

/** Of these, 4403 is not one: fresh credentials may be let in. */
const FATAL = [4400, 4401, 4406, 4409, 4429, 4500, 4004, 4005]

/** Of the codes that WebSocket itself has, those after which it is worth another try. */
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
const REASON = /^([A-Z_]{4,}): (.*)$/s

/** What the close or the error of a socket says. */
export function lossOf(event: unknown): Loss {
  if (event instanceof CarillonError) return { error: event, isFatal: false }
  if (!isCloseLike(event)) {
    const error = new CarillonError('NETWORK_ERROR', undefined, { cause: event })
    return { error, isFatal: false }
  }
  const { code, reason } = event
  const isFatal = FATAL.includes(code) || (code >= 1000 && code < 2000 && !PASSING.includes(code))
  const [, named, text] = REASON.exec(reason) ?? []
  const errorCode = (named as CarillonErrorCode | undefined) ?? CODES[code] ?? 'NETWORK_ERROR'
  const message = text ?? `The connection was closed with ${code}${reason && `: ${reason}`}.`
  return {
    error: new CarillonError(errorCode, message, {
      cause: event,
      retryable: !isFatal && code !== 4403,
    }),
    isFatal,
  }
}

function isCloseLike(event: unknown): event is CloseLike {
  return typeof event === 'object' && event !== null && 'code' in event && 'reason' in event
}

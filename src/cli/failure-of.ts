import { CarillonError } from '../client/index.ts'
import { EXIT, Failure } from './failure.ts'
import { reasonText } from './reason.ts'
import type { Target } from './target.ts'

/**
 * What the client library rejects with, in words for people at a terminal.
 * @param reason why the last connection failed, where the error itself does not say
 */
export function failureOf(
  error: unknown,
  { address, token, timeoutMs }: Target,
  reason: CarillonError | undefined,
): unknown {
  if (!(error instanceof CarillonError)) return error
  const time = `${timeoutMs / 1_000} s`
  const options = { cause: error }
  switch (error.code) {
    case 'NOT_CONNECTED':
    case 'NETWORK_ERROR': {
      const cause = error.cause === undefined ? (reason ?? error) : error
      const text = `There is no connection to ${address}: ${reasonText(cause)}.`
      return new Failure(text, EXIT.AWAY, options)
    }
    case 'ACK_TIMEOUT':
      return new Failure(`${address} has not answered within ${time}.`, EXIT.AWAY, options)
    case 'UNAUTHENTICATED':
      if (token !== undefined) break
      return new Failure(
        `${address} asks for a token: --token, or CARILLON_TOKEN.`,
        undefined,
        options,
      )
    default:
  }
  const exitCode = error.retryable ? EXIT.AWAY : EXIT.REFUSED
  return new Failure(`${error.message} (${error.code})`, exitCode, options)
}

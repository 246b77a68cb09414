import { CLIENT_ERRORS, type ClientErrorCode } from '../protocol/client-errors.ts'
import type { ErrorCode, Gap } from '../protocol/errors.ts'

/** Codes of the server and of the client; each is described in `docs/errors.md`. */
export type CarillonErrorCode = ErrorCode | ClientErrorCode

export interface CarillonErrorOptions {
  readonly cause?: unknown
  /** Default: whether a code of the client is; false for a code of the server. */
  readonly retryable?: boolean | undefined
  readonly retryAfterMs?: number | undefined
  readonly limit?: string | undefined
  readonly gap?: Gap | undefined
}

/** What every call of the client rejects with. */
export class CarillonError extends Error {
  override readonly name = 'CarillonError'
  readonly code: CarillonErrorCode
  /** True where the same request can succeed later without being changed. */
  readonly retryable: boolean
  /** In how many milliseconds it can, where the server knows. */
  readonly retryAfterMs: number | undefined
  /** The name of the limit that was reached, where one was. */
  readonly limit: string | undefined
  /** The messages that can no longer be delivered, where it is about those. */
  readonly gap: Gap | undefined

  constructor(code: CarillonErrorCode, message?: string, options: CarillonErrorOptions = {}) {
    const known: { message: string; retryable: boolean } | undefined =
      CLIENT_ERRORS[code as ClientErrorCode]
    super(message ?? known?.message ?? code, options)
    this.code = code
    this.retryable = options.retryable ?? known?.retryable ?? false
    this.retryAfterMs = options.retryAfterMs
    this.limit = options.limit
    this.gap = options.gap
  }
}

/** An error of GraphQL, as far as it is looked at. */
interface ServerError {
  readonly message: string
  readonly extensions?: Omit<CarillonErrorOptions, 'cause'> & { readonly code?: CarillonErrorCode }
}

/** The first of the errors that a server has answered. */
export function serverError(errors: unknown): CarillonError {
  const [first] = (errors ?? []) as readonly ServerError[] // as the protocol says
  const { code = 'INTERNAL', ...options } = first?.extensions ?? {}
  return new CarillonError(code, first?.message, options)
}

/** What was thrown, as an error of the client. */
export function carillonError(cause: unknown): CarillonError {
  return cause instanceof CarillonError
    ? cause
    : new CarillonError('NETWORK_ERROR', undefined, { cause })
}

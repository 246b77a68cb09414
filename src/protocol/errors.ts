/**
 * The catalogue of errors. Codes are stable; messages are for people and may change.
 * `docs/errors.md` describes each one.
 */

export interface ErrorEntry {
  /** What is said where the thrower has nothing more exact to say. */
  readonly message: string
  /** True where the same request can succeed later without being changed. */
  readonly retryable: boolean
  /** The HTTP status where the error refuses a whole request; errors of one field leave it at 200. */
  readonly status: number
  /** The WebSocket close code where the error ends the socket. */
  readonly closeCode: number
}

export const ERRORS = {
  UNAUTHENTICATED: entry('Valid credentials are needed.', 401, 4403),
  PERMISSION_DENIED: entry('This is not permitted.', 403, 4403),
  INVALID_TOPIC_NAME: entry(
    'A topic name is 1 to 128 characters out of A-Z a-z 0-9 _ - : and .',
    400,
    4400,
  ),
  INVALID_TOPIC_PATTERN: entry(
    "A topic pattern is a topic name, or a prefix of one that ends in ':*'.",
    400,
    4400,
  ),
  INVALID_PAYLOAD: entry('The payload is not a JSON value that can be published.', 400, 4400),
  PAYLOAD_TOO_LARGE: entry('The payload is too large.', 413, 4400),
  INVALID_LIMIT: entry('The limit is out of range.', 400, 4400),
  INVALID_HISTORY_OPTS: entry('These history options do not go together.', 400, 4400),
  INVALID_CURSOR: entry('This is not a cursor of this topic.', 400, 4400),
  CURSOR_EXPIRED: entry('What this cursor points at is no longer there.', 410, 4400),
  INVALID_INPUT: entry('The request is not valid.', 400, 4400),
  SEQUENCE_CONFLICT: entry('The head of the topic is not the expected one.', 409, 4400),
  IDEMPOTENCY_CONFLICT: entry(
    'This idempotency key was used in this topic for another message.',
    409,
    4400,
  ),
  RATE_LIMIT_EXCEEDED: entry('Too many requests.', 429, 1013, true),
  TOO_MANY_SUBSCRIPTIONS: entry('Too many subscriptions.', 429, 4400),
  SLOW_CONSUMER: entry('The client reads more slowly than messages arrive.', 503, 1013, true),
  SERVICE_UNAVAILABLE: entry('The service is unavailable for the moment.', 503, 1013, true),
  SHUTTING_DOWN: entry('The server is shutting down.', 503, 1012, true),
  INTERNAL: entry('Something went wrong on the server.', 500, 4500),
} as const satisfies Record<string, ErrorEntry>

export type ErrorCode = keyof typeof ERRORS

function entry(message: string, status: number, closeCode: number, retryable = false): ErrorEntry {
  return { message, retryable, status, closeCode }
}

/** Messages that can no longer be delivered. */
export interface Gap {
  readonly topic: string
  readonly fromSequence: number
  /** The last one of them; where the numbering started again, it is not known, and this is the first. */
  readonly toSequence: number
  /** The topic keeps no messages that old, or its numbering started again. */
  readonly reason: 'RETENTION' | 'EPOCH_CHANGED'
}

export interface CarillonErrorOptions {
  /** What made this error; logged, never shown to clients. */
  readonly cause?: unknown
  /** When a retry can succeed, in milliseconds from now, where that is known. */
  readonly retryAfterMs?: number
  /** What CURSOR_EXPIRED is about, where a subscription tells. */
  readonly gap?: Gap
  /** The name of the limit that was reached. */
  readonly limit?: string
}

/** An error of the catalogue: the only kind whose message clients get to see. */
export class CarillonError extends Error {
  override readonly name = 'CarillonError'
  readonly code: ErrorCode
  readonly retryAfterMs: number | undefined
  readonly gap: Gap | undefined
  /** The name of the limit that was reached, where one was. */
  readonly limit: string | undefined

  constructor(code: ErrorCode, message?: string, options: CarillonErrorOptions = {}) {
    super(
      message ?? ERRORS[code].message,
      'cause' in options ? { cause: options.cause } : undefined,
    )
    this.code = code
    this.retryAfterMs = options.retryAfterMs
    this.gap = options.gap
    this.limit = options.limit
  }

  /** True where the same request can succeed later without being changed. */
  get retryable(): boolean {
    return ERRORS[this.code].retryable
  }
}

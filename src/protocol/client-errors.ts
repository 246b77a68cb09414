/**
 * The errors that a client makes by itself, where no server answered. Apart from the catalogue of the
 * server, so that bundles of clients need not carry that. `docs/errors.md` describes each one.
 */

export interface ClientErrorEntry {
  /** What is said where the thrower has nothing more exact to say. */
  readonly message: string
  /** True where the same request can succeed later without being changed. */
  readonly retryable: boolean
}

export const CLIENT_ERRORS = {
  NOT_CONNECTED: { message: 'There is no connection to the server.', retryable: true },
  NETWORK_ERROR: { message: 'The connection to the server was lost.', retryable: true },
  ACK_TIMEOUT: { message: 'The server has not answered in time.', retryable: true },
} as const satisfies Record<string, ClientErrorEntry>

export type ClientErrorCode = keyof typeof CLIENT_ERRORS

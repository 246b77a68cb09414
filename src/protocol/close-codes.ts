/**
 * The close codes of a WebSocket. Those from 4000 up are of the graphql-transport-ws protocol:
 * https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md
 *
 * Clients of graphql-ws connect again after 1000, 1001, 1005, 1006, 1012, 1013, 1014, 4403, 4408 and
 * codes that are not listed; never after 4400, 4401, 4406, 4409, 4429, 4500 and other 1xxx codes.
 */
export const CLOSE_CODES = {
  /** The server restarts or drains: come back. */
  SERVICE_RESTART: 1012,
  /** The server cannot serve this client for the moment: come back later. */
  TRY_AGAIN_LATER: 1013,
  INVALID_MESSAGE: 4400,
  UNAUTHORIZED: 4401,
  FORBIDDEN: 4403,
  SUBPROTOCOL_NOT_ACCEPTABLE: 4406,
  CONNECTION_INIT_TIMEOUT: 4408,
  SUBSCRIBER_ALREADY_EXISTS: 4409,
  TOO_MANY_INIT_REQUESTS: 4429,
  INTERNAL_SERVER_ERROR: 4500,
} as const

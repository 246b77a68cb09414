/** What a caller brings to say who it is. */
export interface Credentials {
  readonly transport: 'http' | 'websocket'
  /** The token, without `Bearer`, wherever it was found. */
  readonly token: string | undefined
  /** Of the request; over a WebSocket, of its upgrade. Names are in lower case. */
  readonly headers: Readonly<Record<string, string | undefined>>
  /** Of the WebSocket's init message. */
  readonly connectionParams: Readonly<Record<string, unknown>>
}

/** The header in which a client names itself over HTTP. */
export const CLIENT_ID_HEADER = 'carillon-client-id'

/** The header in which a caller says over HTTP which user it is, where it may say so. */
export const USER_ID_HEADER = 'carillon-user-id'

export function httpCredentials(headers: Credentials['headers']): Credentials {
  const token = bearer(headers.authorization)
  return { transport: 'http', token, headers, connectionParams: {} }
}

/** A browser cannot set headers on a WebSocket: the token is in the parameters. */
export function socketCredentials(
  headers: Credentials['headers'],
  params: Readonly<Record<string, unknown>> | undefined,
): Credentials {
  const connectionParams = params ?? {}
  const { token, authorization, Authorization, headers: nested } = connectionParams
  const inner = isObject(nested) ? (nested.authorization ?? nested.Authorization) : undefined
  const given = [token, authorization, Authorization, inner].find((it) => it != null && it !== '')
  return {
    transport: 'websocket',
    token: given === undefined ? bearer(headers.authorization) : stripBearer(given),
    headers,
    connectionParams,
  }
}

/** The client's name: of the parameters, else of the header. */
export function clientIdOf({ connectionParams, headers }: Credentials): unknown {
  return connectionParams.clientId ?? headers[CLIENT_ID_HEADER]
}

export function userIdOf({ connectionParams, headers }: Credentials): unknown {
  return connectionParams.userId ?? headers[USER_ID_HEADER]
}

/** https://www.rfc-editor.org/rfc/rfc6750#section-2.1 */
const BEARER = /^Bearer +(\S+) *$/i

function bearer(header: string | undefined): string | undefined {
  return header === undefined ? undefined : BEARER.exec(header)?.[1]
}

/** What is no text is no token either, but it was given: it is refused, not passed over. */
function stripBearer(value: unknown): string {
  return typeof value === 'string' ? (bearer(value) ?? value) : ''
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}

import type { GraphQLResponse, TestServer } from '../carillon.ts'
import { readEvents } from '../event-stream.ts'
import { openRawSocket, type ProtocolMessage, type RawSocket } from '../websocket.ts'
import { USER } from './credentials.ts'
import type { Kind } from './operations.ts'

export const CLIENT_ID = 'device'

/** A code of the catalogue, or what was there instead of an error. */
export type Outcome = string

export const ANSWERED = 'data'

/** What came of a request. */
export interface Answer {
  readonly outcome: Outcome
  /** All of it, as the client gets it. */
  readonly text: string
  /** Over HTTP. */
  readonly status?: number
  /** Over HTTP, how it may say who it is. */
  readonly challenge?: string | null
}

/** How one caller asks. */
export interface Channel extends AsyncDisposable {
  ask(query: string): Promise<Answer>
}

export interface Transport {
  readonly name: string
  readonly kinds: readonly Kind[]
  open(server: TestServer, token: string | undefined): Promise<Channel>
}

export const POST: Transport = {
  name: 'HTTP POST',
  kinds: ['query', 'mutation'],
  open: async ({ url }, token) =>
    overHttp(token, (headers, query) => post(url, { ...headers, accept: JSON_ANSWER }, query)),
}

export const GET: Transport = {
  name: 'HTTP GET',
  kinds: ['query'],
  open: async ({ url }, token) =>
    overHttp(token, (headers, query) =>
      fetch(`${url}?${new URLSearchParams({ query })}`, { headers }),
    ),
}

export const EVENTS: Transport = {
  name: 'server-sent events',
  kinds: ['query', 'subscription'],
  open: async ({ url }, token) =>
    overHttp(token, (headers, query) =>
      post(url, { ...headers, accept: 'text/event-stream' }, query),
    ),
}

export const SOCKET: Transport = {
  name: 'WebSocket',
  kinds: ['query', 'mutation', 'subscription'],
  open: async ({ socketUrl }, token) => overSocket(await openRawSocket(socketUrl), token),
}

export const TRANSPORTS: readonly Transport[] = [POST, GET, EVENTS, SOCKET]

/** What a response says, in one word. */
export function outcomeOf({ data, errors }: GraphQLResponse): Outcome {
  const [error] = errors ?? []
  if (error !== undefined) return String(error.extensions?.code)
  const [value] = Object.values(data ?? {})
  if (value === null || (Array.isArray(value) && value.length > 0 && value.every(isNull)))
    return 'null'
  return isEmptyConnection(value) ? 'empty' : value === undefined ? 'nothing' : ANSWERED
}

const JSON_ANSWER = 'application/graphql-response+json'

function post(url: string, headers: Record<string, string>, query: string): Promise<Response> {
  return fetch(url, {
    method: 'POST',
    headers: { ...headers, 'content-type': 'application/json' },
    body: JSON.stringify({ query }),
  })
}

function overHttp(
  token: string | undefined,
  send: (headers: Record<string, string>, query: string) => Promise<Response>,
): Channel {
  const headers: Record<string, string> = { 'carillon-client-id': CLIENT_ID }
  if (token !== undefined) headers.authorization = `Bearer ${token}`
  if (isKey(token)) headers['carillon-user-id'] = USER
  return {
    ask: async (query) => {
      const response = await send(headers, query)
      const { status } = response
      const text = await firstOf(response)
      const challenge = response.headers.get('www-authenticate')
      return { outcome: outcomeOf(JSON.parse(text) as GraphQLResponse), text, status, challenge }
    },
    [Symbol.asyncDispose]: async () => {},
  }
}

/** The answer; of a stream, the first, after which the client goes. */
async function firstOf(response: Response): Promise<string> {
  if (!response.headers.get('content-type')?.startsWith('text/event-stream')) return response.text()
  for await (const { event, data } of readEvents(response)) {
    if (event === 'next') return data // leaving the loop cancels the stream
  }
  return '{}'
}

/** A backend speaks for the user, whose consumers and dead letters are asked for. */
function isKey(token: string | undefined): boolean {
  return token?.startsWith('carillon_') === true
}

function overSocket(raw: RawSocket, token: string | undefined): Channel {
  const waiting = new Map<string, (message: ProtocolMessage) => void>()
  let last = 0
  let acknowledge = () => {}
  const acknowledged = new Promise<void>((resolve) => {
    acknowledge = resolve
  })
  const closed = raw.closed().then(({ code, reason }) => {
    return { type: 'closed', payload: `${code} ${reason}` }
  })
  raw.socket.on('message', (data) => {
    const message = JSON.parse(String(data)) as ProtocolMessage
    if (message.type === 'connection_ack') acknowledge()
    if (message.type === 'ping') raw.send({ type: 'pong', payload: message.payload })
    if (message.id === undefined || message.type === 'complete') return
    waiting.get(message.id)?.(message)
    waiting.delete(message.id)
  })
  raw.send({
    type: 'connection_init',
    payload: { token, clientId: CLIENT_ID, ...(isKey(token) ? { userId: USER } : {}) },
  })
  return {
    ask: async (query) => {
      await Promise.race([acknowledged, closed])
      const id = String(++last)
      const answered = new Promise<ProtocolMessage>((resolve) => waiting.set(id, resolve))
      if (raw.socket.readyState === raw.socket.OPEN) {
        raw.send({ id, type: 'subscribe', payload: { query } })
      }
      const message = await Promise.race([answered, closed])
      if (message.type === 'closed') return { outcome: 'closed', text: String(message.payload) }
      raw.send({ id, type: 'complete' })
      const payload =
        message.type === 'error' ? { errors: message.payload } : (message.payload as object)
      return { outcome: outcomeOf(payload as GraphQLResponse), text: JSON.stringify(payload) }
    },
    [Symbol.asyncDispose]: () => raw[Symbol.asyncDispose](),
  }
}

function isNull(value: unknown): boolean {
  return value === null
}

function isEmptyConnection(value: unknown): boolean {
  const nodes = (value as { nodes?: unknown } | undefined)?.nodes
  return Array.isArray(nodes) && nodes.length === 0
}

import { once } from 'node:events'
import { type Client, type ClientOptions, createClient } from 'graphql-ws'
import { WebSocket, type ClientOptions as WebSocketOptions } from 'ws'

/** A graphql-ws client that does not connect again, closed with its test. */
export function connect(
  socketUrl: string,
  options: Partial<ClientOptions> = {},
): Client & AsyncDisposable {
  const client = createClient({
    url: socketUrl,
    webSocketImpl: WebSocket,
    retryAttempts: 0,
    ...options,
  })
  return Object.assign(client, {
    async [Symbol.asyncDispose]() {
      await client.dispose()
    },
  })
}

/** A message of the graphql-transport-ws protocol. */
export interface ProtocolMessage {
  readonly type: string
  readonly id?: string
  readonly payload?: unknown
}

/** A socket that speaks the protocol by hand, message by message. */
export interface RawSocket extends AsyncDisposable {
  readonly socket: WebSocket
  send(message: ProtocolMessage): void
  /** The next message of the server; rejects where the socket closes instead. */
  receive(): Promise<ProtocolMessage>
  /** How the server closed the socket. */
  closed(): Promise<{ readonly code: number; readonly reason: string }>
  /** Messages that came and were not received yet. */
  pending(): readonly ProtocolMessage[]
}

export async function openRawSocket(
  socketUrl: string,
  protocols: string | string[] = 'graphql-transport-ws',
  options: WebSocketOptions = {},
): Promise<RawSocket> {
  const socket = new WebSocket(socketUrl, protocols, options)
  const queue: ProtocolMessage[] = []
  const waiting: {
    resolve: (message: ProtocolMessage) => void
    reject: (error: Error) => void
  }[] = []
  socket.on('message', (data) => {
    const message = JSON.parse(String(data)) as ProtocolMessage
    const next = waiting.shift()
    if (next === undefined) queue.push(message)
    else next.resolve(message)
  })
  let end: Error | undefined
  await once(socket, 'open')
  const closed = once(socket, 'close').then(([code, reason]) => {
    end = new Error(`closed with ${code} ${String(reason)}`)
    for (const { reject } of waiting) reject(end)
    return { code: Number(code), reason: String(reason) }
  })
  return {
    socket,
    send: (message) => socket.send(JSON.stringify(message)),
    receive() {
      const message = queue.shift()
      if (message !== undefined) return Promise.resolve(message)
      if (end !== undefined) return Promise.reject(end)
      return new Promise((resolve, reject) => waiting.push({ resolve, reject }))
    },
    closed: () => closed,
    pending: () => queue,
    async [Symbol.asyncDispose]() {
      socket.terminate()
      await closed
    },
  }
}

/** A raw socket that has been acknowledged. */
export async function openAcknowledged(
  socketUrl: string,
  connectionParams?: Record<string, unknown>,
): Promise<RawSocket> {
  const raw = await openRawSocket(socketUrl)
  raw.send({
    type: 'connection_init',
    ...(connectionParams === undefined ? {} : { payload: connectionParams }),
  })
  const acknowledged = await raw.receive()
  if (acknowledged.type !== 'connection_ack') throw new Error(`got ${acknowledged.type}`)
  return raw
}

/**
 * Resolves once the only subscription of a socket, one that selects `payload`, is live: nothing in the
 * protocol says so, so messages are published until one arrives. None of them is left to receive.
 */
export async function untilLive(
  raw: RawSocket,
  publish: (payload: string) => Promise<unknown>,
): Promise<void> {
  let live = false
  const first = raw.receive().then(() => {
    live = true
  })
  while (!live) await publish('probe')
  await first
  await publish('last probe')
  let last = ''
  while (!last.includes('last probe')) last = JSON.stringify(await raw.receive())
}

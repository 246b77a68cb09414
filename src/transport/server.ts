import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { CarillonError } from '../protocol/errors.ts'
import { GRAPHQL_PATH, type HttpHandler } from './http.ts'
import { refuseUpgrade } from './refuse-upgrade.ts'
import type { WebSocketTransport } from './websocket.ts'

/** The paths that are Carillon's on a server that it shares with a host application. */
const OWN_PATHS = new Set([GRAPHQL_PATH, '/health/live', '/health/ready'])

/** How long requests in flight may take to finish once the server closes, in milliseconds. */
const FINISH_MS = 5_000

/** Where a server listens. */
export interface Address {
  readonly host: string
  readonly port: number
  /** Where GraphQL, and in a browser GraphiQL, is. */
  readonly url: string
}

/** Carries the transports on HTTP servers: its own, or those of a host application. */
export class ServerTransport {
  readonly #handler: HttpHandler
  readonly #sockets: WebSocketTransport
  #own: Server | undefined
  readonly #detach: (() => void)[] = []
  readonly #responses = new Set<ServerResponse>()
  /** Of our own server, without those that became WebSockets. */
  readonly #connections = new Set<Socket>()
  #closing: Promise<void> | undefined

  constructor(handler: HttpHandler, sockets: WebSocketTransport) {
    this.#handler = handler
    this.#sockets = sockets
  }

  /**
   * Listens on a server of its own.
   * @throws Error of `node:net` (EADDRINUSE, EACCES, …) where it cannot
   */
  async listen(host: string, port: number): Promise<Address> {
    if (this.#closing !== undefined) throw new CarillonError('SHUTTING_DOWN')
    if (this.#own !== undefined) throw new Error('This server listens already.')
    const server = createServer((request, response) => this.#handle(request, response))
    this.#own = server
    server.on('upgrade', (request, socket, head) => this.#upgrade(request, socket, head))
    server.on('connection', (socket) => this.#remember(socket))
    try {
      await listening(server, host, port)
    } catch (error) {
      this.#own = undefined
      throw error
    }
    const { port: taken } = server.address() as AddressInfo
    return { host, port: taken, url: `http://${hostInUrl(host)}:${taken}${GRAPHQL_PATH}` }
  }

  /**
   * Serves Carillon's paths on a server of the host application. Everything else goes to the
   * listeners that the server already had; closing the server stays with the host.
   */
  attach(server: Server): void {
    this.#takeOver(server, 'request', (request: IncomingMessage, response: ServerResponse) => {
      if (!OWN_PATHS.has(pathOf(request))) return false
      this.#handle(request, response)
      return true
    })
    this.#takeOver(server, 'upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      if (pathOf(request) !== GRAPHQL_PATH) return false
      this.#sockets.upgrade(request, socket, head)
      return true
    })
  }

  /**
   * Puts a listener in front of those that an event has: they get what it does not take. A
   * `WebSocketServer` of the host, for one, would answer a socket at our path with 400.
   */
  #takeOver<Args extends [IncomingMessage, Duplex | ServerResponse, ...unknown[]]>(
    server: Server,
    event: 'request' | 'upgrade',
    takes: (...args: Args) => boolean,
  ): void {
    const others = server.rawListeners(event)
    const listener = (...args: Args) => {
      if (this.#closing === undefined && takes(...args)) return
      for (const other of others) other.apply(server, args)
      const isRefused = event === 'upgrade' && others.length === 0
      if (isRefused && server.listenerCount(event) === 1) args[1].destroy()
    }
    server.removeAllListeners(event)
    server.on(event, listener)
    this.#detach.push(() => {
      // Where others came since, it stays, and hands everything on.
      if (server.rawListeners(event).some((other) => other !== listener)) return
      server.off(event, listener)
      for (const other of others) server.on(event, other as (...args: unknown[]) => void)
    })
  }

  /**
   * Stops accepting, lets what is in flight finish for a few seconds, and closes every socket.
   * Streams of server-sent events are cut, not completed: their clients connect again. Idempotent.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    for (const detach of this.#detach) detach()
    const impatient = setTimeout(() => {
      this.#cut(() => true)
      this.#own?.closeAllConnections()
    }, FINISH_MS)
    const stopped = this.#stop()
    this.#cut(isStream)
    await this.#sockets.close()
    await stopped
    clearTimeout(impatient)
  }

  /** Resolves once no connection is left of our own server, and no response on a host's. */
  async #stop(): Promise<void> {
    const server = this.#own
    if (server !== undefined) {
      await new Promise((resolve) => {
        server.close(resolve)
        this.#closeQuiet()
      })
    }
    await Promise.all([...this.#responses].map((response) => once(response, 'close')))
  }

  #cut(which: (response: ServerResponse) => boolean): void {
    for (const response of this.#responses) if (which(response)) response.destroy()
  }

  #handle(request: IncomingMessage, response: ServerResponse): void {
    this.#responses.add(response)
    response.once('close', () => this.#onClosed(response))
    this.#handler.handle(request, response)
  }

  #onClosed(response: ServerResponse): void {
    this.#responses.delete(response)
    // A connection that is kept alive after its last response would hold up `close`.
    if (this.#closing !== undefined) setImmediate(() => this.#closeQuiet())
  }

  #remember(socket: Socket): void {
    this.#connections.add(socket)
    socket.once('close', () => this.#connections.delete(socket))
  }

  /**
   * Closes the connections that no request is under way on. Node itself counts those that have not
   * sent a whole request yet, as browsers keep some ready, for busy. What was answered still goes out.
   */
  #closeQuiet(): void {
    const busy = new Set([...this.#responses].map(({ req }) => req.socket))
    for (const socket of this.#connections) if (!busy.has(socket)) socket.destroySoon()
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    this.#connections.delete(request.socket) // from here on it is no connection of HTTP
    if (pathOf(request) === GRAPHQL_PATH) this.#sockets.upgrade(request, socket, head)
    else refuseUpgrade(socket, '404 Not Found')
  }
}

/**
 * Whether this is a stream of results: one that has begun, for a client that takes streams. Yoga
 * hands its headers to `writeHead`, where `getHeader` does not see them.
 */
function isStream({ headersSent, req }: ServerResponse): boolean {
  return headersSent && /text\/event-stream|multipart\/mixed/.test(req.headers.accept ?? '')
}

/** Connections that may wait to be accepted: all clients of another instance may come at once. */
const BACKLOG = 4_096

async function listening(server: Server, host: string, port: number): Promise<void> {
  server.listen({ port, host, backlog: BACKLOG })
  await once(server, 'listening') // rejects with an error that comes instead
}

function pathOf({ url = '/' }: IncomingMessage): string {
  const query = url.indexOf('?')
  return query === -1 ? url : url.slice(0, query)
}

function hostInUrl(host: string): string {
  return host.includes(':') ? `[${host}]` : host
}

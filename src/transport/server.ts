import { once } from 'node:events'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Server as TlsServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { TlsOptions } from 'node:tls'
import type { Arrivals } from '../access/arrivals.ts'
import { hostnameOf, isLoopbackHost } from '../access/hosts.ts'
import type { Origins } from '../access/origins.ts'
import { CarillonError } from '../protocol/errors.ts'
import { GRAPHQL_PATH, type HttpHandler } from './http.ts'
import { createHttpServer, DEFAULT_HTTP_BOUNDS, type HttpBounds } from './http-server.ts'
import type { Intake } from './intake.ts'
import { type Refusal, textRefusal } from './refusal.ts'
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

/** Where a server of our own is to listen. */
export interface ListenOptions {
  /** Default 127.0.0.1. */
  readonly host?: string
  /** Default 4000; 0 takes a free one. */
  readonly port?: number
  /** Serves over TLS: `key`, `cert`, and what else Node takes. */
  readonly tls?: TlsOptions
}

export interface ServerParts {
  readonly handler: HttpHandler
  readonly sockets: WebSocketTransport
  readonly origins: Origins
  readonly arrivals: Arrivals
  readonly intake: Intake
}

/** Carries the transports on HTTP servers: its own, or those of a host application. */
export class ServerTransport {
  readonly #handler: HttpHandler
  readonly #sockets: WebSocketTransport
  readonly #origins: Origins
  readonly #arrivals: Arrivals
  readonly #intake: Intake
  readonly #bounds: HttpBounds
  #own: Server | TlsServer | undefined
  /** What our own server is called, where it answers only to that. */
  #name: string | undefined
  readonly #detach: (() => void)[] = []
  readonly #responses = new Set<ServerResponse>()
  /** Requests of a connection that are not answered. */
  readonly #pending = new WeakMap<Socket, number>()
  /** Of our own server, by where they come from, without those that became WebSockets. */
  readonly #connections = new Map<string, Socket>()
  #closing: Promise<void> | undefined

  constructor(
    { handler, sockets, origins, arrivals, intake }: ServerParts,
    bounds = DEFAULT_HTTP_BOUNDS,
  ) {
    this.#handler = handler
    this.#sockets = sockets
    this.#origins = origins
    this.#arrivals = arrivals
    this.#intake = intake
    this.#bounds = bounds
  }

  /**
   * Listens on a server of its own.
   * @throws Error of `node:net` (EADDRINUSE, EACCES, …) where it cannot, of `node:tls` where `tls` cannot be used
   */
  async listen({ host = '127.0.0.1', port = 4000, tls }: ListenOptions = {}): Promise<Address> {
    if (this.#closing !== undefined) throw new CarillonError('SHUTTING_DOWN')
    if (this.#own !== undefined) throw new Error('This server listens already.')
    const server = createHttpServer((...both) => this.#answer(...both), this.#bounds, tls)
    this.#own = server
    this.#name = nameOf(host)
    server.on('upgrade', (request, socket, head) => this.#upgrade(request, socket, head))
    server.on('connection', (socket) => this.#remember(socket))
    server.on('secureConnection', (socket) => this.#remember(socket)) // in the place of the one under it
    try {
      await listening(server, host, port)
    } catch (error) {
      this.#own = undefined
      throw error
    }
    const { port: taken } = server.address() as AddressInfo
    const scheme = tls === undefined ? 'http' : 'https'
    return { host, port: taken, url: `${scheme}://${hostInUrl(host)}:${taken}${GRAPHQL_PATH}` }
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

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const refusal = hasUrl(request) ? this.#misdirected(request) : NO_URL
    if (refusal === undefined) this.#handle(request, response)
    else answer(response, refusal)
  }

  /**
   * A page can give a name of its own the address of this machine, and would then be of the same origin as this server.
   * The name is in `Host`: https://www.rfc-editor.org/rfc/rfc9110#section-7.4
   */
  #misdirected({ headers }: IncomingMessage): Refusal | undefined {
    if (this.#name === undefined) return undefined
    const called = hostnameOf(headers.host ?? '')
    if (called !== undefined && this.#isCalled(called)) return undefined
    return textRefusal(421, 'This server is not called that: see CARILLON_ORIGINS.')
  }

  #isCalled(hostname: string): boolean {
    return hostname === this.#name || isLoopbackHost(hostname) || this.#origins.namesHost(hostname)
  }

  #handle(request: IncomingMessage, response: ServerResponse): void {
    this.#responses.add(response)
    response.once('close', () => this.#onClosed(response))
    if (!hasUrl(request)) answer(response, NO_URL)
    else if (this.#isPipelining(request, response)) request.socket.destroy()
    else void this.#handleInTurn(request, response)
  }

  /** Node reads requests of one connection without bound, as long as none of them is answered. */
  #isPipelining({ socket }: IncomingMessage, response: ServerResponse): boolean {
    const pending = (this.#pending.get(socket) ?? 0) + 1
    this.#pending.set(socket, pending)
    response.once('close', () => this.#pending.set(socket, (this.#pending.get(socket) ?? 1) - 1))
    return pending > MAX_PIPELINED
  }

  async #handleInTurn(request: IncomingMessage, response: ServerResponse): Promise<void> {
    // Who watches over the server often has the address of its clients, those of a proxy in between.
    const kind = PROBES.has(pathOf(request)) ? 'probe' : 'request'
    await this.#intake.next(`${kind} ${this.#arrivals.of(request).address}`)
    if (!response.destroyed) this.#handler.handle(request, response)
  }

  #onClosed(response: ServerResponse): void {
    this.#responses.delete(response)
    // A connection that is kept alive after its last response would hold up `close`.
    if (this.#closing !== undefined) setImmediate(() => this.#closeQuiet())
  }

  #remember(socket: Socket): void {
    const peer = peerOf(socket)
    this.#connections.set(peer, socket)
    socket.once('close', () => {
      if (this.#connections.get(peer) === socket) this.#connections.delete(peer)
    })
  }

  /**
   * Closes the connections that no request is under way on. Node itself counts those that have not
   * sent a whole request yet, as browsers keep some ready, for busy. What was answered still goes out.
   */
  #closeQuiet(): void {
    const busy = new Set([...this.#responses].map(({ req }) => req.socket))
    for (const socket of this.#connections.values()) if (!busy.has(socket)) socket.destroySoon()
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    this.#connections.delete(peerOf(request.socket)) // from here on it is no connection of HTTP
    const refusal = this.#misdirected(request)
    if (refusal !== undefined) refuseUpgrade(socket, refusal)
    else if (pathOf(request) === GRAPHQL_PATH) this.#sockets.upgrade(request, socket, head)
    else refuseUpgrade(socket, textRefusal(404, 'There is nothing here.'))
  }
}

/**
 * Whether this is a stream of results: one that has begun, for a client that takes streams. Yoga
 * hands its headers to `writeHead`, where `getHeader` does not see them.
 */
function isStream({ headersSent, req }: ServerResponse): boolean {
  return headersSent && /text\/event-stream|multipart\/mixed/.test(req.headers.accept ?? '')
}

/** What is asked by who watches over the server. */
const PROBES: ReadonlySet<string> = new Set(['/health/live', '/health/ready', '/metrics'])

/** Requests that one connection may send before the first of them is answered. */
const MAX_PIPELINED = 64

/** Connections that may wait to be accepted: all clients of another instance may come at once. */
const BACKLOG = 4_096

async function listening(server: Server | TlsServer, host: string, port: number): Promise<void> {
  server.listen({ port, host, backlog: BACKLOG })
  await once(server, 'listening') // rejects with an error that comes instead
}

function answer(response: ServerResponse, { status, headers, body }: Refusal): void {
  response.writeHead(status, headers).end(body)
}

const NO_URL = textRefusal(400, 'Host and path make no address.')

/** Host and target are put together to the URL of a request, which what is behind takes for granted. */
function hasUrl({ url = '', headers: { host = '' } }: IncomingMessage): boolean {
  return HOST.test(host) && url.startsWith('/') && URL.canParse(`http://${host}${url}`)
}

/** https://www.rfc-editor.org/rfc/rfc9110#section-7.2 */
const HOST = /^[A-Za-z0-9._~%[\]:-]+$/

function pathOf({ url = '/' }: IncomingMessage): string {
  const query = url.indexOf('?')
  return query === -1 ? url : url.slice(0, query)
}

/** The name of a server that only this machine reaches; undefined of others. */
function nameOf(host: string): string | undefined {
  const hostname = hostnameOf(hostInUrl(host))
  return hostname !== undefined && isLoopbackHost(hostname) ? hostname : undefined
}

function peerOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`
}

function hostInUrl(host: string): string {
  return host.includes(':') ? `[${host}]` : host
}

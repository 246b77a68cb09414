import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import { execute, type GraphQLSchema } from 'graphql'
import { handleProtocols, makeServer, type OperationResult } from 'graphql-ws'
import { type WebSocket, WebSocketServer } from 'ws'
import type { Arrivals } from '../access/arrivals.ts'
import type { Limits } from '../access/limits.ts'
import type { Origins } from '../access/origins.ts'
import type { Documents } from '../graphql/documents.ts'
import { formatError, formatResult } from '../graphql/errors.ts'
import { isLiveSource, type LiveSource } from '../graphql/live.ts'
import { type LiveArgs, Renderings } from '../graphql/renderings.ts'
import type { Outboxes } from '../hub/outboxes.ts'
import { PresenceSubscription } from '../presence/presence-subscription.ts'
import { CLOSE_CODES } from '../protocol/close-codes.ts'
import { CarillonError, ERRORS } from '../protocol/errors.ts'
import {
  type Connection,
  type ConnectionParts,
  closeConnection,
  explainCloses,
  openConnection,
} from './connection.ts'
import type { ConnectionLimits } from './connection-limits.ts'
import { Heartbeat } from './heartbeat.ts'
import { Inbox } from './inbox.ts'
import type { Intake } from './intake.ts'
import { refusalOf } from './refusal.ts'
import { refuseUpgrade } from './refuse-upgrade.ts'
import { SocketAccess, type SocketAccessParts } from './socket-access.ts'
import { SocketOperations } from './socket-operations.ts'
import { inStages } from './stages.ts'

export interface WebSocketParts extends SocketAccessParts {
  readonly schema: GraphQLSchema
  readonly documents: Documents
  readonly limits: Limits
  readonly connections: ConnectionLimits<Connection>
  readonly outboxes: Outboxes
  readonly intake: Intake
  readonly origins: Origins
  readonly arrivals: Arrivals
}

export interface WebSocketBounds {
  /** How often a socket is asked for a sign of life, in milliseconds; it has as long to answer. */
  readonly heartbeatMs: number
}

export const DEFAULT_WEBSOCKET_BOUNDS: WebSocketBounds = {
  heartbeatMs: 12_000,
}

type ConnectionParams = Record<string, unknown>

/**
 * GraphQL over WebSocket, by the graphql-transport-ws protocol:
 * https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md
 */
export class WebSocketTransport {
  readonly #parts: WebSocketParts
  readonly #limits: ConnectionLimits<Connection>
  readonly #sockets: WebSocketServer
  readonly #protocol: ReturnType<typeof makeServer<ConnectionParams, Connection>>
  readonly #heartbeat: Heartbeat
  readonly #renderings: Renderings
  readonly #connections = new Set<Connection>()
  readonly #access: SocketAccess
  readonly #operations: SocketOperations
  #closing: Promise<void> | undefined

  constructor(parts: WebSocketParts, bounds: WebSocketBounds = DEFAULT_WEBSOCKET_BOUNDS) {
    this.#parts = parts
    this.#limits = parts.connections
    const access = new SocketAccess(parts)
    this.#access = access
    this.#operations = new SocketOperations({
      ...parts,
      renew: (connection, token) => access.renew(connection, token),
    })
    this.#sockets = new WebSocketServer({
      noServer: true,
      handleProtocols,
      maxPayload: parts.limits.frameBytes,
      maxFragments: MAX_FRAGMENTS,
      perMessageDeflate: false,
    })
    this.#renderings = new Renderings(parts.report)
    this.#protocol = this.#makeProtocol()
    this.#heartbeat = new Heartbeat(this.#connections, bounds.heartbeatMs)
  }

  /** Takes over an upgrade request of an HTTP server. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const refusal = this.#refusal(request) ?? this.#admit(request, socket)
    if (refusal !== undefined) refuseUpgrade(socket, refusalOf(refusal))
    else void this.#accept(request, socket, head)
  }

  /** Counts a socket from here on, until it is closed, whatever becomes of the handshake. */
  #admit(request: IncomingMessage, socket: Duplex): CarillonError | undefined {
    const { address } = this.#parts.arrivals.of(request)
    const refusal = this.#limits.admit(address)
    if (refusal !== undefined) return refusal
    if (socket.closed) this.#limits.release(address)
    else socket.once('close', () => this.#limits.release(address))
    return undefined
  }

  /** Many clients that come at once take turns with what is published meanwhile. */
  async #accept(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    const ignore = () => {} // a socket that breaks meanwhile is closed by then
    socket.on('error', ignore)
    const { arrivals, intake } = this.#parts
    await intake.next(`upgrade ${arrivals.of(request).address}`)
    socket.off('error', ignore)
    if (socket.destroyed) return
    const refusal = this.#refusal(request)
    if (refusal !== undefined) refuseUpgrade(socket, refusalOf(refusal))
    else {
      const { headers } = request
      const { outboxes, limits } = this.#parts
      const parts = { raw: socket, headers, outboxes, limits, intake }
      this.#sockets.handleUpgrade(request, socket, head, (opened) => this.#open(opened, parts))
    }
  }

  #refusal(request: IncomingMessage): CarillonError | undefined {
    if (this.#closing !== undefined) return new CarillonError('SHUTTING_DOWN')
    const { origins, arrivals } = this.#parts
    if (origins.allows(request.headers.origin ?? null, arrivals.of(request))) return undefined
    return new CarillonError('PERMISSION_DENIED', 'Pages of this origin may not use this server.')
  }

  /**
   * Lets running queries and mutations finish, then closes every socket with 1012, upon which
   * clients connect again: no `complete`, which would end their subscriptions for good. In stages, so that
   * many clients do not return to the other instances all at once. Idempotent.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    this.#heartbeat.stop()
    await this.#operations.close()
    const closed = [...this.#sockets.clients].map(
      (socket) => new Promise<void>((resolve) => socket.once('close', () => resolve())),
    )
    const end = (connection: Connection) =>
      closeConnection(connection, CLOSE_CODES.SERVICE_RESTART, ERRORS.SHUTTING_DOWN.message)
    const pause = () => delay(STAGE_PAUSE_MS)
    await inStages([...this.#connections], end, { size: STAGE_SOCKETS, pause })
    const impatient = setTimeout(() => this.#terminate(), CLOSE_GRACE_MS)
    await Promise.all(closed)
    clearTimeout(impatient)
    this.#sockets.close()
  }

  #terminate(): void {
    for (const socket of this.#sockets.clients) socket.terminate()
  }

  #open(socket: WebSocket, parts: ConnectionParts): void {
    const { report, limits } = this.#parts
    explainCloses(socket, {
      1008: 'Too many parts of a message',
      1009: `PAYLOAD_TOO_LARGE: A message has at most ${limits.frameBytes} bytes (frameBytes).`,
    })
    const connection = openConnection(socket, parts)
    const { meter, outbox, reader } = connection
    this.#connections.add(connection)
    this.#awaitInit(connection)
    reader.allow({
      bytes: limits.initBytes,
      onExceeded: () => this.#closeTooLong(connection),
    })
    socket.on('error', (error) => this.#onSocketError(error))
    socket.on('pong', () => this.#heartbeat.hear(socket))
    const closed = this.#protocol.opened(
      {
        protocol: socket.protocol,
        send: (text) => outbox.send(text),
        close: (code = CLOSE_CODES.INTERNAL_SERVER_ERROR, reason = '') =>
          closeConnection(connection, code, reason),
        onMessage: (handle) => {
          const inbox = this.#openInbox(connection, handle)
          connection.inbox = inbox
          socket.on('message', (data) => {
            reader.finishMessage()
            if (meter.passes()) inbox.receive(String(data))
            else this.#closeTooBusy(connection)
          })
          socket.on('ping', () => {
            if (!meter.passes()) this.#closeTooBusy(connection)
          })
        },
        onPong: (payload) => connection.resume?.hear(payload),
      },
      connection,
    )
    socket.once('close', (code, reason) => {
      this.#connections.delete(connection)
      this.#limits.settle(connection)
      outbox.close()
      connection.isLost = true
      this.#access.forget(connection)
      void connection.resume?.lose() // before its operations are ended, which it would take for the client's wish
      closed(code, String(reason)).catch(report)
    })
  }

  /** One that makes room may be as silent from here on as it was: it is not waited for. */
  #awaitInit(connection: Connection): void {
    const oldest = this.#limits.await(connection)
    if (oldest === undefined) return
    this.#parts.intake.spend(SILENT_COST_MS)
    closeConnection(oldest, CLOSE_CODES.CONNECTION_INIT_TIMEOUT, CROWDED_OUT)
    setTimeout(() => oldest.socket.terminate(), CLOSE_GRACE_MS).unref()
  }

  /** Passes on whether a client was let in; from then on it is known who it is. */
  #settle(connection: Connection, accepted: boolean): boolean {
    if (accepted) this.#limits.settle(connection)
    return accepted
  }

  #openInbox(connection: Connection, handle: (text: string) => Promise<void>): Inbox {
    const { socket } = connection
    return new Inbox({
      handle,
      close: (code, reason) => closeConnection(connection, code, reason),
      isOpen: () => socket.readyState === socket.OPEN,
      onFault: (error) => {
        this.#parts.report(error)
        closeConnection(connection, CLOSE_CODES.INTERNAL_SERVER_ERROR, ERRORS.INTERNAL.message)
      },
    })
  }

  /** Clients break connections and protocols; `ws` closes the socket by itself. */
  #onSocketError(error: Error): void {
    const isFault = !('code' in error)
    if (isFault) this.#parts.report(error)
    else if (error.code === 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH') this.#parts.onLimit('frameBytes')
  }

  #makeProtocol() {
    const { report } = this.#parts
    return makeServer<ConnectionParams, Connection>({
      connectionInitWaitTimeout: this.#parts.limits.initTimeoutMs,
      onConnect: async ({ extra, connectionParams }) =>
        this.#settle(extra, await this.#access.connect(extra, connectionParams)),
      onSubscribe: ({ extra }, id, payload) => this.#operations.prepare(extra, id, payload),
      execute,
      // What is pushed is an iterable too, which tells of the end only.
      subscribe: (args) => this.#operations.subscribe(args) as OperationResult,
      onOperation: (context, id, _payload, args, result) => {
        const source: unknown = result
        if (isLiveSource(source)) this.#feed(source, id, context.extra, args as LiveArgs)
      },
      onComplete: (context, id) => context.extra.resume?.end(id),
      onNext: (_context, _id, _payload, _args, result) => formatResult(result, report),
      onError: (_context, _id, _payload, errors) =>
        errors.map((error) => formatError(error, report).toJSON()),
    })
  }

  #closeTooBusy(connection: Connection): void {
    const { messagesPerSecond } = this.#parts.limits
    const text = `More than ${messagesPerSecond} messages a second (messagesPerSecond).`
    const limit = 'messagesPerSecond'
    if (connection.socket.readyState !== connection.socket.OPEN) return
    this.#access.refuse(connection, new CarillonError('RATE_LIMIT_EXCEEDED', text, { limit }))
  }

  #closeTooLong(connection: Connection): void {
    const { initBytes } = this.#parts.limits
    const text = `More than ${initBytes} bytes before the connection was acknowledged (initBytes).`
    this.#access.refuse(
      connection,
      new CarillonError('PAYLOAD_TOO_LARGE', text, { limit: 'initBytes' }),
    )
    setTimeout(() => connection.socket.terminate(), CLOSE_GRACE_MS).unref() // its answer is not heard
  }

  /** Lets the results of an operation be pushed, each rendered once for all who show it alike. */
  #feed(source: LiveSource, id: string, { outbox }: Connection, args: LiveArgs): void {
    const prefix = Buffer.from(`{"id":${JSON.stringify(id)},"type":"next","payload":`)
    if (source instanceof PresenceSubscription) {
      const { rendering, release } = this.#renderings.usePresence(args, source.delivery)
      source.onClosed(release)
      source.feed({ outbox, rendering, prefix })
    } else {
      const { rendering, release } = this.#renderings.use(args, source)
      source.onClosed(release)
      source.feed({ outbox, rendering, prefix })
    }
  }
}

/** Why a client is closed that makes room for others. */
const CROWDED_OUT = 'unauthenticatedConnections: too many others have not said either who they are'

/** Sockets that are closed at once, at least, and the pause until the next ones are, in milliseconds. */
const STAGE_SOCKETS = 200
const STAGE_PAUSE_MS = 50

/**
 * What a socket costs that has to make room, in milliseconds, besides the time that it took: its memory is collected later. Those that
 * come back after a cut say at once who they are, and cost nothing.
 */
const SILENT_COST_MS = 1

/** Parts of one message. Each takes more memory than its bytes; a client that sends parts at all sends them of a few KiB. */
const MAX_FRAGMENTS = 1_024

/** How long clients have to answer a close, in milliseconds. */
const CLOSE_GRACE_MS = 2_000

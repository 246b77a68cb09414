import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import {
  type DocumentNode,
  type ExecutionArgs,
  execute,
  GraphQLError,
  type GraphQLSchema,
  getOperationAST,
} from 'graphql'
import {
  handleProtocols,
  makeServer,
  type OperationResult,
  type SubscribePayload,
} from 'graphql-ws'
import { type WebSocket, WebSocketServer } from 'ws'
import { isAllowedOrigin } from '../access/origins.ts'
import { openViewer, type Viewer } from '../access/viewer.ts'
import type { GraphQLContext, Services } from '../graphql/context.ts'
import type { Documents } from '../graphql/documents.ts'
import { formatError, formatResult, type ReportError } from '../graphql/errors.ts'
import { isLiveSource, type LiveSource, openSource } from '../graphql/live.ts'
import { type LiveArgs, Renderings } from '../graphql/renderings.ts'
import type { Outboxes } from '../hub/outboxes.ts'
import { PresenceSubscription } from '../presence/presence-subscription.ts'
import { CLOSE_CODES } from '../protocol/close-codes.ts'
import { CarillonError, ERRORS } from '../protocol/errors.ts'
import type { Resumptions } from '../resume/resumptions.ts'
import { type Connection, closeConnection, openConnection } from './connection.ts'
import { Heartbeat } from './heartbeat.ts'
import { Inbox } from './inbox.ts'
import { refuseUpgrade } from './refuse-upgrade.ts'
import { inStages } from './stages.ts'

export interface WebSocketParts {
  readonly schema: GraphQLSchema
  readonly documents: Documents
  readonly services: Services
  readonly report: ReportError
  readonly outboxes: Outboxes
  readonly resumptions: Resumptions
}

export interface WebSocketBounds {
  /** How long a client may take to send its init message, in milliseconds. */
  readonly initTimeoutMs: number
  /** How often a socket is asked for a sign of life, in milliseconds; it has as long to answer. */
  readonly heartbeatMs: number
  /** The longest message of a client, in bytes. */
  readonly maxMessageBytes: number
}

export const DEFAULT_WEBSOCKET_BOUNDS: WebSocketBounds = {
  initTimeoutMs: 3_000,
  heartbeatMs: 12_000,
  maxMessageBytes: 8 * 1024 * 1024,
}

type ConnectionParams = Record<'clientId' | 'userId', unknown>

/**
 * GraphQL over WebSocket, by the graphql-transport-ws protocol:
 * https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md
 */
export class WebSocketTransport {
  readonly #parts: WebSocketParts
  readonly #bounds: WebSocketBounds
  readonly #sockets: WebSocketServer
  readonly #protocol: ReturnType<typeof makeServer<ConnectionParams, Connection>>
  readonly #heartbeat: Heartbeat
  readonly #renderings: Renderings
  readonly #connections = new Set<Connection>()
  /** Queries and mutations under way, each until its answer has been sent. */
  readonly #answering = new Set<Promise<void>>()
  #closing: Promise<void> | undefined

  constructor(parts: WebSocketParts, bounds: WebSocketBounds = DEFAULT_WEBSOCKET_BOUNDS) {
    this.#parts = parts
    this.#bounds = bounds
    this.#sockets = new WebSocketServer({
      noServer: true,
      handleProtocols,
      maxPayload: bounds.maxMessageBytes,
      perMessageDeflate: false,
    })
    this.#renderings = new Renderings(parts.report)
    this.#protocol = this.#makeProtocol()
    this.#heartbeat = new Heartbeat(this.#connections, bounds.heartbeatMs)
  }

  /** Takes over an upgrade request of an HTTP server. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const refusal = this.#refusal(request)
    if (refusal !== undefined) refuseUpgrade(socket, refusal)
    else void this.#accept(request, socket, head)
  }

  /** Many clients that come at once take turns with what is published meanwhile. */
  async #accept(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    const ignore = () => {} // a socket that breaks meanwhile is closed by then
    socket.on('error', ignore)
    await this.#parts.outboxes.turns.next()
    socket.off('error', ignore)
    const refusal = this.#refusal(request)
    if (refusal !== undefined) refuseUpgrade(socket, refusal)
    else this.#sockets.handleUpgrade(request, socket, head, (opened) => this.#open(opened, socket))
  }

  #refusal({ headers: { origin, host } }: IncomingMessage): string | undefined {
    if (this.#closing !== undefined) return '503 Service Unavailable'
    return isAllowedOrigin(origin ?? null, host ?? null) ? undefined : '403 Forbidden'
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
    await this.#answered()
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

  /** A client that does not read its answers keeps nobody waiting for longer than this. */
  async #answered(): Promise<void> {
    let impatient: NodeJS.Timeout | undefined
    const tooLate = new Promise<void>((resolve) => {
      impatient = setTimeout(resolve, ANSWER_GRACE_MS)
    })
    await Promise.race([Promise.all(this.#answering), tooLate])
    clearTimeout(impatient)
  }

  #terminate(): void {
    for (const socket of this.#sockets.clients) socket.terminate()
  }

  #open(socket: WebSocket, raw: Duplex): void {
    const { report } = this.#parts
    const connection = openConnection(socket, raw, this.#parts.outboxes)
    const { outbox } = connection
    this.#connections.add(connection)
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
          socket.on('message', (data) => inbox.receive(String(data)))
        },
        onPong: (payload) => connection.resume?.hear(payload),
      },
      connection,
    )
    socket.once('close', (code, reason) => {
      this.#connections.delete(connection)
      outbox.close()
      connection.isLost = true
      void connection.resume?.lose() // before its operations are ended, which it would take for the client's wish
      closed(code, String(reason)).catch(report)
    })
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
  }

  #makeProtocol() {
    const { report } = this.#parts
    return makeServer<ConnectionParams, Connection>({
      connectionInitWaitTimeout: this.#bounds.initTimeoutMs,
      onConnect: (context) => this.#connect(context.extra, context.connectionParams),
      onSubscribe: (context, id, payload) => {
        const prepared = this.#prepare(context.extra, id, payload)
        if ('document' in prepared) this.#remember(context.extra, id, prepared)
        return prepared
      },
      execute,
      // What is pushed is an iterable too, which tells of the end only.
      subscribe: (args) => openSource(args) as OperationResult,
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

  #connect(connection: Connection, params: ConnectionParams | undefined): boolean {
    try {
      const viewer = openViewer(params ?? {})
      connection.viewer = viewer
      connection.resume = this.#openResumable(connection, viewer)
      return true
    } catch (error) {
      if (!(error instanceof CarillonError)) throw error
      closeConnection(connection, ERRORS[error.code].closeCode, `${error.code}: ${error.message}`)
      return false
    }
  }

  /** A client that does not name itself cannot be known again. */
  #openResumable({ outbox }: Connection, { userId, clientId }: Viewer) {
    if (clientId === null) return undefined
    return this.#parts.resumptions.open({
      userId,
      clientId,
      ping: (payload) => void outbox.send(JSON.stringify({ type: 'ping', payload })),
    })
  }

  /** Syntax errors are answered like validation errors: an operation's failure, not the socket's. */
  #prepare(
    connection: Connection,
    id: string,
    { query, variables, operationName }: SubscribePayload,
  ): ExecutionArgs | readonly GraphQLError[] | Promise<never> {
    const { viewer, resume } = connection
    const { schema, documents, services } = this.#parts
    const prepared = documents.prepare(query)
    if (prepared.kind === 'invalid') return prepared.errors
    if (this.#closing !== undefined) {
      // An error would end a subscription for good: its client connects again after the close.
      return isSubscription(prepared.document, operationName)
        ? new Promise(() => {})
        : [shuttingDown()]
    }
    if (viewer === undefined)
      throw new Error('An operation came before the connection was acknowledged.')
    const contextValue: GraphQLContext = {
      viewer,
      services,
      resume: resume?.point(id, query),
      connection: { id: connection.id, operationId: id, isLost: () => connection.isLost },
    }
    return {
      schema,
      document: prepared.document,
      variableValues: variables ?? null,
      operationName: operationName ?? null,
      contextValue,
    }
  }

  /** Lets the results of an operation be pushed, each rendered once for all who show it alike. */
  #feed(source: LiveSource, id: string, { outbox }: Connection, args: LiveArgs): void {
    const prefix = Buffer.from(`{"id":${JSON.stringify(id)},"type":"next","payload":`)
    if (source instanceof PresenceSubscription) {
      const { rendering, release } = this.#renderings.usePresence(args)
      source.onClosed(release)
      source.feed({ outbox, rendering, prefix })
    } else {
      const { rendering, release } = this.#renderings.use(args, source.tellsEvents)
      source.onClosed(release)
      source.feed({ outbox, rendering, prefix })
    }
  }

  /** Remembers what is to be answered, so that a shutdown can wait for it. */
  #remember({ inbox }: Connection, id: string, { document, operationName }: ExecutionArgs): void {
    if (inbox === undefined || isSubscription(document, operationName)) return
    const answered = inbox.ended(id).finally(() => this.#answering.delete(answered))
    this.#answering.add(answered)
  }
}

function isSubscription(document: DocumentNode, operationName?: string | null): boolean {
  return getOperationAST(document, operationName)?.operation === 'subscription'
}

/** Sockets that are closed at once, at least, and the pause until the next ones are, in milliseconds. */
const STAGE_SOCKETS = 200
const STAGE_PAUSE_MS = 50

/** How long clients have to answer a close, in milliseconds. */
const CLOSE_GRACE_MS = 2_000

/** How long queries and mutations may take to be answered once the server closes, in milliseconds. */
const ANSWER_GRACE_MS = 5_000

function shuttingDown(): GraphQLError {
  const error = new CarillonError('SHUTTING_DOWN')
  return new GraphQLError(error.message, { originalError: error })
}

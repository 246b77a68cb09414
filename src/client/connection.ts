import { createClient } from 'graphql-ws/client'
import { type Loss, lossOf } from './close.ts'
import { defer } from './deferred.ts'
import { CarillonError } from './error.ts'
import { Heartbeat } from './heartbeat.ts'
import { type Socket, sendTo, shown, type WebSocketClass } from './socket.ts'
import { after } from './timing.ts'
import { uniqueId } from './unique-id.ts'

export interface ConnectionOptions {
  readonly url: string
  readonly webSocketImpl: WebSocketClass
  /** The payload of `connection_init`. */
  readonly params: Record<string, unknown>
  /** How long it may take until the server has let it in, in milliseconds. */
  readonly connectTimeout: number
  readonly keepAlive: number
  readonly keepAliveTimeout: number
}

export interface Operation {
  readonly query: string
  readonly variables: Record<string, unknown>
  /** Under which a server knows it again on another connection. Default: one of its own. */
  readonly id?: string | undefined
}

/** A result, as it comes. */
export interface Result {
  readonly data?: Record<string, unknown> | null | undefined
  readonly errors?: unknown
}

/** What becomes of an operation: results, and then one of the others, once. */
export interface Sink {
  next(result: Result): void
  /** The server ended it, with errors of GraphQL. */
  error(errors: unknown): void
  complete(): void
  /** The connection was lost under it. */
  lost(error: CarillonError): void
}

/** One connection from its beginning to its end; there is no second life to it. Nothing of it is heard afterwards. */
export class Connection {
  readonly #client: ReturnType<typeof createClient>
  readonly #sinks = new Set<Sink>()
  readonly #heartbeat: Heartbeat
  readonly #onOpen = defer<true>()
  readonly #onLost = defer<Loss>()
  readonly #cancelTimeout: () => void
  #socket: Socket | undefined
  #id = ''
  #isOpen = false
  #isLost = false

  constructor(options: ConnectionOptions) {
    const onSilent = () => this.abandon(new CarillonError('NETWORK_ERROR', 'The server is silent.'))
    this.#heartbeat = new Heartbeat({
      intervalMs: options.keepAlive,
      timeoutMs: options.keepAliveTimeout,
      ping: () => sendTo(this.#socket, '{"type":"ping"}'),
      onSilent,
    })
    this.#cancelTimeout = after(options.connectTimeout, onSilent)
    this.#client = createClient({
      url: options.url,
      webSocketImpl: shown(
        options.webSocketImpl,
        (socket) => {
          this.#socket = socket
        },
        (error) => this.abandon(error),
      ),
      connectionParams: options.params,
      lazy: false,
      retryAttempts: 0,
      onNonLazyError: (event) => this.#lose(event),
      generateID: () => this.#id,
      on: {
        connected: () => {
          this.#cancelTimeout()
          this.#isOpen = true
          this.#onOpen.resolve(true)
        },
        message: () => this.#heartbeat.hear(),
        error: (event) => this.#lose(event),
        closed: (event) => this.#lose(event),
      },
    })
  }

  /** Resolves once the server has let it in; with false where it was lost before. */
  opened(): Promise<boolean> {
    return Promise.race([this.#onOpen.promise, this.lost().then(() => false)])
  }

  /** Resolves with why, once it is lost. */
  lost(): Promise<Loss> {
    return this.#onLost.promise
  }

  /** Whether the server has let it in, and it is not lost yet. */
  get isOpen(): boolean {
    return this.#isOpen
  }

  /** Answers how to end the operation. What is ended is told nothing more. */
  run({ query, variables, id = uniqueId() }: Operation, sink: Sink): () => void {
    if (this.#isLost) {
      queueMicrotask(() => sink.lost(new CarillonError('NETWORK_ERROR')))
      return () => {}
    }
    this.#id = id
    this.#sinks.add(sink)
    const end = (tell: () => void) => {
      if (this.#sinks.delete(sink)) tell()
    }
    const unsubscribe = this.#client.subscribe<Record<string, unknown>>(
      { query, variables },
      {
        next: (result) => {
          if (this.#sinks.has(sink)) sink.next(result)
        },
        error: (errors) => {
          if (Array.isArray(errors)) end(() => sink.error(errors)) // else it is the end of the connection
        },
        complete: () => end(() => sink.complete()),
      },
    )
    return () => end(unsubscribe)
  }

  /** Asks whether the server is still there. */
  probe(): void {
    this.#heartbeat.probe()
  }

  /** Ends it for a reason of this side, without waiting for the other. */
  abandon(reason: unknown): void {
    this.#lose(reason)
    this.#client.terminate()
    this.#socket?.terminate?.()
  }

  /** Says goodbye. */
  close(): void {
    this.#lose(new CarillonError('NOT_CONNECTED'))
    this.#socket?.close(1000, 'Normal Closure')
  }

  #lose(event: unknown): void {
    if (this.#isLost) return
    this.#isLost = true
    this.#isOpen = false
    this.#heartbeat.stop()
    this.#cancelTimeout()
    this.#client.dispose()?.catch?.(() => {}) // so that graphql-ws does not connect again; it may not be connected
    const loss = lossOf(event)
    const sinks = [...this.#sinks]
    this.#sinks.clear()
    this.#onLost.resolve(loss)
    for (const sink of sinks) sink.lost(loss.error)
  }
}

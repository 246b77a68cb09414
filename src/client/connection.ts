import { createClient } from 'graphql-ws/client'
import { type Loss, lossOf } from './close.ts'
import { CarillonError, serverError } from './error.ts'
import { Heartbeat } from './heartbeat.ts'
import type { Settings } from './settings.ts'
import { type Socket, shown } from './socket.ts'
import { after } from './timing.ts'
import { uniqueId } from './unique-id.ts'

export interface Operation {
  readonly query: string
  readonly variables: Record<string, unknown>
  /** Under which a server knows it again on another connection. Default: one of its own. */
  readonly id?: string | undefined
}

/** What becomes of an operation: data, and then one of the others, once. */
export interface Sink {
  next(data: Record<string, unknown>): void
  /** The server refused it, or has ended it. */
  error(error: CarillonError): void
  /** The connection was lost under it. */
  lost(cause?: CarillonError): void
}

export interface ConnectionParts {
  /** The payload of `connection_init`. */
  readonly connectionParams: Record<string, unknown>
  /** The server has let it in. */
  readonly onOpen: () => void
  /** It is over, opened or not; told once, before its operations. */
  readonly onLost: (loss: Loss) => void
}

/** One connection from its beginning to its end; there is no second life to it. Nothing of it is heard afterwards. */
export class Connection {
  readonly #client: ReturnType<typeof createClient>
  readonly #sinks = new Set<Sink>()
  #heartbeat: Heartbeat | undefined
  readonly #onLost: (loss: Loss) => void
  readonly #cancelTimeout: () => void
  #socket: Socket | undefined
  #id = ''
  #isLost = false

  constructor(settings: Settings, { connectionParams, onOpen, onLost }: ConnectionParts) {
    const onSilent = () =>
      this.abandon(new CarillonError('NETWORK_ERROR', 'The server has not answered in time.'))
    const lose = (event: unknown) => this.#lose(event)
    this.#onLost = onLost
    this.#cancelTimeout = after(settings.connectTimeout, onSilent)
    this.#client = createClient({
      url: settings.url,
      webSocketImpl: shown(
        settings.webSocketImpl,
        (socket) => {
          this.#socket = socket
        },
        (error) => this.abandon(error),
      ),
      connectionParams,
      lazy: false,
      retryAttempts: 0,
      onNonLazyError: lose,
      generateID: () => this.#id,
      on: {
        connected: () => {
          if (this.#isLost) return
          this.#cancelTimeout()
          this.#heartbeat = new Heartbeat({
            ...settings,
            ping: () => this.#socket?.send('{"type":"ping"}'),
            onSilent,
          })
          onOpen()
        },
        message: () => this.#heartbeat?.hear(),
        error: lose,
        closed: lose,
      },
    })
  }

  /** Answers how to end the operation. What is ended is told nothing more. */
  run({ query, variables, id = uniqueId() }: Operation, sink: Sink): () => void {
    if (this.#isLost) {
      queueMicrotask(() => sink.lost())
      return () => {}
    }
    this.#id = id
    this.#sinks.add(sink)
    const refuse = (error: CarillonError) => {
      if (this.#sinks.delete(sink)) sink.error(error)
    }
    const unsubscribe = this.#client.subscribe<Record<string, unknown>>(
      { query, variables },
      {
        next: ({ data, errors }) => {
          if (errors || !data) refuse(serverError(errors))
          else if (this.#sinks.has(sink)) sink.next(data)
        },
        error: (errors) => {
          if (Array.isArray(errors)) refuse(serverError(errors)) // else it is the end of the connection
        },
        complete: () =>
          refuse(new CarillonError('SERVICE_UNAVAILABLE', undefined, { retryable: true })),
      },
    )
    return () => {
      this.#sinks.delete(sink)
      unsubscribe()
    }
  }

  /** Asks whether the server is still there. */
  probe(): void {
    this.#heartbeat?.probe()
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
    this.#socket?.close(1000)
  }

  #lose(event: unknown): void {
    if (this.#isLost) return
    this.#isLost = true
    this.#heartbeat?.stop()
    this.#cancelTimeout()
    this.#client.dispose()?.catch?.(() => {}) // so that graphql-ws does not connect again; it may not be connected
    const loss = lossOf(event)
    this.#onLost(loss)
    for (const sink of this.#sinks) sink.lost(loss.error)
    this.#sinks.clear()
  }
}

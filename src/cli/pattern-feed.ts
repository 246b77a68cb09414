import { setTimeout as pause } from 'node:timers/promises'
import { type Client, createClient } from 'graphql-ws'
import { backoffMs } from '../client/backoff.ts'
import { lossOf } from '../client/close.ts'
import { carillonError, serverError } from '../client/error.ts'
import type { TopicEvent } from '../client/event.ts'
import { CarillonError, DOCUMENTS, Places } from '../client/index.ts'
import { socketUrl } from '../client/url.ts'
import { Failure } from './failure.ts'
import type { FollowRequest } from './follow-request.ts'
import { finalRefusal } from './reason.ts'
import type { Session } from './session.ts'
import { BACKOFF } from './target.ts'

/** Events that wait to be printed, at most; then nothing more is read from the socket until they are. */
const MAX_WAITING = 1_000

/** How long a connection may be silent until it is asked for a sign of life, and how long it has for that, in milliseconds. */
const KEEP_ALIVE_MS = 10_000
const KEEP_ALIVE_TIMEOUT_MS = 5_000

const UNAUTHENTICATED = 4403

/** graphql-ws closes a socket that no subscription needs, after so many milliseconds, with this. */
const LAZY_CLOSE_MS = 1_000
const OWN_CLOSE = 1000

/**
 * One subscription to patterns, through every lost connection: behind the cursors of the topics that it has seen, and in
 * those that it has not where the server remembers that it was, by the name of the client and the id of the operation.
 */
export class PatternFeed {
  readonly #session: Session
  readonly #request: FollowRequest
  readonly #client: Client
  readonly #places = new Places()
  readonly #waiting: Told[] = []
  #isDraining = false
  #isClosed = false
  /** Where the server does not know that it was there, cursors are for those who may read history: others begin anew. */
  #isByName = false
  #failures = 0
  /** Resolves when it was closed. Rejects with why the server has ended it. */
  readonly ended: Promise<void>

  constructor(session: Session, request: FollowRequest) {
    this.#session = session
    this.#request = request
    this.#client = this.#connect()
    this.ended = this.#run()
  }

  /** Idempotent. */
  close(): void {
    this.#isClosed = true
    void this.#client.dispose()
  }

  #connect(): Client {
    const { target, client, sockets, watch } = this.#session
    let timer: NodeJS.Timeout | undefined
    let fault: unknown
    const lost = (event: unknown) => {
      // The close that comes behind an error says less.
      fault ??= event
      if (!this.#isClosed && isPassing(fault)) watch.lost(lossOf(fault).error)
    }
    return createClient({
      url: socketUrl(target.url),
      webSocketImpl: sockets.implementation,
      connectionParams: {
        clientId: client.clientId,
        ...(target.token === undefined ? {} : { token: target.token }),
        ...(target.userId === undefined ? {} : { userId: target.userId }),
      },
      retryAttempts: Number.POSITIVE_INFINITY,
      retryWait: (failures) => pause(backoffMs(failures, BACKOFF)),
      shouldRetry: (event) => isPassing(event),
      lazyCloseTimeout: LAZY_CLOSE_MS,
      generateID: () => 'tail',
      connectionAckWaitTimeout: target.timeoutMs,
      keepAlive: KEEP_ALIVE_MS,
      on: {
        connecting: () => {
          fault = undefined
        },
        connected: () => watch.connected(),
        closed: (event) => {
          clearTimeout(timer)
          if (closeCodeOf(event) !== OWN_CLOSE) lost(event)
        },
        error: lost,
        ping: (isReceived) => {
          if (!isReceived) timer = setTimeout(() => this.#onSilence(), KEEP_ALIVE_TIMEOUT_MS)
        },
        pong: () => clearTimeout(timer),
      },
    })
  }

  /** While nothing is read, nothing can be heard. */
  #onSilence(): void {
    if (!this.#session.sockets.isPaused) this.#client.terminate()
  }

  async #run(): Promise<void> {
    while (!this.#isClosed) {
      const waitMs = await this.#subscribe().then(
        () => undefined,
        (thrown: unknown) => this.#retryInMs(this.#errorOf(thrown)),
      )
      if (!this.#isClosed) await pause(waitMs ?? backoffMs(this.#failures++, BACKOFF))
    }
  }

  /** Undefined where the server does not say when. @throws the error, where another try would be refused, too */
  #retryInMs(error: Error): number | undefined {
    if (this.#isClosed) return undefined
    if (this.#mayGoOnByName(error)) return 0
    if (error instanceof CarillonError && error.retryable) return error.retryAfterMs
    throw error
  }

  #mayGoOnByName(error: Error): boolean {
    const isRefused = error instanceof CarillonError && error.code === 'PERMISSION_DENIED'
    if (this.#isByName || !isRefused || this.#places.after().length === 0) return false
    this.#isByName = true
    return true
  }

  /** Resolves when it is closed, or the server has completed it. */
  #subscribe(): Promise<void> {
    const cursors = () => (this.#isByName ? [] : this.#places.after())
    const { topics, last, types, from } = this.#request
    const variables = {
      topics,
      last,
      types,
      from,
      // graphql-ws asks for it again for each connection.
      get after() {
        return cursors()
      },
    }
    return new Promise((resolve, reject) => {
      this.#client.subscribe<Record<string, unknown>>(
        { query: DOCUMENTS.events, variables },
        {
          next: ({ data, errors }) => {
            if (errors !== undefined || data == null) reject(serverError(errors))
            else this.#take(data.events as TopicEvent) // as the document says
          },
          error: reject,
          complete: resolve,
        },
      )
    })
  }

  #take(event: TopicEvent): void {
    this.#failures = 0
    const told = this.#pass(event)
    if (told === undefined) return
    this.#waiting.push(told)
    if (this.#waiting.length >= MAX_WAITING) this.#session.sockets.pause()
    if (!this.#isDraining) void this.#drain()
  }

  /** How to tell of it; undefined for what came before, and for what nobody is told of. */
  #pass(event: TopicEvent): Told | undefined {
    const { onMessage, onGap } = this.#request
    switch (event.__typename) {
      case 'MessageEvent': {
        const { message } = event
        return this.#places.take(message) ? () => onMessage(message) : undefined
      }
      case 'GapEvent': {
        const gap = this.#places.pass(event)
        return gap && (() => onGap(gap))
      }
      case 'CaughtUpEvent':
      case 'SnapshotEvent':
        return undefined
      default:
        event satisfies never
        return undefined // of a newer server
    }
  }

  async #drain(): Promise<void> {
    this.#isDraining = true
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      await next()
    }
    this.#isDraining = false
    this.#session.sockets.resume()
  }

  /** Errors of GraphQL, the close of a socket, or what could not be opened. */
  #errorOf(thrown: unknown): Error {
    if (Array.isArray(thrown)) return serverError(thrown)
    const { error } = lossOf(thrown)
    const refusal = finalRefusal(error)
    if (refusal === undefined) return carillonError(error)
    return new Failure(`There is no Carillon at ${this.#session.target.url}: ${refusal.message}.`)
  }
}

/** Tells of an event. */
type Told = () => Promise<void> | void

/** Whether another connection may be better. The token is always the same: where it is refused, it stays so. */
function isPassing(event: unknown): boolean {
  const { error, isFatal } = lossOf(event)
  const isRefused = error.code === 'UNAUTHENTICATED' || closeCodeOf(event) === UNAUTHENTICATED
  return !isFatal && !isRefused && finalRefusal(error) === undefined
}

function closeCodeOf(event: unknown): unknown {
  return typeof event === 'object' && event !== null && 'code' in event ? event.code : undefined
}

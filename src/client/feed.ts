import { type BackoffOptions, backoffMs } from './backoff.ts'
import { type Connection, operationId, type Result } from './connection.ts'
import type { Connector } from './connector.ts'
import { DOCUMENTS } from './documents.ts'
import { type CarillonError, serverError } from './error.ts'
import { readEvent, type TopicEvent } from './event.ts'
import type { Inbox } from './inbox.ts'
import { Place } from './place.ts'
import type { Filters, Start } from './subscribe-options.ts'
import { after } from './timing.ts'

export interface FeedParts {
  readonly topic: string
  readonly filters: Filters
  readonly start: FeedStart
  readonly connector: Connector
  readonly backoff: BackoffOptions
  /** It stands elsewhere now. */
  readonly onMoved: (feed: Feed) => void
  /** It has ended by itself. */
  readonly onEnded: (feed: Feed) => void
}

/** Where a subscription begins, of which `after` is a cursor. */
export interface FeedStart extends Omit<Start, 'after'> {
  readonly after: string | undefined
  readonly snapshot: boolean
}

/** One subscription on the wire, for all handlers that want the same. On each connection it goes on where it was. */
export class Feed {
  readonly #parts: FeedParts
  readonly #inboxes = new Set<Inbox>()
  readonly #stopListening: readonly (() => void)[]
  #place: Place
  #limit: number | undefined
  #id = operationId()
  #hasCaughtUp = false
  #hasBegun = false
  #failures = 0
  #hasRenewed = false
  #stop = () => {}
  #cancelRetry = () => {}

  constructor(parts: FeedParts) {
    this.#parts = parts
    this.#place = new Place(parts.start.after)
    const { connector } = parts
    this.#stopListening = [
      connector.onConnected((connection) => this.#open(connection)),
      connector.onClosed((error) => this.#end(connector.reason && error)),
    ]
  }

  get start(): FeedStart {
    return this.#parts.start
  }

  /** Where it stands, once it has come to the present; undefined before. */
  get presentCursor(): string | undefined {
    return this.#hasCaughtUp ? this.#place.cursor : undefined
  }

  /** Whether nothing has come yet, so that another handler misses nothing. */
  get isFresh(): boolean {
    return !this.#hasBegun
  }

  get inboxes(): readonly Inbox[] {
    return [...this.#inboxes]
  }

  add(...inboxes: readonly Inbox[]): void {
    const isFirst = this.#inboxes.size === 0
    for (const inbox of inboxes) this.#inboxes.add(inbox)
    if (isFirst) {
      this.#limit = this.#greatestLimit()
      this.#parts.connector.start()
      this.#reopen()
    } else this.#adapt()
  }

  remove(inbox: Inbox): void {
    if (this.#inboxes.delete(inbox) && this.#inboxes.size > 0) this.#adapt()
  }

  close(): void {
    for (const stop of this.#stopListening) stop()
    this.#cancelRetry()
    this.#stop()
    this.#parts.connector.markCaughtUp(this)
  }

  /** The wire takes the greatest of the limits; none, where a handler has none. */
  #greatestLimit(): number | undefined {
    const limits = [...this.#inboxes].map(({ limit }) => limit ?? Number.POSITIVE_INFINITY)
    const greatest = Math.max(...limits)
    return Number.isFinite(greatest) ? greatest : undefined
  }

  #adapt(): void {
    const limit = this.#greatestLimit()
    if (limit === this.#limit) return
    this.#limit = limit
    this.#id = operationId() // as which the server does not know it
    this.#reopen()
  }

  #reopen(): void {
    this.#stop()
    this.#stop = () => {}
    const { connection } = this.#parts.connector
    if (connection !== undefined) this.#open(connection)
  }

  #open(connection: Connection): void {
    const { connector } = this.#parts
    this.#cancelRetry()
    connector.markBehind(this)
    this.#stop = connection.run(
      { query: DOCUMENTS.events, variables: this.#variables(), id: this.#id },
      {
        next: (result) => this.#take(result),
        error: (errors) => this.#refused(serverError(errors)),
        complete: () => this.#retry(backoffMs(this.#failures++, this.#parts.backoff)),
        lost: () => {}, // the next connection opens it again
      },
    )
  }

  #variables(): Record<string, unknown> {
    const { topic, filters, start } = this.#parts
    const { cursor } = this.#place
    return {
      topics: [topic],
      ...filters,
      maxPerSecond: this.#limit,
      snapshot: start.snapshot,
      // Once it is somewhere, it goes on from there, whatever it began with.
      ...(cursor === undefined
        ? { last: start.last, consumer: start.consumer }
        : { after: [cursor] }),
    }
  }

  #take({ data, errors }: Result): void {
    if (errors !== undefined || data == null) this.#refused(serverError(errors))
    else this.#takeData(data)
  }

  #takeData(data: Record<string, unknown>): void {
    this.#failures = 0
    this.#hasRenewed = false
    this.#hasBegun = true
    const event = readEvent(data)
    const told = event && this.#pass(event)
    if (told === undefined) return
    for (const inbox of [...this.#inboxes]) inbox.push(told, this.#limit)
    this.#parts.onMoved(this)
  }

  /** Undefined for what came before. */
  #pass(event: TopicEvent): TopicEvent | undefined {
    switch (event.kind) {
      case 'message':
        return this.#place.take(event.message) ? event : undefined
      case 'caughtUp': {
        this.#place.reach(event.cursor)
        this.#parts.connector.markCaughtUp(this)
        const isFirst = !this.#hasCaughtUp
        this.#hasCaughtUp = true
        return isFirst ? event : undefined
      }
      case 'gap': {
        const gap = this.#place.pass(event.gap)
        return gap && { kind: 'gap', gap }
      }
      case 'snapshot':
        this.#place.reach(event.snapshot.cursor, event.snapshot.sequence)
        return event
      default:
        return event satisfies never
    }
  }

  /** The server does not begin it, or has ended it. */
  #refused(error: CarillonError): void {
    this.#stop()
    const { connector, backoff } = this.#parts
    const failures = this.#failures++
    if (error.code === 'UNAUTHENTICATED' && !this.#hasRenewed) {
      this.#hasRenewed = true
      // With fresh credentials it may; where the connection is about to be closed, the next one has some.
      void connector.renew().then((isRenewed) => isRenewed && this.#retry(0))
    } else if (error.retryable) this.#retry(error.retryAfterMs ?? backoffMs(failures, backoff))
    else this.#end(error)
  }

  #retry(waitMs: number): void {
    this.#cancelRetry()
    this.#cancelRetry = after(waitMs, () => this.#reopen())
  }

  /** Quietly, where there is no error to tell. */
  #end(error: CarillonError | undefined): void {
    this.close()
    for (const inbox of this.#inboxes) {
      if (error === undefined) inbox.close()
      else inbox.fail(error)
    }
    this.#parts.onEnded(this)
  }
}

import type { Context } from './context.ts'
import { DOCUMENTS } from './documents.ts'
import { passThrough, type TopicEvent } from './event.ts'
import type { Inbox } from './inbox.ts'
import { Place } from './place.ts'
import { StandingOperation } from './standing-operation.ts'
import type { Filters, Start } from './subscribe-options.ts'

/** The variables of a subscription, as it begins; but for `after`, which is one cursor here. */
export interface FeedRequest extends Filters, Omit<Start, 'after'> {
  readonly topics: readonly [string]
  readonly after: string | undefined
  readonly snapshot: boolean | undefined
}

export interface FeedParts {
  readonly request: FeedRequest
  /** It stands elsewhere now. */
  readonly onMoved: (feed: Feed) => void
  /** It has ended by itself. */
  readonly onEnded: (feed: Feed) => void
}

/** The greatest limit that a server takes by default, in messages a second; what is over it is limited here. */
const MAX_WIRE_LIMIT = 1_000

/** One subscription on the wire, for all handlers that want the same. On each connection it goes on where it was. */
export class Feed {
  /** Where it begins, to compare. */
  readonly begun: string
  readonly #context: Context
  readonly #parts: FeedParts
  readonly #operation: StandingOperation
  readonly #inboxes = new Set<Inbox>()
  readonly #place: Place
  #limit: number | undefined
  #hasCaughtUp = false
  #hasBegun = false

  constructor(context: Context, parts: FeedParts) {
    const { connector } = context
    const { last, consumer, after, snapshot } = parts.request
    this.begun = JSON.stringify({ last, consumer, after, snapshot })
    this.#context = context
    this.#parts = parts
    this.#place = new Place(after)
    this.#operation = new StandingOperation(context, {
      query: DOCUMENTS.events,
      variables: () => this.#variables(),
      onData: ({ events }) => this.#take(events as TopicEvent), // as the document says
      onLost: () => connector.markBehind(this),
      onEnd: (error) => {
        connector.markCaughtUp(this)
        for (const inbox of this.#inboxes) inbox.end(error)
        parts.onEnded(this)
      },
    })
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
      this.#operation.start()
    } else this.#adapt()
  }

  remove(inbox: Inbox): void {
    if (this.#inboxes.delete(inbox) && this.#inboxes.size > 0) this.#adapt()
  }

  close(): void {
    this.#operation.close()
    this.#context.connector.markCaughtUp(this)
  }

  /** The wire takes the greatest of the limits; none, where a handler has none. */
  #greatestLimit(): number | undefined {
    const limits = this.inboxes.map(({ limit }) => limit ?? Number.POSITIVE_INFINITY)
    const greatest = Math.max(...limits)
    return greatest > MAX_WIRE_LIMIT ? undefined : greatest
  }

  #adapt(): void {
    const limit = this.#greatestLimit()
    if (limit === this.#limit) return
    this.#limit = limit
    this.#operation.restart()
  }

  #variables(): Record<string, unknown> {
    const { request } = this.#parts
    const { cursor } = this.#place
    const maxPerSecond = this.#limit
    if (cursor === undefined) return { ...request, maxPerSecond }
    // Once it is somewhere, it goes on from there, whatever it began with.
    return { ...request, maxPerSecond, last: undefined, consumer: undefined, after: [cursor] }
  }

  #take(event: TopicEvent): void {
    this.#hasBegun = true
    if (event.__typename === 'CaughtUpEvent') {
      this.#hasCaughtUp = true
      this.#context.connector.markCaughtUp(this)
    }
    const told = passThrough(this.#place, event)
    if (told === undefined) return
    for (const inbox of this.inboxes) inbox.push(told, this.#limit)
    this.#parts.onMoved(this)
  }
}

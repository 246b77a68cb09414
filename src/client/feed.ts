import type { Context } from './context.ts'
import { DOCUMENTS } from './documents.ts'
import { passThrough, type TopicEvent } from './event.ts'
import type { Inbox } from './inbox.ts'
import { Place } from './place.ts'
import { StandingOperation } from './standing-operation.ts'
import type { Filters, Start } from './subscribe-options.ts'

/** Both are variables of the subscription; but for `after`, which is one cursor here. */
export interface FeedParts {
  readonly filters: Filters & { readonly topics: readonly string[] }
  readonly start: Omit<Start, 'after'> & {
    readonly after: string | undefined
    readonly snapshot: boolean | undefined
  }
  /** It stands elsewhere now. */
  readonly onMoved: (feed: Feed) => void
  readonly onClosed: (feed: Feed) => void
}

/** The greatest limit that a server takes by default, in messages a second; what is over it is limited here. */
const MAX_WIRE_LIMIT = 1_000

/** One subscription on the wire, for all handlers that want the same. On each connection it goes on where it was. */
export class Feed {
  /** Where it begins, to compare. */
  readonly begun: string
  /** Whether nothing has come yet, so that another handler misses nothing. */
  isFresh = true
  /** Where it stands, once it has come to the present; undefined before. */
  presentCursor: string | undefined
  readonly #context: Context
  readonly #parts: FeedParts
  readonly #operation: StandingOperation
  readonly #inboxes = new Set<Inbox>()
  readonly #place: Place
  /** Undefined for none; null before it is on the wire. */
  #limit: number | undefined | null = null

  constructor(context: Context, parts: FeedParts) {
    this.begun = JSON.stringify(parts.start)
    this.#context = context
    this.#parts = parts
    this.#place = new Place(parts.start.after)
    this.#operation = new StandingOperation(context, {
      query: DOCUMENTS.events,
      variables: () => this.#variables(),
      next: ({ events }) => this.#take(events as TopicEvent), // as the document says
      lost: () => context.connector.markBehind(this),
      end: (error) => {
        this.close() // first: who is told may subscribe again at once
        for (const inbox of this.#inboxes) inbox.end(error)
      },
    })
  }

  add(...inboxes: readonly Inbox[]): void {
    for (const inbox of inboxes) this.#inboxes.add(inbox)
    this.#adapt()
  }

  /** Goes on for the handlers of another one, too, which ends. */
  takeOver(other: Feed): void {
    other.close()
    this.add(...other.#inboxes)
  }

  /** Closes it where it was the last one. */
  remove(inbox: Inbox): void {
    if (!this.#inboxes.delete(inbox)) return
    if (this.#inboxes.size > 0) this.#adapt()
    else this.close()
  }

  close(): void {
    this.#operation.close()
    this.#context.connector.markCaughtUp(this)
    this.#parts.onClosed(this)
  }

  /** The wire takes the greatest of the limits; none, where a handler has none. */
  #adapt(): void {
    const limits = [...this.#inboxes].map((inbox) => inbox.limit ?? Number.POSITIVE_INFINITY)
    const greatest = Math.max(...limits)
    const limit = greatest > MAX_WIRE_LIMIT ? undefined : greatest
    if (limit === this.#limit) return
    this.#limit = limit
    this.#operation.start()
  }

  #variables(): Record<string, unknown> {
    const { filters, start } = this.#parts
    const { cursor } = this.#place
    // Once it is somewhere, it goes on from there, whatever it began with.
    const begin = cursor ? { snapshot: start.snapshot, after: [cursor] } : start
    return { ...filters, ...begin, maxPerSecond: this.#limit }
  }

  #take(event: TopicEvent): void {
    const told = passThrough(this.#place, event)
    const isCaughtUp = event.__typename === 'CaughtUpEvent'
    this.isFresh = false
    if (isCaughtUp || this.presentCursor) this.presentCursor = this.#place.cursor
    if (isCaughtUp) this.#context.connector.markCaughtUp(this)
    if (!told) return
    for (const inbox of [...this.#inboxes]) inbox.push(told, this.#limit)
    this.#parts.onMoved(this)
  }
}

import type { Context } from './context.ts'
import { Feed, type FeedRequest } from './feed.ts'
import type { Inbox } from './inbox.ts'
import { cursorOf } from './message.ts'
import type { SubscribeOptions } from './subscribe-options.ts'

/**
 * The subscriptions on the wire. Handlers of one topic with the same filters share one. A handler that begins elsewhere than at the
 * present has one of its own until it stands where the shared one stands; from then on it shares that.
 */
export class Feeds {
  readonly #context: Context
  readonly #byKey = new Map<string, Feed[]>()

  constructor(context: Context) {
    this.#context = context
  }

  /** Answers how to leave again. */
  join(topic: string, inbox: Inbox, options: SubscribeOptions): () => void {
    const { types, from, echo, last, consumer, after, snapshot } = options
    const filters = { types, from, echo }
    const start = { last, consumer, after: cursorOf(after), snapshot: snapshot && true }
    const key = JSON.stringify([topic, filters])
    const feeds = this.#byKey.get(key) ?? []
    this.#byKey.set(key, feeds)
    const begun = JSON.stringify(start)
    const same = feeds.find((feed) => feed.isFresh && feed.begun === begun)
    const shared = same ?? (begun === PRESENT ? feeds[0] : undefined)
    if (shared !== undefined && shared !== same) inbox.join(shared.presentCursor)
    const feed = shared ?? this.#open(key, { topics: [topic], ...filters, ...start })
    feed.add(inbox)
    return () => this.#leave(key, inbox)
  }

  #open(key: string, request: FeedRequest): Feed {
    const feed = new Feed(this.#context, {
      request,
      onMoved: (moved) => this.#merge(key, moved),
      onEnded: (ended) => this.#remove(key, ended),
    })
    this.#byKey.get(key)?.push(feed)
    return feed
  }

  /** Two that stand at the same place go on as one, the older one. */
  #merge(key: string, moved: Feed): void {
    const feeds = this.#byKey.get(key) ?? []
    if (feeds.length < 2 || moved.presentCursor === undefined) return
    const [kept, ...others] = feeds.filter((feed) => feed.presentCursor === moved.presentCursor)
    for (const other of others) {
      other.close()
      this.#remove(key, other)
      kept?.add(...other.inboxes)
    }
  }

  #leave(key: string, inbox: Inbox): void {
    for (const feed of [...(this.#byKey.get(key) ?? [])]) {
      feed.remove(inbox)
      if (feed.inboxes.length > 0) continue
      feed.close()
      this.#remove(key, feed)
    }
  }

  #remove(key: string, feed: Feed): void {
    const feeds = (this.#byKey.get(key) ?? []).filter((one) => one !== feed)
    if (feeds.length === 0) this.#byKey.delete(key)
    else this.#byKey.set(key, feeds)
  }
}

/** Where a feed begins for which nothing that was published before is wanted. */
const PRESENT = JSON.stringify({})

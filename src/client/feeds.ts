import type { BackoffOptions } from './backoff.ts'
import type { Connector } from './connector.ts'
import { Feed, type FeedParts, type FeedStart } from './feed.ts'
import type { Inbox } from './inbox.ts'
import { cursorOf } from './message.ts'
import type { SubscribeOptions } from './subscribe-options.ts'

/**
 * The subscriptions on the wire. Handlers of one topic with the same filters share one. A handler that begins elsewhere than at the
 * present has one of its own until it stands where the shared one stands; from then on it shares that.
 */
export class Feeds {
  readonly #connector: Connector
  readonly #backoff: BackoffOptions
  readonly #byKey = new Map<string, Feed[]>()

  constructor(connector: Connector, backoff: BackoffOptions) {
    this.#connector = connector
    this.#backoff = backoff
  }

  /** Answers how to leave again. */
  join(topic: string, inbox: Inbox, options: SubscribeOptions): () => void {
    const { types, from, echo, after, last, consumer, snapshot } = options
    const start = { after: cursorOf(after), last, consumer, snapshot: snapshot !== undefined }
    const key = JSON.stringify([topic, types, from, echo !== false])
    const feeds = this.#byKey.get(key) ?? []
    this.#byKey.set(key, feeds)
    const same = feeds.find((feed) => feed.isFresh && isSame(feed.start, start))
    const shared = same ?? (isPresent(start) ? feeds[0] : undefined)
    if (shared !== undefined && shared !== same) inbox.join(shared.presentCursor)
    const feed = shared ?? this.#open(key, { topic, filters: { types, from, echo }, start })
    feed.add(inbox)
    return () => this.#leave(key, inbox)
  }

  #open(key: string, parts: Pick<FeedParts, 'topic' | 'filters' | 'start'>): Feed {
    const feed = new Feed({
      ...parts,
      connector: this.#connector,
      backoff: this.#backoff,
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
    inbox.close()
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

function isSame(one: FeedStart, other: FeedStart): boolean {
  return JSON.stringify(one) === JSON.stringify(other)
}

/** Whether nothing that was published before is wanted. */
function isPresent({ after, last, consumer, snapshot }: FeedStart): boolean {
  return after === undefined && last === undefined && consumer === undefined && !snapshot
}

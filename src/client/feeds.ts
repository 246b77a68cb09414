import type { Context } from './context.ts'
import { Feed } from './feed.ts'
import type { Inbox, InboxOptions } from './inbox.ts'
import { cursorOf } from './message.ts'

/** Lets a handler have the messages of a topic. Answers how to leave again. */
export type Join = (inbox: Inbox, options: InboxOptions) => () => void

/** Where a feed begins for which nothing that was published before is wanted. */
const PRESENT = '{}'

/**
 * The subscriptions on the wire. Handlers of one topic with the same filters share one. A handler that begins elsewhere than at the
 * present has one of its own until it stands where the shared one stands; from then on it shares that.
 */
export function feeds(context: Context): Join {
  const byKey = new Map<string, readonly Feed[]>()
  return (inbox, { topic, types, from, echo, last, consumer, after, snapshot }) => {
    const filters = { topics: [topic], types, from, echo }
    const start = { last, consumer, after: cursorOf(after), snapshot: snapshot && true }
    const key = JSON.stringify(filters)
    const begun = JSON.stringify(start)
    const alike = () => byKey.get(key) ?? []
    const isPresent = begun === PRESENT
    const shared = alike().find(
      (feed) => (isPresent && feed.presentCursor) || (feed.isFresh && feed.begun === begun),
    )
    if (shared && isPresent) inbox.join(shared.presentCursor)
    const feed =
      shared ??
      new Feed(context, {
        filters,
        start,
        onMoved: (moved) => merge(alike(), moved),
        onClosed: (closed) => {
          const others = alike().filter((one) => one !== closed)
          if (others.length > 0) byKey.set(key, others)
          else byKey.delete(key)
        },
      })
    if (!shared) byKey.set(key, [...alike(), feed])
    feed.add(inbox)
    return () => {
      for (const one of alike()) one.remove(inbox)
    }
  }
}

/** Those that stand at the same place go on as one, the oldest one. */
function merge(feeds: readonly Feed[], { presentCursor }: Feed): void {
  if (feeds.length < 2 || !presentCursor) return
  const [kept, ...others] = feeds.filter((feed) => feed.presentCursor === presentCursor)
  for (const other of others) kept?.takeOver(other)
}

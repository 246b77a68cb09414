import {
  isWildcard,
  matchesPattern,
  type TopicName,
  type TopicPattern,
  wildcardsOf,
} from '../core/topic-name.ts'
import type { PresenceEvent } from './presence-event.ts'
import type { PresenceListener, PresenceStore, Watching } from './presence-store.ts'
import type { PresenceSubscription } from './presence-subscription.ts'
import { TopicView } from './topic-view.ts'

/** A pattern, or a topic by its name, and who watches it. */
interface Watched {
  readonly opened: Promise<unknown>
  /** Once it has been opened. */
  watching: Watching | undefined
  isOver: boolean
  readonly subscriptions: Set<PresenceSubscription>
  /** Those that have been told who is there. */
  readonly begun: Set<PresenceSubscription>
}

/** What the subscriptions of this instance watch, and what they have been told. */
export class TopicViews {
  readonly #store: PresenceStore
  readonly #windowMs: number
  readonly #watched = new Map<TopicPattern, Watched>()
  readonly #views = new Map<TopicName, TopicView>()

  /** @param windowMs changes within so long are told together, in milliseconds */
  constructor(store: PresenceStore, windowMs: number) {
    this.#store = store
    this.#windowMs = windowMs
  }

  /** Resolves once what the subscription may be told of the pattern is here; rejects where that cannot be. */
  watch(pattern: TopicPattern, subscription: PresenceSubscription): Promise<unknown> {
    const watched = this.#watched.get(pattern) ?? this.#openWatched(pattern)
    this.#watched.set(pattern, watched)
    watched.subscriptions.add(subscription)
    return watched.opened
  }

  #openWatched(pattern: TopicPattern): Watched {
    // Its own: of two that watch the same one after the other, the end of the first is not that of the second.
    const listener: PresenceListener = {
      onChange: (topic, userIds) => this.#view(topic)?.change(userIds),
      onSync: (topic) => this.#view(topic)?.resync(),
    }
    const opened = this.#store.watch(pattern, listener).then((watching) => {
      watched.watching = watching
      if (watched.isOver) watching.unwatch()
    })
    const watched: Watched = {
      ...{ opened, watching: undefined, isOver: false },
      ...{ subscriptions: new Set(), begun: new Set() },
    }
    return watched
  }

  /** Idempotent. */
  unwatch(pattern: TopicPattern, subscription: PresenceSubscription): void {
    const watched = this.#watched.get(pattern)
    if (watched?.subscriptions.delete(subscription) !== true) return
    watched.begun.delete(subscription)
    const views = [...this.#viewsOf(pattern)]
    for (const view of views) view.remove(subscription)
    if (watched.subscriptions.size > 0) return
    this.#watched.delete(pattern)
    watched.isOver = true
    watched.watching?.unwatch()
    for (const view of views) {
      const isOver = view.isIdle && !this.#watched.has(view.topic)
      if (isOver || !this.#isWatched(view.topic)) this.#closeView(view.topic)
    }
  }

  *#viewsOf(pattern: TopicPattern): Generator<TopicView, undefined> {
    if (!isWildcard(pattern)) {
      const view = this.#views.get(pattern)
      if (view !== undefined) yield view
      return undefined
    }
    for (const view of this.#views.values()) if (matchesPattern(view.topic, pattern)) yield view
    return undefined
  }

  /** Tells a new subscription who is there. */
  begin(pattern: TopicPattern, subscription: PresenceSubscription): void {
    const watched = this.#watched.get(pattern)
    if (!isWildcard(pattern)) this.#viewOf(pattern).add(subscription)
    else {
      for (const topic of watched?.watching?.topics() ?? []) this.#viewOf(topic).add(subscription)
      for (const view of this.#viewsOf(pattern)) view.addByPattern(subscription)
    }
    watched?.begun.add(subscription)
  }

  /** The view of a topic in which something changes, if anyone has been told what was there before. */
  #view(topic: TopicName): TopicView | undefined {
    const known = this.#views.get(topic)
    if (known !== undefined) return known
    const watchers = this.#watchersByPattern(topic)
    if (watchers.length === 0) return undefined
    // Had anyone been there, those who watch patterns would have been told, by a view.
    const view = this.#openView(topic)
    view.beginEmpty()
    for (const subscription of watchers) view.addByPattern(subscription)
    return view
  }

  #viewOf(topic: TopicName): TopicView {
    const known = this.#views.get(topic)
    if (known !== undefined) return known
    const view = this.#openView(topic)
    for (const subscription of this.#watchersByPattern(topic)) view.addByPattern(subscription)
    return view
  }

  #openView(topic: TopicName): TopicView {
    const view = new TopicView({
      topic,
      windowMs: this.#windowMs,
      roster: () => this.#store.roster(topic),
      onEmpty: () => {
        if (!this.#watched.has(topic)) this.#closeView(topic)
      },
    })
    this.#views.set(topic, view)
    return view
  }

  #watchersByPattern(topic: TopicName): readonly PresenceSubscription[] {
    return [...wildcardsOf(topic)].flatMap((it) => [...(this.#watched.get(it)?.begun ?? [])])
  }

  #isWatched(topic: TopicName): boolean {
    if (this.#watched.has(topic)) return true
    for (const wildcard of wildcardsOf(topic)) if (this.#watched.has(wildcard)) return true
    return false
  }

  #closeView(topic: TopicName): void {
    this.#views.get(topic)?.close()
    this.#views.delete(topic)
  }

  /** Everyone who is in a topic, as the watchers have been told. */
  sync(topic: TopicName): PresenceEvent {
    return this.#views.get(topic)?.sync() ?? { type: 'SYNC', topic, members: [] }
  }

  /** Ends all subscriptions. */
  close(): void {
    for (const { subscriptions } of [...this.#watched.values()]) {
      for (const subscription of [...subscriptions]) subscription.close()
    }
    for (const topic of [...this.#views.keys()]) this.#closeView(topic)
  }
}

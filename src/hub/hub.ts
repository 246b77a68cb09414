import type { Bus } from '../bus/bus.ts'
import type { Sequence } from '../core/sequence.ts'
import {
  isWildcard,
  type TopicName,
  type TopicPattern,
  type TopicWildcard,
} from '../core/topic-name.ts'
import type { Log } from '../log/log.ts'
import { CarillonError } from '../protocol/errors.ts'
import type { Filter } from './filter.ts'
import { LivePattern } from './live-pattern.ts'
import { LiveTopic, type LiveTopicBounds } from './live-topic.ts'
import { DEFAULT_OUTBOX_BOUNDS, type OutboxBounds, Outboxes } from './outboxes.ts'
import type { Overflow } from './overflow.ts'
import { type SubscribedTopic, Subscription } from './subscription.ts'
import { Tick } from './tick.ts'
import { TopicReader } from './topic-reader.ts'

export interface HubOptions {
  readonly log: Log
  readonly bus: Bus
  /** Told of faults that the hub gets over by itself. */
  readonly onFault: (error: unknown) => void
  readonly bounds?: Partial<HubBounds>
}

export interface HubBounds extends LiveTopicBounds, OutboxBounds {
  /** How often the heads of live topics are compared with the log, in milliseconds. */
  readonly checkIntervalMs: number
}

const DEFAULT_BOUNDS: HubBounds = {
  ...DEFAULT_OUTBOX_BOUNDS,
  ringBytes: 1024 * 1024,
  ringIdleMs: 60_000,
  holeWaitMs: 50,
  maxEarly: 1_000,
  retryMs: 1_000,
  checkIntervalMs: 5_000,
}

/** Heads compared in one query. */
const CHECK_BATCH = 1_000

/** What a subscriber may choose besides its topics. */
export interface HubSubscribeOptions {
  readonly filter: Filter
  /** Default: it catches up. */
  readonly overflow?: Overflow | undefined
  /** Messages a second, at most. */
  readonly maxPerSecond?: number | undefined
}

/** What is live, and for how many. */
interface Entry<Live> {
  readonly live: Live
  readonly opened: Promise<void>
  users: number
}

const CATCH_UP: Overflow = { kind: 'catchUp' }

/** Live delivery: which topics are live on this instance, and who listens to them. */
export class Hub {
  /** Where what is pushed to sockets gathers. */
  readonly outboxes: Outboxes
  readonly #options: HubOptions
  readonly #bounds: HubBounds
  readonly #tick: Tick
  readonly #topics = new Map<TopicName, Entry<LiveTopic>>()
  readonly #patterns = new Map<TopicWildcard, Entry<LivePattern>>()
  readonly #subscriptions = new Map<Subscription, readonly (() => void)[]>()
  readonly #checkTimer: NodeJS.Timeout
  readonly #stopGaps: () => void
  #checking: Promise<void> | undefined
  #closed = false

  constructor(options: HubOptions) {
    this.#options = options
    this.#bounds = { ...DEFAULT_BOUNDS, ...options.bounds }
    this.#tick = new Tick(options.onFault)
    this.outboxes = new Outboxes(this.#tick, this.#bounds)
    this.#checkTimer = setInterval(() => this.#check(), this.#bounds.checkIntervalMs)
    this.#checkTimer.unref()
    this.#stopGaps = options.bus.onGap(() => this.#check())
  }

  /**
   * Subscribes to topics from where they stand, and to those under a prefix. Resolves once every
   * message that is committed from then on will be delivered.
   * @throws CarillonError SERVICE_UNAVAILABLE, SHUTTING_DOWN
   */
  async subscribe(
    patterns: readonly TopicPattern[],
    options: HubSubscribeOptions,
  ): Promise<Subscription> {
    const { filter, overflow = CATCH_UP, maxPerSecond } = options
    const onClose = (closed: Subscription) => this.#forget(closed)
    const subscription = new Subscription({ filter, overflow, maxPerSecond, onClose })
    const leaves: (() => void)[] = []
    this.#subscriptions.set(subscription, leaves)
    const joined = await Promise.allSettled(
      [...new Set(patterns)].map((pattern) => {
        if (!isWildcard(pattern)) return this.#addTopic(subscription, pattern)
        return this.#addPattern(subscription, pattern, leaves)
      }),
    )
    const failed = joined.find((result) => result.status === 'rejected')
    if (failed === undefined && !this.#closed) return subscription
    subscription.close()
    throw failed?.reason ?? new CarillonError('SHUTTING_DOWN')
  }

  /** Ends every subscription. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true
    clearInterval(this.#checkTimer)
    this.#stopGaps()
    for (const subscription of [...this.#subscriptions.keys()]) subscription.close()
    await this.#checking
  }

  #forget(subscription: Subscription): void {
    const leaves = this.#subscriptions.get(subscription)
    this.#subscriptions.delete(subscription)
    for (const leave of leaves ?? []) leave()
  }

  async #addTopic(subscription: Subscription, name: TopicName, after?: Sequence): Promise<void> {
    if (!subscription.isClosed && !subscription.has(name)) {
      subscription.add(await this.#join(name, after))
    }
  }

  async #addPattern(
    subscription: Subscription,
    wildcard: TopicWildcard,
    leaves: (() => void)[],
  ): Promise<void> {
    const entry = this.#patterns.get(wildcard) ?? this.#openPattern(wildcard)
    const subscriber = {
      addTopic: (name: TopicName, after: Sequence | undefined) =>
        this.#addTopic(subscription, name, after),
    }
    entry.users++
    leaves.push(() => {
      entry.live.remove(subscriber)
      this.#release(this.#patterns, wildcard, entry)
    })
    await entry.opened
    await entry.live.add(subscriber)
  }

  async #join(name: TopicName, after: Sequence | undefined): Promise<SubscribedTopic> {
    const entry = this.#topics.get(name) ?? this.#openTopic(name)
    entry.users++
    const release = () => this.#release(this.#topics, name, entry)
    try {
      await entry.opened
    } catch (error) {
      release()
      throw error
    }
    const reader = new TopicReader(entry.live, this.#options.log, after)
    return { topic: entry.live, reader, release }
  }

  #openTopic(name: TopicName): Entry<LiveTopic> {
    const live = new LiveTopic(name, { ...this.#options, tick: this.#tick, bounds: this.#bounds })
    const entry = { live, opened: live.open(), users: 0 }
    this.#topics.set(name, entry)
    return entry
  }

  #openPattern(wildcard: TopicWildcard): Entry<LivePattern> {
    const live = new LivePattern(wildcard, {
      ...this.#options,
      inject: (message) => this.#topics.get(message.topic)?.live.receive(message),
    })
    const entry = { live, opened: live.open(), users: 0 }
    this.#patterns.set(wildcard, entry)
    return entry
  }

  /** The last one out closes it; who joins from then on opens another. */
  #release<Key, Live extends { close(): void }>(
    all: Map<Key, Entry<Live>>,
    key: Key,
    entry: Entry<Live>,
  ): void {
    if (--entry.users > 0) return
    if (all.get(key) === entry) all.delete(key)
    entry.live.close()
  }

  #check(): void {
    this.#checking ??= this.#checkAll().finally(() => {
      this.#checking = undefined
    })
  }

  async #checkAll(): Promise<void> {
    try {
      await this.#checkTopics()
      for (const { live } of [...this.#patterns.values()]) await live.check()
    } catch (error) {
      this.#options.onFault(error)
    }
  }

  async #checkTopics(): Promise<void> {
    const names = [...this.#topics.keys()]
    const now = performance.now()
    for (const { live } of this.#topics.values()) live.rest(now)
    for (let start = 0; start < names.length && !this.#closed; start += CHECK_BATCH) {
      const states = await this.#options.log.topicStates(names.slice(start, start + CHECK_BATCH))
      for (const state of states) this.#topics.get(state.name)?.live.check(state)
    }
  }
}

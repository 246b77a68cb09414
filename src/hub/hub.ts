import type { Bus } from '../bus/bus.ts'
import type { AnyMessage } from '../core/message.ts'
import {
  isWildcard,
  type TopicName,
  type TopicPattern,
  type TopicWildcard,
  wildcardsOf,
} from '../core/topic-name.ts'
import type { Log, TopicState } from '../log/log.ts'
import { CarillonError } from '../protocol/errors.ts'
import type { Filter } from './filter.ts'
import { LivePattern, type PatternSubscriber, type TopicPlace } from './live-pattern.ts'
import { LiveTopic, type LiveTopicBounds } from './live-topic.ts'
import { DEFAULT_OUTBOX_BOUNDS, type OutboxBounds, Outboxes } from './outboxes.ts'
import type { Overflow } from './overflow.ts'
import { SharedReads } from './shared-reads.ts'
import { type Beginning, beginIn, START_LIVE, type Start, topicsBehind } from './start.ts'
import { Story } from './story.ts'
import { type SubscribedTopic, Subscription } from './subscription.ts'
import { Tick } from './tick.ts'
import { TELL_EVENTS, TELL_MESSAGES, type Telling, type TopicEvent } from './topic-event.ts'
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
  /** Default: where the topics stand. */
  readonly start?: Start | undefined
}

/** What is live, and for how many. */
interface Entry<Live> {
  readonly live: Live
  readonly opened: Promise<void>
  users: number
}

/** What the hub has to do with a subscription, whatever that hands out. */
type Subscribed = Pick<
  Subscription,
  'add' | 'addPattern' | 'fail' | 'has' | 'isClosed' | 'close' | 'tellsEvents'
>

/** A subscription while it takes topics in. */
interface Joining {
  readonly subscription: Subscribed
  readonly start: Start
  readonly leaves: (() => void)[]
}

const CATCH_UP: Overflow = { kind: 'catchUp' }

/** Live delivery: which topics are live on this instance, and who listens to them. */
export class Hub {
  /** Where what is pushed to sockets gathers. */
  readonly outboxes: Outboxes
  readonly #options: HubOptions
  readonly #bounds: HubBounds
  readonly #tick: Tick
  readonly #reads: SharedReads
  readonly #topics = new Map<TopicName, Entry<LiveTopic>>()
  readonly #patterns = new Map<TopicWildcard, Entry<LivePattern>>()
  readonly #subscriptions = new Map<Subscribed, readonly (() => void)[]>()
  readonly #checkTimer: NodeJS.Timeout
  readonly #stopGaps: () => void
  #checking: Promise<void> | undefined
  #isCheckDue = false
  #closed = false

  constructor(options: HubOptions) {
    this.#options = options
    this.#bounds = { ...DEFAULT_BOUNDS, ...options.bounds }
    this.#tick = new Tick(options.onFault)
    this.#reads = new SharedReads(options.log)
    this.outboxes = new Outboxes(this.#tick, this.#bounds)
    this.#checkTimer = setInterval(() => this.#check(), this.#bounds.checkIntervalMs)
    this.#checkTimer.unref()
    this.#stopGaps = options.bus.onGap(() => this.#check())
  }

  /**
   * Subscribes to topics, and to those under a prefix. Resolves once every message behind the start,
   * and every one that is committed from then on, will be delivered.
   * @throws CarillonError INVALID_CURSOR, CURSOR_EXPIRED, SERVICE_UNAVAILABLE, SHUTTING_DOWN
   */
  subscribe(
    patterns: readonly TopicPattern[],
    options: HubSubscribeOptions,
  ): Promise<Subscription<AnyMessage>> {
    return this.#subscribe(patterns, options, TELL_MESSAGES)
  }

  /** As `subscribe`, for who wants to be told of more than messages; gaps are told, and end nothing. */
  subscribeToEvents(
    patterns: readonly TopicPattern[],
    options: HubSubscribeOptions,
  ): Promise<Subscription<TopicEvent>> {
    return this.#subscribe(patterns, options, TELL_EVENTS)
  }

  /** Ends every subscription. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true
    clearInterval(this.#checkTimer)
    this.#stopGaps()
    for (const subscription of [...this.#subscriptions.keys()]) subscription.close()
    await this.#checking
  }

  async #subscribe<Item>(
    patterns: readonly TopicPattern[],
    options: HubSubscribeOptions,
    telling: Telling<Item>,
  ): Promise<Subscription<Item>> {
    const { filter, overflow = CATCH_UP, maxPerSecond, start = START_LIVE } = options
    const onClose = () => this.#forget(subscription)
    const parts = { filter, overflow, maxPerSecond, telling, onClose }
    const subscription: Subscription<Item> = new Subscription(parts)
    const joining: Joining = { subscription, start, leaves: [] }
    this.#subscriptions.set(subscription, joining.leaves)
    try {
      // Topics with a place to begin come first: what a pattern takes in begins where it stands.
      await this.#all([...namesOf(patterns, start)], (name) => this.#addTopic(joining, name))
      await this.#all(new Set(patterns.filter(isWildcard)), (wildcard) =>
        this.#addPattern(joining, wildcard),
      )
      if (this.#closed) throw new CarillonError('SHUTTING_DOWN')
      return subscription
    } catch (error) {
      subscription.close()
      throw error
    }
  }

  #forget(subscription: Subscribed): void {
    const leaves = this.#subscriptions.get(subscription)
    this.#subscriptions.delete(subscription)
    for (const leave of leaves ?? []) leave()
  }

  /** Waits for all, also where one fails: none goes on behind the back of the caller. */
  async #all<Item>(items: Iterable<Item>, work: (item: Item) => Promise<void>): Promise<void> {
    const results = await Promise.allSettled([...items].map(work))
    const failed = results.find((result) => result.status === 'rejected')
    if (failed !== undefined) throw failed.reason
  }

  /** Takes in a topic, from a place where one is given, else where the subscriber begins. */
  async #addTopic(joining: Joining, name: TopicName, after?: TopicPlace): Promise<void> {
    const { subscription } = joining
    if (subscription.isClosed || subscription.has(name)) return
    subscription.add(await this.#join(joining, name, after))
  }

  async #addPattern(joining: Joining, wildcard: TopicWildcard): Promise<void> {
    const entry = this.#patterns.get(wildcard) ?? this.#openPattern(wildcard)
    const { start, subscription } = joining
    const ownPlaces = start.acked !== undefined || start.resumed !== undefined
    const hasStart = start.last !== undefined || start.snapshots !== undefined
    let isIn = false
    const subscriber: PatternSubscriber = {
      topicsBehind: (heads) => topicsBehind(heads, start),
      addTopic: (name, after) => {
        // What a consumer has acknowledged may have moved since the pattern went live, who was there before
        // may be further on, and who is still joining begins in this topic as in the others.
        const isOwn = ownPlaces || (hasStart && !isIn)
        return this.#addTopic(joining, name, isOwn ? undefined : after)
      },
      fail: (error) => subscription.fail(error),
    }
    entry.users++
    joining.leaves.push(() => {
      entry.live.remove(subscriber)
      this.#release(this.#patterns, wildcard, entry)
    })
    await entry.opened
    subscription.addPattern(wildcard, entry.live)
    await entry.live.add(subscriber)
    isIn = true
  }

  async #join(
    { subscription, start }: Joining,
    name: TopicName,
    after?: TopicPlace,
  ): Promise<SubscribedTopic> {
    const entry = this.#topics.get(name) ?? this.#openTopic(name)
    entry.users++
    const release = () => this.#release(this.#topics, name, entry)
    try {
      await entry.opened
      const topic = entry.live
      const beginning =
        after === undefined ? await beginIn(topic, start) : beginAt(after, topic.state)
      const { epoch, sequence: position } = beginning.position
      // What another instance knows already is to come here soon, too.
      if (position > topic.head) topic.check({ ...topic.state, epoch, head: position })
      const reader = new TopicReader(topic, {
        reads: this.#reads,
        position,
        epoch,
        gapsBehind: beginning.gapsBehind,
        skipsGaps: start.onGap === 'skip',
        repeatsUpTo: beginning.repeatsUpTo,
        story: subscription.tellsEvents ? storyOf(name, beginning) : undefined,
      })
      return { topic, reader, release }
    } catch (error) {
      release()
      throw error
    }
  }

  #openTopic(name: TopicName): Entry<LiveTopic> {
    const live = new LiveTopic(name, { ...this.#options, tick: this.#tick, bounds: this.#bounds })
    return this.#open(this.#topics, name, live)
  }

  #openPattern(wildcard: TopicWildcard): Entry<LivePattern> {
    const live = new LivePattern(wildcard, {
      ...this.#options,
      inject: (message) => this.#topics.get(message.topic)?.live.receive(message),
    })
    return this.#open(this.#patterns, wildcard, live)
  }

  /** One that fails to open is for those who wait for it; who comes later tries anew. */
  #open<Key, Live extends { open(): Promise<void> }>(
    all: Map<Key, Entry<Live>>,
    key: Key,
    live: Live,
  ): Entry<Live> {
    const entry = { live, opened: live.open(), users: 0 }
    all.set(key, entry)
    entry.opened.catch(() => {
      if (all.get(key) === entry) all.delete(key)
    })
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
    this.#isCheckDue = true
    this.#checking ??= this.#checkWhileDue().finally(() => {
      this.#checking = undefined
    })
  }

  /** What is asked for while a comparison is under way, which has read the heads already, is a new one. */
  async #checkWhileDue(): Promise<void> {
    while (this.#isCheckDue && !this.#closed) {
      this.#isCheckDue = false
      await this.#checkAll()
    }
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
    for (const { live } of this.#topics.values()) {
      live.rest(now)
      live.beginCheck()
    }
    for (let start = 0; start < names.length && !this.#closed; start += CHECK_BATCH) {
      const states = await this.#options.log.topicStates(names.slice(start, start + CHECK_BATCH))
      for (const state of states) this.#topics.get(state.name)?.live.check(state)
    }
  }
}

/** Where a topic stood that a pattern takes in: what has come since is live. */
function beginAt({ epoch, sequence }: TopicPlace, state: TopicState): Beginning {
  const position = { epoch: epoch ?? state.epoch, sequence }
  return { position, isLive: true, loadSnapshot: undefined }
}

function storyOf(topic: TopicName, { position, isLive, loadSnapshot }: Beginning): Story {
  return new Story({ topic, liveFrom: isLive ? position : undefined, loadSnapshot })
}

/** The topics that are named, by themselves or by a cursor. */
function* namesOf(patterns: readonly TopicPattern[], { after }: Start): Generator<TopicName> {
  const names = new Set(patterns.filter((pattern) => !isWildcard(pattern)))
  yield* names
  for (const name of after.keys()) {
    if (names.has(name)) continue
    const isMatched = [...wildcardsOf(name)].some((wildcard) => patterns.includes(wildcard))
    if (isMatched) yield name
    else {
      const text = `There is a cursor of the topic ${name}, which is not subscribed to.`
      throw new CarillonError('INVALID_CURSOR', text)
    }
  }
}

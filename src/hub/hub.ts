import type { Bus } from '../bus/bus.ts'
import type { TopicName } from '../core/topic-name.ts'
import type { Log } from '../log/log.ts'
import { CarillonError } from '../protocol/errors.ts'
import { type Filter, passes } from './filter.ts'
import { LiveTopic, type LiveTopicBounds } from './live-topic.ts'
import { type SubscribedTopic, Subscription } from './subscription.ts'
import { TopicReader } from './topic-reader.ts'

export interface HubOptions {
  readonly log: Log
  readonly bus: Bus
  /** Told of faults that the hub gets over by itself. */
  readonly onFault: (error: unknown) => void
  readonly bounds?: Partial<HubBounds>
}

export interface HubBounds extends LiveTopicBounds {
  /** How often the heads of live topics are compared with the log, in milliseconds. */
  readonly checkIntervalMs: number
}

const DEFAULT_BOUNDS: HubBounds = {
  ringBytes: 1024 * 1024,
  holeWaitMs: 50,
  maxEarly: 1_000,
  retryMs: 1_000,
  checkIntervalMs: 5_000,
}

/** Heads compared in one query. */
const CHECK_BATCH = 1_000

interface Entry {
  readonly topic: LiveTopic
  readonly opened: Promise<void>
  subscribers: number
}

/** Live delivery: which topics are live on this instance, and who listens to them. */
export class Hub {
  readonly #options: HubOptions
  readonly #bounds: HubBounds
  readonly #live = new Map<TopicName, Entry>()
  readonly #subscriptions = new Set<Subscription>()
  readonly #checkTimer: NodeJS.Timeout
  readonly #stopGaps: () => void
  #checking: Promise<void> | undefined
  #closed = false

  constructor(options: HubOptions) {
    this.#options = options
    this.#bounds = { ...DEFAULT_BOUNDS, ...options.bounds }
    this.#checkTimer = setInterval(() => this.#check(), this.#bounds.checkIntervalMs)
    this.#checkTimer.unref()
    this.#stopGaps = options.bus.onGap(() => this.#check())
  }

  /**
   * Subscribes to topics from where they stand. Resolves once every message that is committed
   * from then on will be delivered.
   * @throws CarillonError SERVICE_UNAVAILABLE, SHUTTING_DOWN
   */
  async subscribe(names: readonly TopicName[], filter: Filter): Promise<Subscription> {
    const joined = await Promise.allSettled([...new Set(names)].map((name) => this.#join(name)))
    const topics = joined.flatMap((result) => (result.status === 'fulfilled' ? result.value : []))
    const failed = joined.find((result) => result.status === 'rejected')
    if (failed !== undefined || this.#closed) {
      for (const { release } of topics) release()
      throw failed?.reason ?? new CarillonError('SHUTTING_DOWN')
    }
    const subscription = new Subscription(
      topics,
      (message) => passes(message, filter),
      (closed) => this.#subscriptions.delete(closed),
    )
    this.#subscriptions.add(subscription)
    return subscription
  }

  /** Ends every subscription. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true
    clearInterval(this.#checkTimer)
    this.#stopGaps()
    for (const subscription of [...this.#subscriptions]) subscription.close()
    await this.#checking
  }

  async #join(name: TopicName): Promise<SubscribedTopic> {
    const entry = this.#live.get(name) ?? this.#open(name)
    entry.subscribers++
    const release = () => this.#release(name, entry)
    try {
      await entry.opened
    } catch (error) {
      release()
      throw error
    }
    const reader = new TopicReader(entry.topic, this.#options.log)
    return { topic: entry.topic, reader, release }
  }

  #open(name: TopicName): Entry {
    const topic = new LiveTopic(name, { ...this.#options, bounds: this.#bounds })
    const entry = { topic, opened: topic.open(), subscribers: 0 }
    this.#live.set(name, entry)
    return entry
  }

  /** The last one out closes the topic; who joins from then on opens another. */
  #release(name: TopicName, entry: Entry): void {
    if (--entry.subscribers > 0) return
    if (this.#live.get(name) === entry) this.#live.delete(name)
    entry.topic.close()
  }

  #check(): void {
    this.#checking ??= this.#checkAll().finally(() => {
      this.#checking = undefined
    })
  }

  async #checkAll(): Promise<void> {
    const names = [...this.#live.keys()]
    for (let start = 0; start < names.length && !this.#closed; start += CHECK_BATCH) {
      try {
        const states = await this.#options.log.topicStates(names.slice(start, start + CHECK_BATCH))
        for (const state of states) this.#live.get(state.name)?.topic.check(state)
      } catch (error) {
        this.#options.onFault(error)
        return
      }
    }
  }
}

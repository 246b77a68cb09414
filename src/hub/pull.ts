import { type AnyMessage, bytesOf } from '../core/message.ts'
import type { Sequence } from '../core/sequence.ts'
import { CarillonError } from '../protocol/errors.ts'
import { type Filter, passes } from './filter.ts'
import type { LiveTopic, TopicListener } from './live-topic.ts'
import type { Overflow } from './overflow.ts'
import { Throttle } from './throttle.ts'
import type { TopicReader } from './topic-reader.ts'

/** How long a subscriber waits before it reads again from a log that was away, in milliseconds. */
const RETRY_MS = 500

/** Messages that wait for the subscriber outside of their topics; of more, the oldest are dropped. */
const MAX_WAITING = 1_000

export interface PullOptions {
  readonly filter: Filter
  readonly overflow: Overflow
  readonly maxPerSecond: number | undefined
}

/** A place in one topic of a subscriber that takes messages itself. */
interface Place {
  readonly topic: LiveTopic
  readonly reader: TopicReader
  readonly stop: () => void
  /** It paused, and goes on until it has caught up. */
  isResumed: boolean
}

/**
 * Lets a subscriber take its messages one by one: in order within a topic, turn by turn between topics.
 * Holds nothing in memory but places, and what has none: ephemeral messages.
 */
export class Pull {
  readonly #options: PullOptions
  readonly #throttle: Throttle<AnyMessage> | undefined
  readonly #places: Place[] = []
  /** The places that may have something, each once, in the order in which they got it. */
  readonly #ready = new Set<Place>()
  /** What is not, or no longer, to be found in a topic. */
  readonly #waiting: AnyMessage[] = []
  #wake: (() => void) | undefined
  #dropped = 0
  #isPaused = false
  #isClosed = false

  constructor(options: PullOptions) {
    this.#options = options
    const { maxPerSecond } = options
    if (maxPerSecond === undefined) return
    this.#throttle = new Throttle({
      maxPerSecond,
      deliver: (message, dropped) => {
        this.#dropped += dropped
        this.#keep(message)
      },
      bytesOf: sizeOf,
    })
  }

  get dropped(): number {
    return this.#dropped
  }

  get isPaused(): boolean {
    return this.#isPaused
  }

  resume(): void {
    if (!this.#isPaused) return
    this.#isPaused = false
    for (const place of this.#places) place.isResumed = place.reader.isBehind
    this.#wake?.()
  }

  /** Takes in one more topic, from where the reader stands. */
  add(topic: LiveTopic, reader: TopicReader): void {
    const listener: TopicListener = { receive: (messages) => this.#receive(place, messages) }
    const place: Place = { topic, reader, stop: topic.listen(listener), isResumed: false }
    this.#places.push(place)
    // What came before the last of the topics went live has called nobody back.
    if (reader.isBehind) this.#enqueue(place)
  }

  /** The next message; undefined once this is closed. Rejects with what ends the subscription. */
  async take(): Promise<AnyMessage | undefined> {
    while (!this.#isClosed) {
      const message = this.#waiting.shift() ?? (await this.#read())
      if (message !== undefined && !this.#isClosed) return message
    }
    return undefined
  }

  /** Idempotent. */
  close(): void {
    this.#isClosed = true
    this.#throttle?.close()
    for (const { stop } of this.#places) stop()
    this.#places.length = 0
    this.#ready.clear()
    this.#wake?.()
  }

  #receive(place: Place, messages: readonly AnyMessage[]): void {
    for (const message of messages) {
      if (message.ephemeral && passes(message, this.#options.filter)) this.#accept(message)
    }
    if (place.reader.isBehind) this.#enqueue(place)
  }

  #enqueue(place: Place): void {
    this.#ready.add(place)
    this.#wake?.()
  }

  #accept(message: AnyMessage): void {
    if (this.#throttle === undefined) this.#keep(message)
    else this.#throttle.offer(message)
  }

  #keep(message: AnyMessage): void {
    this.#waiting.push(message)
    if (this.#waiting.length > MAX_WAITING) {
      this.#waiting.shift()
      this.#dropped++
    }
    this.#wake?.()
  }

  /** One message of the topics; undefined where the next one is not to be handed out, or not yet. */
  async #read(): Promise<AnyMessage | undefined> {
    const [place] = this.#ready
    if (place === undefined || this.#isPaused) {
      await this.#awake()
      return undefined
    }
    this.#ready.delete(place)
    if (this.#pauses(place)) return undefined
    this.#dropOldest(place)
    const message = await this.#readFrom(place)
    if (place.reader.isBehind) this.#ready.add(place)
    else place.isResumed = false
    if (message === undefined || !passes(message, this.#options.filter)) return undefined
    if (this.#throttle === undefined) return message
    this.#throttle.offer(message)
    return undefined
  }

  #pauses(place: Place): boolean {
    const { overflow } = this.#options
    if (overflow.kind !== 'pause' || place.isResumed) return false
    if (place.reader.lag <= overflow.maxLag) return false
    this.#ready.add(place)
    this.#isPaused = true
    overflow.onPause?.()
    return true
  }

  #dropOldest({ topic, reader }: Place): void {
    const { overflow } = this.#options
    if (overflow.kind !== 'dropOldest' || reader.lag <= overflow.maxLag) return
    this.#dropped += reader.lag - overflow.maxLag
    reader.moveTo((topic.head - overflow.maxLag) as Sequence)
  }

  /** A log that is away for the moment ends no subscription: it waits, and tries again. */
  async #readFrom({ reader }: Place): Promise<AnyMessage | undefined> {
    try {
      return await reader.next()
    } catch (error) {
      if (this.#isClosed) return undefined
      if (!(error instanceof CarillonError && error.retryable)) throw error
      await this.#awake(RETRY_MS)
      return undefined
    }
  }

  /** Waits until something may have come, or for so many milliseconds. */
  #awake(forMs?: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = forMs === undefined ? undefined : setTimeout(() => this.#wake?.(), forMs)
      this.#wake = () => {
        clearTimeout(timer)
        this.#wake = undefined
        resolve()
      }
    })
  }
}

function sizeOf(message: AnyMessage): number {
  const { payloadText: payload, metadataText: metadata } = message
  const { type, from, clientId, idempotencyKey, to } = message
  return bytesOf({ payload, metadata, type, from, clientId, idempotencyKey, to })
}

import { type AnyMessage, bytesOf } from '../core/message.ts'
import type { Sequence } from '../core/sequence.ts'
import { CarillonError } from '../protocol/errors.ts'
import { type Filter, passes } from './filter.ts'
import type { LiveTopic, TopicListener } from './live-topic.ts'
import type { Overflow } from './overflow.ts'
import { Throttle } from './throttle.ts'
import type { ControlEvent, Telling } from './topic-event.ts'
import type { TopicReader } from './topic-reader.ts'

/** How long a subscriber waits before it reads again from a log that was away, in milliseconds. */
const RETRY_MS = 500

/** Messages that wait for the subscriber outside of their topics; of more, the oldest are dropped. */
const MAX_WAITING = 1_000

export interface PullOptions<Item> {
  readonly telling: Telling<Item>
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
  /** It has been up to date: what it reads from the log after that, it does because it was slow. */
  hasKeptUp: boolean
}

/** Something to hand out. */
interface Waiting<Item> {
  readonly item: Item
  /** What it shows; undefined for an event, which is never dropped. */
  readonly message: AnyMessage | undefined
}

/**
 * Lets a subscriber take its messages one by one: in order within a topic, turn by turn between topics.
 * Holds nothing in memory but places, and what has none: ephemeral messages.
 */
export class Pull<Item> {
  readonly #options: PullOptions<Item>
  readonly #throttle: Throttle<Waiting<Item>> | undefined
  readonly #places: Place[] = []
  /** The places that may have something, each once, in the order in which they got it. */
  readonly #ready = new Set<Place>()
  /** What is not, or no longer, to be found in a topic. */
  readonly #waiting: Waiting<Item>[] = []
  #wake: (() => void) | undefined
  #dropped = 0
  #isPaused = false
  #hasBegun = false
  #isClosed = false

  constructor(options: PullOptions<Item>) {
    this.#options = options
    const { maxPerSecond } = options
    if (maxPerSecond === undefined) return
    this.#throttle = new Throttle({
      maxPerSecond,
      deliver: (waiting, dropped) => {
        this.#dropped += dropped
        this.#keep(waiting)
      },
      bytesOf: ({ message }) => (message === undefined ? 0 : sizeOf(message)),
      isKept: ({ message }) => message === undefined,
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
    const listener: TopicListener = {
      receive: (messages) => this.#receive(place, messages),
      changeEpoch: () => this.#enqueue(place),
    }
    const place: Place = {
      topic,
      reader,
      stop: topic.listen(listener),
      isResumed: false,
      hasKeptUp: false,
    }
    this.#places.push(place)
    // What came before the last of the topics went live has called nobody back.
    if (reader.isBehind) this.#enqueue(place)
  }

  /** The next item; undefined once this is closed. Rejects with what ends the subscription. */
  async take(): Promise<Item | undefined> {
    this.#hasBegun = true
    while (!this.#isClosed) {
      const waiting = this.#waiting.shift()
      const item = waiting === undefined ? await this.#read() : waiting.item
      if (item !== undefined && !this.#isClosed) return item
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
      if (message.ephemeral && passes(message, this.#options.filter)) {
        this.#acceptEphemeral(place, message)
      }
    }
    if (place.reader.isBehind) this.#enqueue(place)
  }

  #enqueue(place: Place): void {
    this.#ready.add(place)
    this.#wake?.()
  }

  /** Live messages come behind what says that they are live: who has not caught up gets none. */
  #acceptEphemeral({ reader }: Place, message: AnyMessage): void {
    // Before anyone takes anything, messages may be about to be pushed: their events are not ours to take.
    if (!this.#hasBegun && this.#options.telling.event !== undefined) {
      this.#dropped++
      return
    }
    for (let event = reader.takeEvent(); event !== undefined; event = reader.takeEvent()) {
      this.#tell(event)
    }
    if (reader.isReplaying) this.#dropped++
    else this.#accept({ item: this.#options.telling.message(message, false), message })
  }

  #tell(event: ControlEvent): void {
    const { telling } = this.#options
    if (telling.event !== undefined) {
      this.#accept({ item: telling.event(event), message: undefined })
    }
  }

  #accept(waiting: Waiting<Item>): void {
    if (this.#throttle === undefined) this.#keep(waiting)
    else this.#throttle.offer(waiting)
  }

  #keep(waiting: Waiting<Item>): void {
    this.#waiting.push(waiting)
    if (this.#waiting.length > MAX_WAITING) this.#dropOldestWaiting()
    this.#wake?.()
  }

  #dropOldestWaiting(): void {
    const index = this.#waiting.findIndex(({ message }) => message !== undefined)
    if (index === -1) return
    this.#waiting.splice(index, 1)
    this.#dropped++
  }

  /** The next of the topics; undefined where it is not to be handed out, or not yet. */
  async #read(): Promise<Item | undefined> {
    const [place] = this.#ready
    if (place === undefined || this.#isPaused) {
      await this.#awake()
      return undefined
    }
    this.#ready.delete(place)
    if (this.#pauses(place)) return undefined
    this.#dropOldest(place)
    const next = await this.#readFrom(place)
    if (place.reader.isBehind) this.#ready.add(place)
    else {
      place.isResumed = false
      place.hasKeptUp = true
    }
    if (next === undefined || this.#throttle === undefined) return next?.item
    this.#throttle.offer(next)
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

  async #readFrom({ reader, hasKeptUp }: Place): Promise<Waiting<Item> | undefined> {
    const { telling, filter } = this.#options
    const event = reader.takeEvent()
    if (event !== undefined && telling.event !== undefined) {
      return { item: telling.event(event), message: undefined }
    }
    const inMemory = reader.takeFromMemory()
    const message = inMemory ?? (await this.#readOn(reader))
    if (message === undefined || !passes(message, filter)) return undefined
    const isReplayed = reader.isReplaying || (hasKeptUp && inMemory === undefined)
    return { item: telling.message(message, isReplayed), message }
  }

  /** A log that is away for the moment ends no subscription: it waits, and tries again. */
  async #readOn(reader: TopicReader): Promise<AnyMessage | undefined> {
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

import { setTimeout as delay } from 'node:timers/promises'
import type { AnyMessage } from '../core/message.ts'
import type { Position, Sequence } from '../core/sequence.ts'
import type { TopicName } from '../core/topic-name.ts'
import { CarillonError } from '../protocol/errors.ts'
import type { Straggler } from './catch-up.ts'
import type { Cohort } from './cohort.ts'
import type { Feed } from './feed.ts'
import { passes } from './filter.ts'
import type { LiveTopic } from './live-topic.ts'
import type { Body } from './rendering.ts'
import type { TopicReader } from './topic-reader.ts'

/** Messages that one subscriber catches up on before another one of its socket may. */
const TURN = 100

/** How long a subscriber waits before it reads again from a log that was away, in milliseconds. */
const RETRY_MS = 500

/**
 * A place in one topic of a subscriber that messages are pushed to. It is a member of a cohort while
 * it keeps up, and reads by itself while it does not.
 */
export class FedPlace implements Straggler {
  readonly #feed: Feed
  readonly #topic: LiveTopic
  readonly #reader: TopicReader
  #cohort: Cohort | undefined
  /** How many of the topic's ephemeral messages had been handed on when this was up to date. */
  #ephemeralCount: number
  /** All up to here was sent, or is not wanted; while it is in a cohort, at least. */
  #sent: Position
  #isClosed = false

  constructor(feed: Feed, topic: LiveTopic, reader: TopicReader) {
    this.#feed = feed
    this.#topic = topic
    this.#reader = reader
    this.#ephemeralCount = topic.ephemeralCount
    this.#sent = reader.place
  }

  get topic(): TopicName {
    return this.#topic.name
  }

  /** All up to here was sent, or is not wanted. */
  get position(): Position {
    if (this.#cohort === undefined) return this.#sent
    const { epoch, sequence } = this.#reader.place
    // One that joined while the cohort was rendering stands further on than the cohort.
    return { epoch, sequence: Math.max(sequence, this.#cohort.position) as Sequence }
  }

  /** Goes on from where the place stands. */
  start(): void {
    if (this.#reader.isBehind) this.#feed.catchUp(this)
    else this.#join()
  }

  wants(message: AnyMessage): boolean {
    // What arrived before it came into its cohort, but in the same tick.
    const isNew = message.sequence === null || message.sequence > this.#reader.position
    return isNew && passes(message, this.#feed.filter)
  }

  /** Takes a message that it wants; where its socket has no room, the place falls behind. */
  offer(message: AnyMessage, body: Body): void {
    if (this.#feed.hasRoom) this.#feed.send(body, this.#mayRepeat(message))
    else if (message.sequence === null) this.#feed.countDropped(1)
    else this.fallBehind((message.sequence - 1) as Sequence)
  }

  /** Leaves the cohort, with everything up to its position done. */
  fallBehind(position: Sequence): void {
    // A place that joined while the cohort was rendering stands further on than the cohort.
    if (position > this.#reader.position) this.#reader.moveTo(position)
    this.#reader.fallBehind()
    this.#sent = this.#reader.place
    this.#ephemeralCount = this.#cohort?.ephemeralCount ?? this.#topic.ephemeralCount
    this.#leave()
    this.#feed.catchUp(this)
  }

  /** Reads on while the socket takes more, for a turn. Answers whether it is still behind. */
  async advance(): Promise<boolean> {
    try {
      return await this.#readOn()
    } catch (error) {
      this.#feed.fail(error)
      return false
    }
  }

  close(): void {
    this.#isClosed = true
    this.#leave()
  }

  /** Rejects with what ends the subscription. */
  async #readOn(): Promise<boolean> {
    for (let n = 0; n < TURN && this.#feed.wantsMore; n++) {
      if (this.#isClosed) return false
      const event = this.#reader.takeEvent()
      if (event !== undefined) {
        this.#feed.sendEvent(await this.#feed.renderEvent(event))
        continue
      }
      this.#sent = this.#reader.place
      if (!this.#reader.isBehind) {
        this.#join()
        return false
      }
      const message = this.#reader.takeFromMemory() ?? (await this.#takeFromLog())
      if (message === undefined || !passes(message, this.#feed.filter)) continue
      const body = this.#feed.render(message, this.#reader.isReplaying)
      this.#feed.send(body instanceof Promise ? await body : body, this.#mayRepeat(message))
    }
    return !this.#isClosed
  }

  #mayRepeat({ sequence }: AnyMessage): boolean {
    return sequence !== null && this.#reader.mayRepeat(sequence)
  }

  #join(): void {
    this.#cohort = this.#topic.cohort(this.#feed.rendering)
    // Negative where the cohort still has some to offer that others had before.
    this.#feed.countDropped(Math.max(0, this.#cohort.ephemeralCount - this.#ephemeralCount))
    this.#cohort.join(this)
  }

  #leave(): void {
    this.#cohort?.leave(this)
    this.#cohort = undefined
  }

  /** A log that is away for the moment ends no subscription: it waits, and tries again. */
  async #takeFromLog() {
    try {
      return await this.#reader.next()
    } catch (error) {
      if (!(error instanceof CarillonError && error.retryable)) throw error
      await delay(RETRY_MS, undefined, { ref: false })
      return undefined
    }
  }
}

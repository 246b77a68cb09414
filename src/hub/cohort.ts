import type { AnyMessage } from '../core/message.ts'
import type { Sequence } from '../core/sequence.ts'
import type { FedPlace } from './fed-place.ts'
import type { LiveTopic, TopicListener } from './live-topic.ts'
import type { Body, Rendering } from './rendering.ts'

/** Messages that wait for a rendering that takes its time; of more, the members read the log. */
const MAX_WAITING = 1_000

/**
 * The subscribers of one topic that show its messages in the same way and are up to date: each message
 * is rendered once for all of them. They stand at the same position, which is that of the cohort.
 */
export class Cohort implements TopicListener {
  readonly #topic: LiveTopic
  readonly #rendering: Rendering
  readonly #onEmpty: () => void
  readonly #members = new Set<FedPlace>()
  /** The newest message that the members have been offered. */
  #position: Sequence
  #ephemeralCount: number
  /** The topic's head when it last handed on what had arrived. */
  #handedOn: Sequence
  #waiting: AnyMessage[] = []
  #isRendering = false

  constructor(topic: LiveTopic, rendering: Rendering, onEmpty: () => void) {
    this.#topic = topic
    this.#rendering = rendering
    this.#onEmpty = onEmpty
    this.#position = topic.head
    this.#handedOn = topic.head
    this.#ephemeralCount = topic.ephemeralCount
  }

  /** The newest message that the members have been offered. */
  get position(): Sequence {
    return this.#position
  }

  /** How many of the topic's ephemeral messages the members have been offered, or have missed. */
  get ephemeralCount(): number {
    return this.#ephemeralCount
  }

  /** Takes in a place that stands at the topic's head. */
  join(place: FedPlace): void {
    this.#members.add(place)
  }

  /** Idempotent. */
  leave(place: FedPlace): void {
    if (this.#members.delete(place) && this.#members.size === 0) this.#onEmpty()
  }

  receive(messages: readonly AnyMessage[]): void {
    this.#handedOn = this.#topic.head
    if (this.#isRendering) this.#wait(messages)
    else this.#offerAll(messages, 0)
  }

  /** None of the members comes back: the topic has other cohorts from now on. */
  changeEpoch(): void {
    for (const place of this.#members) place.fallBehind(this.#position)
  }

  #offerAll(messages: readonly AnyMessage[], start: number): void {
    for (let index = start; index < messages.length; index++) {
      const message = messages[index]
      if (message === undefined || !this.#isNext(message) || !this.#isWanted(message)) continue
      const body = this.#rendering.render(message)
      if (body instanceof Promise) {
        this.#wait(messages.slice(index + 1))
        void this.#offerLater(message, body)
        return
      }
      if (index < messages.length - 1) this.#offer(message, body)
      else this.#topic.tick.handOnNewest(() => this.#offer(message, body))
    }
    // The topic has left out what was not worth having in memory.
    if (this.#position < this.#handedOn) this.#fallBehind()
  }

  /** Messages of before the cohort were read by its members already. */
  #isNext({ sequence }: AnyMessage): boolean {
    return sequence === null || sequence === this.#position + 1
  }

  /** Passes over a message that no member wants. */
  #isWanted(message: AnyMessage): boolean {
    for (const place of this.#members) if (place.wants(message)) return true
    this.#pass(message)
    return false
  }

  #offer(message: AnyMessage, body: Body): void {
    this.#pass(message)
    for (const place of this.#members) {
      if (place.wants(message)) place.offer(message, body)
    }
  }

  /** Never back: while a rendering took its time, the members may have been sent to the log. */
  #pass({ sequence }: AnyMessage): void {
    if (sequence === null) this.#ephemeralCount++
    else if (sequence > this.#position) this.#position = sequence
  }

  async #offerLater(message: AnyMessage, body: Promise<Body>): Promise<void> {
    this.#isRendering = true
    const rendered = await body
    this.#isRendering = false
    this.#offer(message, rendered)
    const waiting = this.#waiting
    this.#waiting = []
    this.#offerAll(waiting, 0)
  }

  #wait(messages: readonly AnyMessage[]): void {
    this.#waiting.push(...messages)
    if (this.#waiting.length <= MAX_WAITING) return
    this.#waiting = []
    this.#fallBehind()
  }

  #fallBehind(): void {
    for (const place of this.#members) place.fallBehind(this.#position)
    this.#position = this.#topic.head
  }
}

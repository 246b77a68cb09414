import type { AnyMessage } from '../core/message.ts'
import type { Baseline, Places } from '../core/resume.ts'
import type { TopicName, TopicWildcard } from '../core/topic-name.ts'
import type { Delivery } from './delivery.ts'
import { Feed, type FeedTarget } from './feed.ts'
import type { LiveTopic } from './live-topic.ts'
import { Pull, type PullOptions } from './pull.ts'
import type { TopicEvent } from './topic-event.ts'
import type { TopicReader } from './topic-reader.ts'

/** What a client can subscribe to. */
export type AnySubscription = Subscription<AnyMessage> | Subscription<TopicEvent>

/** A subscriber's place in a topic, and how to leave it. */
export interface SubscribedTopic {
  readonly topic: LiveTopic
  readonly reader: TopicReader
  readonly release: () => void
}

export interface SubscriptionOptions<Item> extends PullOptions<Item> {
  readonly onClose: () => void
}

/**
 * The messages of some topics, one after the other: in order within a topic, turn by turn between
 * topics. A subscriber that is slow holds nothing in memory but its places. One to events tells, in the same
 * order, what happens besides.
 */
export class Subscription<Item = AnyMessage>
  implements AsyncIterableIterator<Item>, AsyncDisposable
{
  readonly #options: SubscriptionOptions<Item>
  readonly #topics = new Map<TopicName, SubscribedTopic>()
  /** How messages leave: taken one by one, or pushed to a socket. */
  #way: Pull<Item> | Feed
  #items: AsyncGenerator<Item, undefined> | undefined
  /** Resolves the promise of the end that everyone waits for who asks for pushed messages. */
  #end: (() => void) | undefined
  #ended: Promise<void> | undefined
  #unlisten: (() => void) | undefined
  readonly #onClosed: (() => void)[] = []
  #delivery: Delivery<Item> | undefined
  #dropped = 0
  readonly #patterns = new Map<TopicWildcard, { readonly baseline: Baseline }>()
  #places: Places | undefined
  #failure: { readonly error: unknown } | undefined
  #closed = false

  constructor(options: SubscriptionOptions<Item>) {
    this.#options = options
    this.#way = new Pull(options)
  }

  /**
   * How many messages of its topics the subscriber has not got: because of `maxPerSecond`, because
   * it was slow and chose to drop the oldest, or because they were ephemeral.
   */
  get dropped(): number {
    return this.#way.dropped
  }

  /** How many more those are than at the last call. */
  takeDropped(): number {
    const count = this.dropped - this.#dropped
    this.#dropped += count
    return count
  }

  /** Whether it was too slow, and waits for `resume`. */
  get isPaused(): boolean {
    return this.#way instanceof Pull && this.#way.isPaused
  }

  /** Goes on after a pause, where it stopped. */
  resume(): void {
    if (this.#way instanceof Pull) this.#way.resume()
  }

  /** Whether it is told of more than messages. */
  get tellsEvents(): boolean {
    return this.#options.telling.event !== undefined
  }

  has(topic: TopicName): boolean {
    return this.#topics.has(topic)
  }

  /** Takes in one more topic, from where the reader stands. */
  add(subscribed: SubscribedTopic): void {
    const { topic, reader, release } = subscribed
    if (this.#closed || this.has(topic.name)) release()
    else {
      this.#topics.set(topic.name, subscribed)
      this.#way.add(topic, reader)
    }
  }

  /** Under this pattern it takes in what is published to, which moved on from the baseline. */
  addPattern(wildcard: TopicWildcard, pattern: { readonly baseline: Baseline }): void {
    this.#patterns.set(wildcard, pattern)
  }

  /** What was handed on to the subscriber's socket; before `feed`, where it begins. */
  places(): Places {
    const isHolding = this.#way instanceof Feed && this.#way.isHolding
    // What is held is not handed on yet, and stands before what the places have passed.
    if (!isHolding || this.#places === undefined) this.#places = this.#placesNow()
    return this.#places
  }

  /** Results that were handed on to its socket. */
  get delivered(): number {
    return this.#way instanceof Feed ? this.#way.delivered : 0
  }

  /** From here on messages are pushed, and `next()` tells of the end only. Before the first `next()`. */
  feed(target: FeedTarget): void {
    if (this.#closed) return
    this.#way.close()
    const { filter, maxPerSecond } = this.#options
    const onFailure = (error: unknown) => this.fail(error)
    this.#way = new Feed(target, { filter, maxPerSecond, onFailure })
    for (const { topic, reader } of this.#topics.values()) this.#way.add(topic, reader)
  }

  next(): Promise<IteratorResult<Item, undefined>> {
    if (this.#way instanceof Feed) return this.#untilEnd()
    this.#items ??= this.#pull(this.#way)
    return this.#items.next()
  }

  /** Ends the subscription, also while a `next()` is pending. Idempotent. */
  async return(): Promise<IteratorResult<Item, undefined>> {
    this.close()
    await this.#items?.return(undefined)
    return { done: true, value: undefined }
  }

  /** Ends the subscription when the signal does. */
  closeOn(signal: AbortSignal): void {
    const close = () => this.close()
    this.#unlisten = () => signal.removeEventListener('abort', close)
    signal.addEventListener('abort', close)
    if (signal.aborted) close()
  }

  /** Calls back once it has ended. */
  onClosed(callback: () => void): void {
    if (this.#closed) callback()
    else this.#onClosed.push(callback)
  }

  /** What stands between the topics and the subscriber; who feeds has to go through it by itself. */
  get delivery(): Delivery<Item> | undefined {
    return this.#delivery
  }

  /** Before the first `next()`. */
  deliverBy(delivery: Delivery<Item>): void {
    this.#delivery = delivery
  }

  get isClosed(): boolean {
    return this.#closed
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#unlisten?.()
    this.#way.close()
    for (const { release } of this.#topics.values()) release()
    this.#topics.clear()
    this.#end?.()
    for (const callback of this.#onClosed.splice(0)) callback()
    this.#options.onClose()
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return()
  }

  #placesNow(): Places {
    const topics =
      this.#way instanceof Feed
        ? new Map(this.#way.positions())
        : new Map([...this.#topics].map(([name, { reader }]) => [name, reader.place]))
    const baselines = [...this.#patterns].map(
      ([wildcard, { baseline }]) => [wildcard, baseline] as const,
    )
    return { topics, baselines: new Map(baselines) }
  }

  /** Ends the subscription; whoever takes its messages is told. What waits for its socket is not sent. */
  fail(error: unknown): void {
    if (this.#closed) return
    this.#failure = { error }
    this.close()
  }

  async #untilEnd(): Promise<IteratorResult<Item, undefined>> {
    if (!this.#closed) {
      this.#ended ??= new Promise((resolve) => {
        this.#end = resolve
      })
      await this.#ended
    }
    this.#throwFailure()
    return { done: true, value: undefined }
  }

  /** Once. */
  #throwFailure(): void {
    const failure = this.#failure
    this.#failure = undefined
    if (failure !== undefined) throw failure.error
  }

  async *#pull(pull: Pull<Item>): AsyncGenerator<Item, undefined> {
    try {
      for (;;) {
        const item = await pull.take()
        if (item === undefined) break
        const delivered = this.#delivery === undefined ? item : await this.#delivery.through(item)
        if (delivered !== undefined && !this.#closed) yield delivered
      }
      // Pushed from now on: who was already waiting for a message waits for the end.
      if (this.#way !== pull) await this.#untilEnd()
      this.#throwFailure()
    } finally {
      this.close()
    }
    return undefined
  }
}

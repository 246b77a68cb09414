import type { Redis } from 'ioredis'
import { isWildcard, type TopicName, type TopicPattern } from '../core/topic-name.ts'
import { channelOf, READY_CHANNEL, topicOfChannel } from './presence-wire.ts'

/** How long a watcher waits for the confirmation of Redis, in milliseconds. */
const CONFIRM_MS = 2_000

export interface FeedListener {
  /** A step of a topic; once more for each pattern that matches. */
  onStep(topic: TopicName, text: string): void
  /** All sessions of an instance are there again. */
  onReady(instance: string): void
  /** Redis does not let this instance listen. */
  onFault(error: unknown): void
  /** Steps may have been lost, and those from now on will come. */
  onGap(): void
}

/** The steps of other instances and of this one, by the pub/sub of Redis. */
export class RedisFeed {
  readonly #redis: Redis
  readonly #listener: FeedListener

  /** No step was lost since somebody asked for any. */
  #isComplete = true

  /** @param redis a connection for this alone */
  constructor(redis: Redis, listener: FeedListener) {
    this.#redis = redis
    this.#listener = listener
    redis.on('error', () => {}) // the bus tells of the same faults
    redis.on('messageBuffer', (channel: Buffer, text: Buffer) => this.#receive(channel, text))
    redis.on('pmessageBuffer', (_pattern: Buffer, channel: Buffer, text: Buffer) =>
      this.#receive(channel, text),
    )
    redis.on('ready', () => this.#onConnected())
    redis.on('close', () => {
      this.#isComplete = false
    })
    redis.subscribe(READY_CHANNEL).catch(() => undefined) // asked for again at each new connection
  }

  /** Resolves once every step from then on will come, or, while Redis is away, at once. */
  async subscribe(pattern: TopicPattern): Promise<void> {
    if (this.#redis.status !== 'ready') this.#isComplete = false
    const channel = channelOf(pattern)
    const confirmed = isWildcard(pattern)
      ? this.#redis.psubscribe(channel)
      : this.#redis.subscribe(channel)
    let timer: NodeJS.Timeout | undefined
    const tooLate = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, this.#redis.status === 'ready' ? CONFIRM_MS : 0)
    })
    const told = confirmed.catch((error: unknown) => this.#onRefused(error))
    await Promise.race([told, tooLate])
    clearTimeout(timer)
  }

  unsubscribe(pattern: TopicPattern): void {
    const channel = channelOf(pattern)
    const done = isWildcard(pattern)
      ? this.#redis.punsubscribe(channel)
      : this.#redis.unsubscribe(channel)
    done.catch(() => undefined) // a connection that was cut has forgotten it
  }

  close(): void {
    this.#redis.disconnect()
  }

  /** A connection that was cut subscribes again by itself. */
  #onRefused(error: unknown): void {
    if (this.#redis.status === 'ready') this.#listener.onFault(error)
  }

  #receive(channel: Buffer, text: Buffer): void {
    const name = channel.toString()
    if (name === READY_CHANNEL) this.#listener.onReady(text.toString())
    else this.#listener.onStep(topicOfChannel(name), text.toString())
  }

  /** Channels are subscribed again by then: commands of one connection are answered in order. */
  #onConnected(): void {
    if (this.#isComplete) return
    this.#isComplete = true
    this.#redis.ping().then(
      () => this.#listener.onGap(),
      () => undefined, // cut again: the next connection tells
    )
  }
}

import type { Message } from '../core/message.ts'
import { CarillonError } from '../protocol/errors.ts'
import type { LiveTopic } from './live-topic.ts'
import type { TopicReader } from './topic-reader.ts'

/** How long a subscriber waits before it reads again from a log that was away, in milliseconds. */
const RETRY_MS = 500

/** A subscriber's place in a topic, and how to leave it. */
export interface SubscribedTopic {
  readonly topic: LiveTopic
  readonly reader: TopicReader
  readonly release: () => void
}

/**
 * The messages of some live topics, one after the other: in order within a topic, turn by turn
 * between topics. A subscriber that is slow holds nothing in memory but its places.
 */
export class Subscription implements AsyncIterableIterator<Message>, AsyncDisposable {
  readonly #topics: readonly SubscribedTopic[]
  readonly #accepts: (message: Message) => boolean
  readonly #messages: AsyncGenerator<Message, undefined>
  readonly #onClose: (subscription: Subscription) => void
  #unwatch: readonly (() => void)[]
  /** The topics that may have something, each once, in the order in which they got it. */
  readonly #ready = new Set<SubscribedTopic>()
  #wake: (() => void) | undefined
  #unlisten: (() => void) | undefined
  #endPause: (() => void) | undefined
  #closed = false

  constructor(
    topics: readonly SubscribedTopic[],
    accepts: (message: Message) => boolean,
    onClose: (subscription: Subscription) => void,
  ) {
    this.#topics = topics
    this.#accepts = accepts
    this.#onClose = onClose
    this.#unwatch = topics.map((subscribed) =>
      subscribed.topic.watch(() => this.#enqueue(subscribed)),
    )
    // What came before the last of the topics went live has called nobody back.
    for (const subscribed of topics) if (subscribed.reader.isBehind) this.#ready.add(subscribed)
    this.#messages = this.#run()
  }

  next(): Promise<IteratorResult<Message, undefined>> {
    return this.#messages.next()
  }

  /** Ends the subscription, also while a `next()` is pending. Idempotent. */
  async return(): Promise<IteratorResult<Message, undefined>> {
    this.close()
    return this.#messages.return(undefined)
  }

  /** Ends the subscription when the signal does. */
  closeOn(signal: AbortSignal): void {
    const close = () => this.close()
    this.#unlisten = () => signal.removeEventListener('abort', close)
    signal.addEventListener('abort', close)
    if (signal.aborted) close()
  }

  get isClosed(): boolean {
    return this.#closed
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#unlisten?.()
    this.#endPause?.()
    for (const unwatch of this.#unwatch) unwatch()
    this.#unwatch = []
    for (const { release } of this.#topics) release()
    this.#ready.clear()
    this.#wake?.()
    this.#onClose(this)
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return()
  }

  #enqueue(subscribed: SubscribedTopic): void {
    this.#ready.add(subscribed)
    this.#wake?.()
  }

  async *#run(): AsyncGenerator<Message, undefined> {
    try {
      while (!this.#closed) {
        const [subscribed] = this.#ready
        if (subscribed === undefined) await this.#somethingReady()
        else {
          this.#ready.delete(subscribed)
          const message = await this.#read(subscribed)
          if (subscribed.reader.isBehind && !this.#closed) this.#ready.add(subscribed)
          if (message !== undefined && !this.#closed && this.#accepts(message)) yield message
        }
      }
    } finally {
      this.close()
    }
    return undefined
  }

  /** A log that is away for the moment ends no subscription: it waits, and tries again. */
  async #read({ reader }: SubscribedTopic): Promise<Message | undefined> {
    try {
      return await reader.next()
    } catch (error) {
      if (this.#closed) return undefined
      if (!(error instanceof CarillonError && error.retryable)) throw error
      await this.#pause()
      return undefined
    }
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, RETRY_MS)
      this.#endPause = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  #somethingReady(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = () => {
        this.#wake = undefined
        resolve()
      }
    })
  }
}

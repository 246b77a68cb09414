import type { AnyMessage } from '../core/message.ts'
import {
  isWildcard,
  type TopicName,
  type TopicPattern,
  type TopicWildcard,
  wildcardsOf,
} from '../core/topic-name.ts'
import type { Bus, BusListener, BusSubscription } from './bus.ts'
import { Listeners } from './listeners.ts'

/** The bus of a single instance. */
export class MemoryBus implements Bus {
  readonly kind = 'memory'
  readonly isConnected = true
  readonly #topics: Listeners<TopicName>
  readonly #wildcards: Listeners<TopicWildcard>

  /** @param onListenerError told what a listener threw */
  constructor(onListenerError: (error: unknown) => void) {
    this.#topics = new Listeners(onListenerError)
    this.#wildcards = new Listeners(onListenerError)
  }

  publish(messages: readonly AnyMessage[]): void {
    for (const message of messages) {
      this.#topics.deliver(message.topic, message)
      if (this.#wildcards.isEmpty) continue
      for (const wildcard of wildcardsOf(message.topic)) this.deliver(wildcard, message)
    }
  }

  /** Calls those who listen to just this pattern, as another bus in front knows that it matches. */
  deliver(pattern: TopicPattern, message: AnyMessage): void {
    if (isWildcard(pattern)) this.#wildcards.deliver(pattern, message)
    else this.#topics.deliver(pattern, message)
  }

  async subscribe(pattern: TopicPattern, listener: BusListener): Promise<BusSubscription> {
    const unsubscribe = isWildcard(pattern)
      ? this.#wildcards.add(pattern, listener)
      : this.#topics.add(pattern, listener)
    return { unsubscribe }
  }

  /** Nothing is lost in one process. */
  onGap(): () => void {
    return () => {}
  }

  async close(): Promise<void> {
    this.#topics.clear()
    this.#wildcards.clear()
  }
}

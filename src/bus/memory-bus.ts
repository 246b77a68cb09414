import type { AnyMessage } from '../core/message.ts'
import {
  isWildcard,
  type TopicName,
  type TopicPattern,
  type TopicWildcard,
  wildcardsOf,
} from '../core/topic-name.ts'
import type { Bus, BusListener, BusSubscription, EpochChange, EpochListener } from './bus.ts'
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

  announce(change: EpochChange): void {
    this.#topics.announce(change.topic, change)
    for (const wildcard of wildcardsOf(change.topic)) this.#wildcards.announce(wildcard, change)
  }

  /** Calls those who listen to just this pattern, as another bus in front knows that it matches. */
  deliver(pattern: TopicPattern, message: AnyMessage): void {
    if (isWildcard(pattern)) this.#wildcards.deliver(pattern, message)
    else this.#topics.deliver(pattern, message)
  }

  /** As `deliver`. */
  deliverChange(pattern: TopicPattern, change: EpochChange): void {
    if (isWildcard(pattern)) this.#wildcards.announce(pattern, change)
    else this.#topics.announce(pattern, change)
  }

  async subscribe(
    pattern: TopicPattern,
    listener: BusListener,
    onEpochChange?: EpochListener,
  ): Promise<BusSubscription> {
    const unsubscribe = isWildcard(pattern)
      ? this.#wildcards.add(pattern, listener, onEpochChange)
      : this.#topics.add(pattern, listener, onEpochChange)
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

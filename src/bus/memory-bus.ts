import type { Message } from '../core/message.ts'
import type { TopicName } from '../core/topic-name.ts'
import type { Bus, BusListener, BusSubscription } from './bus.ts'

/** The bus of a single instance. */
export class MemoryBus implements Bus {
  readonly kind = 'memory'
  readonly isConnected = true
  readonly #listeners = new Map<TopicName, Set<BusListener>>()
  readonly #onListenerError: (error: unknown) => void

  /** @param onListenerError told what a listener threw */
  constructor(onListenerError: (error: unknown) => void) {
    this.#onListenerError = onListenerError
  }

  publish(messages: readonly Message[]): void {
    for (const message of messages) {
      // A copy: a listener may leave, or another come, while this message is delivered.
      for (const listener of [...(this.#listeners.get(message.topic) ?? [])]) {
        this.#call(listener, message)
      }
    }
  }

  async subscribe(topic: TopicName, listener: BusListener): Promise<BusSubscription> {
    const own: BusListener = (message) => listener(message) // the same listener may come twice
    const listeners = this.#listeners.get(topic) ?? new Set()
    this.#listeners.set(topic, listeners.add(own))
    return {
      unsubscribe: () => {
        listeners.delete(own)
        if (listeners.size === 0 && this.#listeners.get(topic) === listeners) {
          this.#listeners.delete(topic)
        }
      },
    }
  }

  /** Nothing is lost in one process. */
  onGap(): () => void {
    return () => {}
  }

  async close(): Promise<void> {
    for (const listeners of this.#listeners.values()) listeners.clear()
    this.#listeners.clear()
  }

  #call(listener: BusListener, message: Message): void {
    try {
      listener(message)
    } catch (error) {
      this.#onListenerError(error)
    }
  }
}

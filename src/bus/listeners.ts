import type { AnyMessage } from '../core/message.ts'
import type { BusListener } from './bus.ts'

/** Who listens to what on this instance; the keys are topics, or patterns. */
export class Listeners<Key extends string> {
  readonly #byKey = new Map<Key, Set<BusListener>>()
  readonly #onListenerError: (error: unknown) => void

  /** @param onListenerError told what a listener threw */
  constructor(onListenerError: (error: unknown) => void) {
    this.#onListenerError = onListenerError
  }

  /** Answers how to remove it; idempotent. */
  add(key: Key, listener: BusListener): () => void {
    const own: BusListener = (message) => listener(message) // the same listener may come twice
    const listeners = this.#byKey.get(key) ?? new Set()
    this.#byKey.set(key, listeners.add(own))
    return () => {
      listeners.delete(own)
      if (listeners.size === 0 && this.#byKey.get(key) === listeners) this.#byKey.delete(key)
    }
  }

  deliver(key: Key, message: AnyMessage): void {
    const listeners = this.#byKey.get(key)
    if (listeners === undefined) return
    // A copy: a listener may leave, or another come, while this message is delivered.
    for (const listener of [...listeners]) this.#call(listener, message)
  }

  get isEmpty(): boolean {
    return this.#byKey.size === 0
  }

  clear(): void {
    for (const listeners of this.#byKey.values()) listeners.clear()
    this.#byKey.clear()
  }

  #call(listener: BusListener, message: AnyMessage): void {
    try {
      listener(message)
    } catch (error) {
      this.#onListenerError(error)
    }
  }
}

import type { AnyMessage } from '../core/message.ts'
import type { BusListener, EpochChange, EpochListener } from './bus.ts'

/** One who listens, apart from all others: the same functions may come twice. */
interface Entry {
  readonly onMessage: BusListener
  readonly onEpochChange: EpochListener | undefined
}

/** Who listens to what on this instance; the keys are topics, or patterns. */
export class Listeners<Key extends string> {
  readonly #byKey = new Map<Key, Set<Entry>>()
  readonly #onListenerError: (error: unknown) => void

  /** @param onListenerError told what a listener threw */
  constructor(onListenerError: (error: unknown) => void) {
    this.#onListenerError = onListenerError
  }

  /** Answers how to remove it; idempotent. */
  add(key: Key, onMessage: BusListener, onEpochChange?: EpochListener): () => void {
    const own: Entry = { onMessage, onEpochChange }
    const entries = this.#byKey.get(key) ?? new Set()
    this.#byKey.set(key, entries.add(own))
    return () => {
      entries.delete(own)
      if (entries.size === 0 && this.#byKey.get(key) === entries) this.#byKey.delete(key)
    }
  }

  deliver(key: Key, message: AnyMessage): void {
    const entries = this.#byKey.get(key)
    if (entries === undefined) return
    // A copy: a listener may leave, or another come, while this message is delivered.
    for (const { onMessage } of [...entries]) this.#call(onMessage, message)
  }

  announce(key: Key, change: EpochChange): void {
    for (const { onEpochChange } of [...(this.#byKey.get(key) ?? [])]) {
      if (onEpochChange !== undefined) this.#call(onEpochChange, change)
    }
  }

  get isEmpty(): boolean {
    return this.#byKey.size === 0
  }

  clear(): void {
    for (const entries of this.#byKey.values()) entries.clear()
    this.#byKey.clear()
  }

  #call<News>(listener: (news: News) => void, news: News): void {
    try {
      listener(news)
    } catch (error) {
      this.#onListenerError(error)
    }
  }
}

import type { Message } from '../core/message.ts'
import type { Epoch } from '../core/sequence.ts'

/** Epochs that are remembered as not the topic's. */
const MAX_REFUTED = 16

/**
 * Messages of an epoch that is not, or not yet, known to be the topic's. The log says whether it is; what
 * it has denied once, late messages of an old epoch above all, is not asked again.
 */
export class Doubts {
  readonly #max: number
  #messages: Message[] = []
  readonly #refuted = new Set<Epoch>()

  /** @param max messages kept; more are read from the log */
  constructor(max: number) {
    this.#max = max
  }

  /** Answers whether the log has to be asked. */
  add(message: Message): boolean {
    if (this.isRefuted(message.epoch)) return false
    if (this.#messages.length < this.#max) this.#messages.push(message)
    return true
  }

  isRefuted(epoch: Epoch): boolean {
    return this.#refuted.has(epoch)
  }

  /** All messages, which are here no longer. */
  take(): readonly Message[] {
    const messages = this.#messages
    this.#messages = []
    return messages
  }

  /** The log was asked after it came, and this was not the topic's epoch, or is no longer. */
  refute(epoch: Epoch): void {
    this.#refuted.add(epoch)
    const [oldest] = this.#refuted
    if (this.#refuted.size > MAX_REFUTED && oldest !== undefined) this.#refuted.delete(oldest)
  }

  /** A restored database may have an epoch of long ago. */
  confirm(epoch: Epoch): void {
    this.#refuted.delete(epoch)
  }

  clear(): void {
    this.#messages = []
    this.#refuted.clear()
  }
}

import type { Position, Sequence } from '../core/sequence.ts'
import type { Acks } from './acks.ts'
import type { Handling } from './dead-letter-store.ts'
import { type Pause, patiently } from './patience.ts'

export interface AckPumpParts {
  readonly acks: Pick<Acks, 'write'>
  readonly handling: Handling
  readonly acked: Position
  /** Waits where the database is away. */
  readonly pause: Pause
  /** Acks that wait for the database are given up when this is aborted. */
  readonly signal: AbortSignal
  /** The topic is another's, or not what it was. */
  readonly onLost: () => void
}

/**
 * The acks of one topic: one on its way at a time, always of the newest message that is done, while the
 * handler goes on.
 */
export class AckPump {
  readonly #parts: AckPumpParts
  #acked: Sequence
  #done: Sequence
  #pumping: Promise<void> | undefined
  #isLost = false
  #failure: { readonly error: unknown } | undefined

  constructor(parts: AckPumpParts) {
    this.#parts = parts
    this.#acked = parts.acked.sequence
    this.#done = parts.acked.sequence
  }

  /** Everything up to this is done with. */
  get done(): Sequence {
    return this.#done
  }

  /** Acknowledges everything up to a sequence, soon. */
  moveTo(sequence: Sequence): void {
    this.#done = sequence
    if (!this.#isLost) this.#pumping ??= this.#pump()
  }

  /** What is acknowledged already, by other means. */
  skipTo(sequence: Sequence): void {
    this.#done = sequence
    this.#acked = sequence
  }

  /** Resolves once at most so many messages are done and not acknowledged, or it has been given up. */
  async atMost(unacked: number): Promise<void> {
    while (this.#done - this.#acked > unacked && this.#pumping !== undefined) await this.#pumping
    if (this.#failure !== undefined) throw this.#failure.error
  }

  async #pump(): Promise<void> {
    try {
      while (this.#acked < this.#done && !this.#isLost) await this.#write(this.#done)
    } catch (error) {
      this.#failure = { error }
    } finally {
      this.#pumping = undefined
    }
  }

  async #write(sequence: Sequence): Promise<void> {
    const { acks, handling, acked, pause, signal, onLost } = this.#parts
    const ack = { ...handling, sequence, epoch: acked.epoch }
    const outcome = await patiently(() => acks.write(ack), { pause, signal })
    if (outcome?.kind === 'acked') this.#acked = sequence
    else {
      this.#isLost = true
      // An epoch of before, or a head that an older dump has brought back: what is known here is not true any more.
      if (outcome !== undefined) onLost()
    }
  }
}

import type { Gap } from '../protocol/errors.ts'

/** What a place looks at in a message. */
export interface Placed {
  /** Null for an ephemeral message. */
  readonly sequence: number | null
  /** Null for an ephemeral message. */
  readonly cursor: string | null
}

/**
 * Where a reader stands in one topic: what it has had, and where it goes on after a lost connection.
 *
 * A server delivers the messages of a topic in the order of their sequences, on every connection from where it was
 * asked to begin. So what is not behind the last message is a repeat, and nothing else is. Sequences need not be
 * contiguous: filters, messages to others and expired ones leave numbers out. What is missing is said by a gap, and
 * never concluded from the numbers.
 */
export class Place {
  #sequence = 0
  #cursor: string | undefined
  #isPastEpoch = false

  constructor(after?: string) {
    this.#cursor = after
  }

  /** The sequence of the last message; 0 before the first one, and after the numbering started again. */
  get sequence(): number {
    return this.#sequence
  }

  /** To subscribe behind; undefined until something has been delivered, or the present is known. */
  get cursor(): string | undefined {
    return this.#cursor
  }

  /** Whether a message is none that came before; takes its place if so. Ephemeral ones have none, and always are. */
  take({ sequence, cursor }: Placed): boolean {
    if (sequence === null) return true
    if (sequence <= this.#sequence) return false
    this.#sequence = sequence
    this.#cursor = cursor ?? this.#cursor
    this.#isPastEpoch = false
    return true
  }

  /** Passes over what can no longer be delivered; answers what of it was not told before. */
  pass<G extends Gap>(gap: G): G | undefined {
    if (gap.reason === 'EPOCH_CHANGED') {
      if (this.#isPastEpoch) return undefined
      this.#isPastEpoch = true
      this.#sequence = 0 // the old cursor stays: behind it the new numbering begins
      return gap
    }
    if (gap.toSequence <= this.#sequence) return undefined
    const fromSequence = Math.max(gap.fromSequence, this.#sequence + 1)
    this.#sequence = gap.toSequence
    return { ...gap, fromSequence }
  }

  /** Everything up to a cursor has been delivered. With its sequence where that is known, as of a snapshot. */
  reach(cursor: string, sequence?: number): void {
    this.#cursor = cursor
    this.#sequence = sequence ?? this.#sequence
  }
}

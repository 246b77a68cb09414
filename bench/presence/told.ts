import { createHash } from 'node:crypto'
import { applyPresence, type PresenceEventType, type Present } from '../../src/protocol/presence.ts'

export interface ToldMember {
  readonly userId: string
}

interface ToldEvent {
  readonly type: PresenceEventType
  readonly members: readonly ToldMember[]
}

type Set = Present<ToldMember>

/** What watchers were told, kept once where it is the same: events that are told to many are. */
export class Told {
  readonly #bodies: Buffer[] = []
  readonly #sets = new Map<string, Set>()

  /**
   * Keeps an event; answers its number.
   * @param last the number of the one that the same watcher was told before
   */
  note(body: Buffer, last: number): number {
    const next = this.#bodies[last + 1]
    if (next?.equals(body) === true) return last + 1
    return this.#bodies.push(Buffer.from(body)) - 1
  }

  /** The set that events make, one applied after the other. */
  setOf(numbers: readonly number[]): Set {
    const key = numbers.join()
    const known = this.#sets.get(key)
    if (known !== undefined) return known
    const set = numbers.reduce<Set>(
      (present, number) => applyPresence(present, this.#eventOf(number)),
      new Map(),
    )
    this.#sets.set(key, set)
    return set
  }

  #eventOf(number: number): ToldEvent {
    const result = JSON.parse(String(this.#bodies[number])) as {
      readonly data: { readonly presence: ToldEvent }
    }
    return result.data.presence
  }
}

/** Equal for equal sets. */
export function digestOf(set: Set): string {
  const members = [...set.values()].sort((a, b) => (a.userId < b.userId ? -1 : 1))
  return createHash('sha256').update(JSON.stringify(members)).digest('hex')
}

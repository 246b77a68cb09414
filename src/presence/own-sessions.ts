import type { TopicName } from '../core/topic-name.ts'
import { Roster } from './roster.ts'
import type { PresenceStep, Seat, Session } from './session.ts'

/** A topic in which Redis may have other sessions of this instance than there are, and who left it meanwhile. */
export type UnsentTopic = readonly [topic: TopicName, left: readonly Session[]]

/** The sessions of the clients of one instance, and what Redis does not know of them. */
export class OwnSessions {
  readonly #rosters = new Map<TopicName, Roster>()
  readonly #unsent = new Map<TopicName, Session[]>()

  get count(): number {
    let count = 0
    for (const { size } of this.#rosters.values()) count += size
    return count
  }

  topics(): Iterable<TopicName> {
    return this.#rosters.keys()
  }

  has(topic: TopicName): boolean {
    return this.#rosters.has(topic)
  }

  in(topic: TopicName): readonly Session[] {
    return [...(this.#rosters.get(topic)?.sessions() ?? [])]
  }

  at(topic: TopicName, seat: Seat): Session | undefined {
    return this.#rosters.get(topic)?.at(seat)
  }

  /** Whether this very session is one of them. */
  holds(topic: TopicName, session: Session): boolean {
    return this.at(topic, session)?.id === session.id
  }

  /** What is to be in Redis from now on. */
  note(topic: TopicName, { kind, session }: PresenceStep): void {
    const own = this.#rosters.get(topic) ?? new Roster()
    if (kind === 'enter' || (kind === 'say' && own.has(session))) own.put(session)
    if (kind === 'leave') own.remove(session)
    if (own.size === 0) this.#rosters.delete(topic)
    else this.#rosters.set(topic, own)
  }

  /** Redis learns of a step when it is back. */
  keepUnsent(topic: TopicName, { kind, session }: PresenceStep): void {
    const left = this.#unsent.get(topic) ?? []
    this.#unsent.set(topic, left)
    if (kind === 'leave') left.push(session)
  }

  /** Redis may know of none of them. */
  markAllUnsent(): void {
    for (const topic of this.#rosters.keys()) {
      if (!this.#unsent.has(topic)) this.#unsent.set(topic, [])
    }
  }

  get isAllSent(): boolean {
    return this.#unsent.size === 0
  }

  /** Some that are to be sent now, at most so many. */
  takeUnsent(count: number): readonly UnsentTopic[] {
    const some = [...this.#unsent].slice(0, count)
    for (const [topic] of some) this.#unsent.delete(topic)
    return some
  }

  /** They could not be sent. */
  giveBack(topics: readonly UnsentTopic[]): void {
    for (const [topic, left] of topics) {
      this.#unsent.set(topic, [...left, ...(this.#unsent.get(topic) ?? [])])
    }
  }
}

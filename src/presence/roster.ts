import {
  keyOf,
  memberBy,
  type PresenceMember,
  type Seat,
  type SeatKey,
  type Session,
} from './session.ts'

/** What happens to a roster. */
export type RosterChange =
  | { readonly kind: 'put'; readonly session: Session }
  | { readonly kind: 'remove'; readonly session: Session }

/** Who sits where in one topic. */
export class Roster {
  readonly #users = new Map<string, Map<SeatKey, Session>>()
  /** How many sessions each instance has here. */
  readonly #instances = new Map<string, number>()
  #size = 0

  constructor(sessions: Iterable<Session> = []) {
    for (const session of sessions) this.put(session)
  }

  /** Sessions. */
  get size(): number {
    return this.#size
  }

  instances(): Iterable<string> {
    return this.#instances.keys()
  }

  userIds(): Iterable<string> {
    return this.#users.keys()
  }

  *sessions(): Generator<Session, undefined> {
    for (const seats of this.#users.values()) yield* seats.values()
    return undefined
  }

  sessionsOf(userId: string): readonly Session[] {
    return [...(this.#users.get(userId)?.values() ?? [])]
  }

  /** Who has a seat. */
  at(seat: Seat): Session | undefined {
    return this.#users.get(seat.userId)?.get(keyOf(seat))
  }

  has(session: Session): boolean {
    return this.at(session)?.id === session.id
  }

  member(userId: string): PresenceMember | undefined {
    const seats = this.#users.get(userId)
    return seats === undefined ? undefined : memberBy(seats.values())
  }

  *members(): Generator<PresenceMember, undefined> {
    for (const seats of this.#users.values()) {
      const member = memberBy(seats.values())
      if (member !== undefined) yield member
    }
    return undefined
  }

  /** In the place of who had the seat before. */
  put(session: Session): void {
    const seats = this.#users.get(session.userId) ?? new Map<SeatKey, Session>()
    this.#users.set(session.userId, seats)
    const key = keyOf(session)
    const before = seats.get(key)
    seats.set(key, session)
    this.#count(session, 1)
    if (before === undefined) this.#size++
    else this.#count(before, -1)
  }

  /** Leaves a seat alone that another session has taken since. */
  remove(session: Session): void {
    const seats = this.#users.get(session.userId)
    const key = keyOf(session)
    const there = seats?.get(key)
    if (seats === undefined || there === undefined || there.id !== session.id) return
    seats.delete(key)
    this.#count(there, -1)
    this.#size--
    if (seats.size === 0) this.#users.delete(session.userId)
  }

  apply({ kind, session }: RosterChange): void {
    if (kind === 'put') this.put(session)
    else this.remove(session)
  }

  #count({ instance }: Session, by: number): void {
    if (instance === undefined) return
    const count = (this.#instances.get(instance) ?? 0) + by
    if (count === 0) this.#instances.delete(instance)
    else this.#instances.set(instance, count)
  }
}

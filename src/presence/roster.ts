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
  #size = 0

  constructor(sessions: Iterable<Session> = []) {
    for (const session of sessions) this.put(session)
  }

  /** Sessions. */
  get size(): number {
    return this.#size
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
    const before = seats.size
    seats.set(keyOf(session), session)
    this.#size += seats.size - before
  }

  /** Leaves a seat alone that another session has taken since. */
  remove(session: Session): void {
    const seats = this.#users.get(session.userId)
    if (seats === undefined || !this.has(session)) return
    seats.delete(keyOf(session))
    this.#size--
    if (seats.size === 0) this.#users.delete(session.userId)
  }

  apply({ kind, session }: RosterChange): void {
    if (kind === 'put') this.put(session)
    else this.remove(session)
  }
}

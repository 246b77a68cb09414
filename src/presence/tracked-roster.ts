import type { RosterPlace, SharedRoster, SharedSession, SharedStep } from './presence-wire.ts'
import { ownerOf } from './redis-lease.ts'
import { Roster } from './roster.ts'
import type { Session } from './session.ts'

/**
 * - `applied`: the roster changed;
 * - `known`: it had this step already, or waits to be read;
 * - `gap`: steps are missing, and it has to be read anew.
 */
export type StepOutcome = 'applied' | 'known' | 'gap'

const NOBODY: RosterPlace = { incarnation: '', revision: 0 }

/** Steps that wait for the roster to be read; of more, it is read once more. */
const MAX_WAITING = 10_000

/** Someone who waits until a step has been seen. */
interface Arrival {
  readonly place: RosterPlace
  settle(isThere: boolean): void
}

/** A topic's roster as this instance knows it, and up to which step. */
export class TrackedRoster {
  #roster = new Roster()
  #at: RosterPlace = NOBODY
  #isOver = true
  #isKnown = false
  /** While it is being read. */
  #waiting: SharedStep[] | undefined = []
  /** Sessions that Redis has lost, of instances that had no time yet to put them there again. */
  readonly #unconfirmed = new Set<Session>()
  readonly #arrivals = new Set<Arrival>()
  /** The incarnation before this one: over, and seen to its end. */
  #previous = ''
  /** More steps came than could wait. */
  #hasMissed = false

  get roster(): Roster {
    return this.#roster
  }

  /** Whether the roster was read, or is known to be empty: else it is empty because nobody has looked yet. */
  get isKnown(): boolean {
    return this.#isKnown
  }

  /** Steps wait until the roster has been read. */
  beginReading(): void {
    this.#waiting ??= []
  }

  /** It could not be read: what was known has to do. */
  giveUpReading(): void {
    this.#isKnown = true
    this.#waiting = undefined
    this.#hasMissed = false
  }

  get place(): RosterPlace {
    return this.#at
  }

  get isReading(): boolean {
    return this.#waiting !== undefined
  }

  /**
   * Takes what was read in the place of what it had, but for sessions that are kept.
   * @returns whether the steps that came meanwhile go on from there
   */
  load({ sessions, ...at }: SharedRoster, keeps: (session: SharedSession) => boolean): boolean {
    const before = this.#roster
    this.#roster = new Roster(sessions)
    this.#at = at
    this.#isOver = sessions.length === 0
    this.#unconfirmed.clear()
    for (const session of before.sessions()) {
      if (this.#roster.at(session) !== undefined || !keeps(session as SharedSession)) continue
      this.#roster.put(session)
      this.#unconfirmed.add(session)
    }
    this.#isKnown = true
    const waiting = this.#waiting ?? []
    this.#waiting = undefined
    const isWhole = !this.#hasMissed && waiting.every((step) => this.receive(step) !== 'gap')
    this.#hasMissed = false
    this.#tell()
    return isWhole
  }

  receive(step: SharedStep): StepOutcome {
    if (this.#waiting !== undefined) return this.#wait(step)
    const { incarnation, revision, isOver, changes } = step
    const isSame = incarnation === this.#at.incarnation
    if (isSame && revision <= this.#at.revision) return 'known'
    const isNext = isSame ? revision === this.#at.revision + 1 : this.#isOver && revision === 1
    if (!isNext) return 'gap'
    for (const change of changes) this.#roster.apply(change)
    if (!isSame) this.#previous = this.#at.incarnation
    this.#at = { incarnation, revision }
    this.#isOver = isOver
    this.#tell()
    return 'applied'
  }

  /** Whether it has seen a step, or what followed it. */
  hasReached({ incarnation, revision }: RosterPlace): boolean {
    if (this.#waiting !== undefined) return false
    if (incarnation === '') return this.#isOver
    if (incarnation === this.#at.incarnation) return this.#at.revision >= revision
    return incarnation === this.#previous
  }

  /** Resolves when it has seen a step, or after so long, in milliseconds; answers whether it has. */
  reached(place: RosterPlace, withinMs: number): Promise<boolean> {
    if (this.hasReached(place)) return Promise.resolve(true)
    return new Promise((resolve) => {
      const arrival: Arrival = {
        place,
        settle: (isThere) => {
          clearTimeout(timer)
          this.#arrivals.delete(arrival)
          resolve(isThere)
        },
      }
      const timer = setTimeout(() => arrival.settle(false), withinMs)
      this.#arrivals.add(arrival)
    })
  }

  /** Takes sessions away that their instance, or any, has not put into Redis again; answers whose they were. */
  dropUnconfirmed(owner?: string): readonly string[] {
    const dropped: string[] = []
    for (const session of this.#unconfirmed) {
      if (owner !== undefined && ownerOf((session as SharedSession).instance) !== owner) continue
      this.#unconfirmed.delete(session)
      if (this.#roster.at(session) !== session) continue // put there since
      this.#roster.remove(session)
      dropped.push(session.userId)
    }
    return dropped
  }

  #wait(step: SharedStep): StepOutcome {
    const waiting = this.#waiting ?? []
    if (waiting.length < MAX_WAITING) waiting.push(step)
    else this.#hasMissed = true
    return 'known'
  }

  #tell(): void {
    for (const arrival of this.#arrivals) if (this.hasReached(arrival.place)) arrival.settle(true)
  }
}

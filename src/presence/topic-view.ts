import { isDeepStrictEqual } from 'node:util'
import type { TopicName } from '../core/topic-name.ts'
import type { PresenceEvent, PresenceWatcher } from './presence-event.ts'
import type { Roster } from './roster.ts'
import type { PresenceMember } from './session.ts'

export interface TopicViewOptions {
  readonly topic: TopicName
  /** Changes within so long leave together, in milliseconds. */
  readonly windowMs: number
  /** Who is where now. */
  readonly roster: () => Roster | undefined
  /** Called when nobody is there any more and everyone has been told. */
  readonly onEmpty: () => void
}

/**
 * How much longer than telling took the pause before the next time is, at least: many watchers of many changes get
 * them in fewer, larger events instead of taking all the time there is.
 */
const PAUSE_FACTOR = 4

/**
 * Who is in a topic as its watchers on this instance have been told. What changes is gathered for a moment: somebody
 * who came and went meanwhile was not there.
 */
export class TopicView {
  readonly topic: TopicName
  readonly #options: TopicViewOptions
  #told = new Map<string, PresenceMember>()
  readonly #watchers = new Set<PresenceWatcher>()
  /** They get a SYNC first. */
  readonly #newcomers = new Set<PresenceWatcher>()
  /** Those by a pattern: they know that nobody is there where they have not been told of anyone. */
  readonly #byPattern = new Set<PresenceWatcher>()
  #changed = new Set<string>()
  /** Everyone may have changed. */
  #isStale = true
  #timer: NodeJS.Timeout | undefined
  #pauseUntil = 0
  #sync: PresenceEvent | undefined

  constructor(options: TopicViewOptions) {
    this.topic = options.topic
    this.#options = options
  }

  /** Whether watchers have been told of nobody. */
  get isEmpty(): boolean {
    return this.#told.size === 0
  }

  /** Whether watchers have been told of nobody, and nothing is about to change that. */
  get isIdle(): boolean {
    return this.isEmpty && this.#timer === undefined
  }

  /** Nobody was there until now. */
  beginEmpty(): void {
    this.#isStale = false
  }

  /** The watcher gets a SYNC first; at once where nothing is about to change. */
  add(watcher: PresenceWatcher): void {
    if (this.#watchers.has(watcher)) return
    this.#newcomers.add(watcher)
    if (this.#timer === undefined && performance.now() >= this.#pauseUntil) this.#flush()
    else this.#schedule()
  }

  /** The watcher has been told of nobody here: it gets a SYNC where that is not so. */
  addByPattern(watcher: PresenceWatcher): void {
    if (this.#watchers.has(watcher)) return
    this.#byPattern.add(watcher)
    if (this.#isStale || this.#told.size > 0) this.add(watcher)
    else this.#watchers.add(watcher)
  }

  /** Idempotent. */
  remove(watcher: PresenceWatcher): void {
    this.#watchers.delete(watcher)
    this.#newcomers.delete(watcher)
    this.#byPattern.delete(watcher)
  }

  change(userIds: Iterable<string>): void {
    for (const userId of userIds) this.#changed.add(userId)
    this.#schedule()
  }

  /** The roster was read anew: watchers get a SYNC. */
  resync(): void {
    for (const watcher of this.#watchers) this.#newcomers.add(watcher)
    this.#watchers.clear()
    this.#isStale = true
    this.#schedule()
  }

  /** Everyone, as the watchers have been told. */
  sync(): PresenceEvent {
    this.#sync ??= { type: 'SYNC', topic: this.topic, members: [...this.#told.values()] }
    return this.#sync
  }

  /** Nobody is told anything after this. Idempotent. */
  close(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#watchers.clear()
    this.#newcomers.clear()
    this.#byPattern.clear()
  }

  #schedule(): void {
    if (this.#timer !== undefined) return
    const waitMs = Math.max(this.#options.windowMs, this.#pauseUntil - performance.now())
    this.#timer = setTimeout(() => this.#flush(), waitMs)
  }

  #flush(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const startedAt = performance.now()
    const wasEmpty = this.isEmpty
    const events = this.#isStale ? this.#readAll() : this.#readChanged()
    if (events.length > 0) for (const watcher of this.#watchers) watcher.tell(events)
    if (this.#newcomers.size > 0) {
      const sync = [this.sync()]
      for (const watcher of this.#newcomers) {
        this.#watchers.add(watcher)
        const knows = wasEmpty && this.isEmpty && this.#byPattern.has(watcher)
        if (!knows) watcher.tell(sync)
      }
      this.#newcomers.clear()
    }
    const endedAt = performance.now()
    this.#pauseUntil = endedAt + PAUSE_FACTOR * (endedAt - startedAt)
    if (this.isEmpty) this.#options.onEmpty()
  }

  /** Its watchers are told all of it. */
  #readAll(): readonly PresenceEvent[] {
    const roster = this.#options.roster()
    const members = [...(roster?.members() ?? [])].map((member) => this.#sameAsTold(member))
    this.#told = new Map(members.map((member) => [member.userId, member]))
    this.#sync = undefined
    this.#changed.clear()
    this.#isStale = false
    return []
  }

  #readChanged(): readonly PresenceEvent[] {
    const joined: PresenceMember[] = []
    const updated: PresenceMember[] = []
    const left: PresenceMember[] = []
    const roster = this.#options.roster()
    for (const userId of this.#changed) {
      const before = this.#told.get(userId)
      const member = roster?.member(userId)
      if (member === undefined) {
        if (before !== undefined) left.push(before)
      } else if (before === undefined) joined.push(member)
      else {
        const now = this.#sameAsTold(member)
        if (now !== before) updated.push(now)
      }
    }
    this.#changed.clear()
    const { topic } = this
    const events = [
      { type: 'LEAVE', topic, members: left } as const,
      { type: 'UPDATE', topic, members: updated } as const,
      { type: 'JOIN', topic, members: joined } as const,
    ].filter(({ members }) => members.length > 0)
    for (const { userId } of left) this.#told.delete(userId)
    for (const member of [...updated, ...joined]) this.#told.set(member.userId, member)
    if (events.length > 0) this.#sync = undefined
    return events
  }

  /** What watchers have been told of a member, where nothing changed that they would see. */
  #sameAsTold(member: PresenceMember): PresenceMember {
    const before = this.#told.get(member.userId)
    if (before === undefined) return member
    const isSame =
      isDeepStrictEqual(before.clientIds, member.clientIds) &&
      isDeepStrictEqual(before.state, member.state)
    return isSame ? before : { ...member, joinedAt: before.joinedAt }
  }
}

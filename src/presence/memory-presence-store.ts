import type { TopicName, TopicPattern } from '../core/topic-name.ts'
import type { PresenceListener, PresenceStore, StoreCounts, Watching } from './presence-store.ts'
import { Roster } from './roster.ts'
import type { PresenceStep } from './session.ts'
import { matching, Watches } from './watches.ts'

/** For a single instance. */
export class MemoryPresenceStore implements PresenceStore {
  readonly kind = 'memory'
  readonly #rosters = new Map<TopicName, Roster>()
  readonly #watches = new Watches()
  #sessions = 0

  get counts(): StoreCounts {
    return { sessions: this.#sessions, expiredLeases: 0 }
  }

  async apply(topic: TopicName, step: PresenceStep): Promise<boolean> {
    const roster = this.#rosters.get(topic) ?? new Roster()
    const { kind, session } = step
    if (kind !== 'enter' && !roster.has(session)) return false
    const before = roster.size
    if (kind === 'leave') roster.remove(session)
    else roster.put(session)
    this.#sessions += roster.size - before
    if (roster.size === 0) this.#rosters.delete(topic)
    else this.#rosters.set(topic, roster)
    for (const listener of this.#watches.of(topic)) listener.onChange(topic, [session.userId])
    return true
  }

  async watch(pattern: TopicPattern, listener: PresenceListener): Promise<Watching> {
    this.#watches.add(pattern, listener)
    return {
      topics: () => matching(this.#rosters.keys(), pattern),
      unwatch: () => void this.#watches.remove(pattern, listener),
    }
  }

  roster(topic: TopicName): Roster | undefined {
    return this.#rosters.get(topic) ?? (this.#watches.has(topic) ? new Roster() : undefined)
  }

  async read(topic: TopicName): Promise<Roster> {
    return new Roster(this.#rosters.get(topic)?.sessions())
  }

  async close(): Promise<void> {
    this.#rosters.clear()
    this.#sessions = 0
  }
}

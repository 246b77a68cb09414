import type { TopicName, TopicPattern } from '../core/topic-name.ts'
import type { Roster } from './roster.ts'
import type { PresenceStep } from './session.ts'

/**
 * Keeps who is present in topics, for all instances.
 *
 * Order: all instances see the steps in one topic in the same order, each once. Where one cannot be sure that
 * it saw them all, it reads the topic anew and says so, by `onSync`.
 *
 * Atomicity: a step happens or not; two sessions never have one seat.
 *
 * Failure: `apply` does not fail. While other instances are not reached, a step happens on this one,
 * and everywhere as soon as they are reached again: nobody is away because the store was. The sessions of an
 * instance that dies leave once, when its lease has run out.
 */
export interface PresenceStore {
  readonly kind: 'memory' | 'redis'
  /** What has happened here so far. */
  readonly counts: StoreCounts

  /** Resolves once those who watch here see it; answers whether it changed anything, as far as that is known. */
  apply(topic: TopicName, step: PresenceStep): Promise<boolean>

  /**
   * Resolves once the rosters of the topics are here, and every change of them from then on will be told.
   * It does not wait for other instances that are not reached: `onSync` says when they are.
   */
  watch(pattern: TopicPattern, listener: PresenceListener): Promise<Watching>

  /** Who is where in a topic that is watched here; changes as it is told of. */
  roster(topic: TopicName): Roster | undefined

  /** Who is where in any topic. Where other instances are not reached, those of this one. */
  read(topic: TopicName): Promise<Roster>

  /**
   * Sessions of this instance leave after so long, in milliseconds, if their clients have not taken their seats
   * on another one. Idempotent.
   */
  close(graceMs: number): Promise<void>
}

/** Called right when it happens; does not block. */
export interface PresenceListener {
  /** These users changed: they came, went, or say something else. */
  onChange(topic: TopicName, userIds: Iterable<string>): void
  /** The roster was read anew: anything may have changed. */
  onSync(topic: TopicName): void
}

export interface Watching {
  /** Topics that match and have someone present now. */
  topics(): Iterable<TopicName>
  /** No call of the listener after this returns. Idempotent. */
  unwatch(): void
}

export interface StoreCounts {
  /** Sessions of this instance. */
  readonly sessions: number
  /** Leases of other instances that this one found run out. */
  readonly expiredLeases: number
}

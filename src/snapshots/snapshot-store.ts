import type { Snapshot, SnapshotFields } from '../core/snapshot.ts'
import type { TopicName } from '../core/topic-name.ts'

/** A snapshot to save. */
export type SnapshotDraft = Pick<SnapshotFields, 'topic' | 'sequence' | 'state'>

/**
 * Where the newest snapshot of each topic is kept, as durable as the log.
 *
 * Atomicity: of snapshots saved at the same time, from any instances, the one of the highest sequence stays;
 * of one sequence, the one that was saved last.
 *
 * Failure: every method rejects with SERVICE_UNAVAILABLE while the database is away.
 */
export interface SnapshotStore {
  /**
   * Puts a snapshot in the place of an older one.
   * @throws CarillonError INVALID_INPUT past the topic's head; SEQUENCE_CONFLICT where a newer one is there
   */
  save(draft: SnapshotDraft): Promise<Snapshot>

  /** Undefined where none was saved. */
  snapshot(topic: TopicName): Promise<Snapshot | undefined>

  /** Which of these topics have one. */
  having(topics: readonly TopicName[]): Promise<ReadonlySet<TopicName>>
}

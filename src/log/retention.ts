import type { TopicName } from '../core/topic-name.ts'

/**
 * Removes what is no longer to be kept: messages over the age or the number that the rules allow, and those
 * that have expired.
 *
 * Order: a topic loses its oldest messages first, and its tail is past a message before that is deleted. So
 * readers never see a part of what is being removed. Expired messages, which nobody is shown, also
 * go from between others; their numbers stay taken. The head never moves.
 *
 * Locks: publishes wait for no delete. The row of a topic's head is locked for one statement that moves its
 * tail; messages are deleted in small transactions of their own.
 *
 * Instances: of those on one database, one works at a time.
 *
 * Failure: what was begun when the database went away, or the process ended, is finished by the next run. A
 * crash of the database itself may undo the last of it, newest first; the next run does that again.
 */
export interface Retention extends AsyncDisposable {
  /**
   * Removes all that is due now.
   * @throws CarillonError SERVICE_UNAVAILABLE while the database is away; SHUTTING_DOWN after `close`
   */
  apply(): Promise<RetentionReport>

  /** Stops after the delete under way. Idempotent. */
  close(): Promise<void>
}

/** What one run has removed. */
export interface RetentionReport {
  readonly removed: number
  readonly removedByTopic: ReadonlyMap<TopicName, number>
  /** False where it gave way to another instance that was at it, or was closed. */
  readonly isComplete: boolean
}

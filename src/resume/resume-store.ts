import type { Places } from '../core/resume.ts'
import type { Position } from '../core/sequence.ts'
import type { TopicName } from '../core/topic-name.ts'

/** One subscription of one client, over all of its connections. */
export interface ResumeKey {
  readonly userId: string
  readonly clientId: string
  /** The id that the client gave to the operation. */
  readonly operationId: string
}

/** What is known of a subscription whose connection may be lost. */
export interface ResumeRecord {
  /** What was asked for: a client that asks for something else begins anew. */
  readonly digest: string
  readonly places: Places
}

/** A record, and whose connection keeps it: the newest that brought the operation. */
export interface OwnedRecord extends ResumeRecord {
  readonly key: ResumeKey
  readonly owner: string
}

/** What has come to be certain since the last time. */
export interface Advance {
  readonly key: ResumeKey
  readonly owner: string
  readonly topics: ReadonlyMap<TopicName, Position>
}

/**
 * - `kept`: it is remembered for the time that was asked for, from now on;
 * - `missing`: there is no record any more, and it has to be put again as a whole;
 * - `superseded`: another connection has put it since.
 */
export type AdvanceOutcome = 'kept' | 'missing' | 'superseded'

/**
 * Remembers what subscribers have got, beyond the end of their connection.
 *
 * - What `put` and `advance` have answered, `find` answers on every instance, until `keepMs` have passed
 *   since the last of them.
 * - A record has one owner, the last that put it. Only it advances the record; who finds that another has
 *   taken it over, though its own connection lives, may put it again.
 * - It may forget: a subscriber then begins anew. It never answers a place that was not put.
 */
export interface ResumeStore extends AsyncDisposable {
  find(key: ResumeKey): Promise<ResumeRecord | undefined>
  /** Puts a record in the place of an older one, whoever owns that. */
  put(record: OwnedRecord, keepMs: number): Promise<void>
  /** Moves positions, and keeps the record for so long again. Answers in the order of the advances. */
  advance(advances: readonly Advance[], keepMs: number): Promise<readonly AdvanceOutcome[]>
  /** The client has ended it. Nothing happens where another owns it. */
  remove(key: ResumeKey, owner: string): Promise<void>
}

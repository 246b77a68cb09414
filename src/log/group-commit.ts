import { GroupWrites, type UnitResult as UnitOutcome } from '../core/group-writes.ts'
import { bytesOf, type Draft } from '../core/message.ts'
import type { Appended } from './log.ts'

/** What became of the drafts of one call. */
export type UnitResult = UnitOutcome<readonly Appended[]>

/** Commits units in one transaction; a refused unit leaves the others alone. */
export type Commit = (units: readonly (readonly Draft[])[]) => Promise<readonly UnitResult[]>

export interface GroupCommitBounds {
  /** Publishes that may wait for a commit. Default 10,000. */
  readonly maxQueuedPublishes?: number
  /** Bytes of text that may wait for a commit. Default 64 MiB. */
  readonly maxQueuedBytes?: number
  /** Messages in one commit at most; a larger unit is a batch of its own. Default 500. */
  readonly maxBatch?: number
  /** How long a publish may take before it is answered with SERVICE_UNAVAILABLE. Default 4500 ms. */
  readonly deadlineMs?: number
}

/** Puts the publishes that arrive while a commit is under way together into the next one. */
export class GroupCommit extends GroupWrites<readonly Draft[], readonly Appended[]> {
  constructor(commit: Commit, bounds: GroupCommitBounds = {}) {
    super({
      write: commit,
      weigh: (drafts) => ({ rows: drafts.length, bytes: sizeOf(drafts) }),
      maxQueuedRows: bounds.maxQueuedPublishes ?? 10_000,
      maxQueuedBytes: bounds.maxQueuedBytes ?? 64 * 1024 * 1024,
      maxBatch: bounds.maxBatch ?? 500,
      deadlineMs: bounds.deadlineMs ?? 4_500,
      queueFull: 'Too many publishes are waiting for the database.',
      tooLate:
        'The database did not answer in time. The message may have been stored: retry with the same idempotency key.',
    })
  }
}

function sizeOf(drafts: readonly Draft[]): number {
  return drafts.reduce((bytes, draft) => bytes + bytesOf(draft), 0)
}

import { setImmediate } from 'node:timers/promises'
import { bytesOf, type Draft } from '../core/message.ts'
import { CarillonError } from '../protocol/errors.ts'
import type { Appended } from './log.ts'

/** What became of one unit of a batch. */
export type UnitResult =
  | { readonly kind: 'appended'; readonly appended: readonly Appended[] }
  | { readonly kind: 'refused'; readonly error: CarillonError }

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

interface Waiting {
  readonly drafts: readonly Draft[]
  readonly bytes: number
  readonly deadline: number
  readonly resolve: (appended: readonly Appended[]) => void
  readonly reject: (error: unknown) => void
}

/**
 * Puts the publishes that arrive while a commit is under way together into the next one. Alone, a
 * publish is committed at once; under load, batches grow by themselves. One commit at a time, in
 * the order of the calls.
 */
export class GroupCommit {
  readonly #commit: Commit
  readonly #bounds: Required<GroupCommitBounds>
  #queue: Waiting[] = []
  #queuedPublishes = 0
  #queuedBytes = 0
  #running: Promise<void> | undefined
  #closed = false
  readonly #unanswered = new Set<Waiting>()
  #deadlineTimer: NodeJS.Timeout | undefined

  constructor(commit: Commit, bounds: GroupCommitBounds = {}) {
    this.#commit = commit
    this.#bounds = {
      maxQueuedPublishes: 10_000,
      maxQueuedBytes: 64 * 1024 * 1024,
      maxBatch: 500,
      deadlineMs: 4_500,
      ...bounds,
    }
  }

  /**
   * Resolves once the drafts are committed.
   * @throws CarillonError SERVICE_UNAVAILABLE where the queue is full, the database is away or the
   * deadline has passed; SHUTTING_DOWN after `close`; and what the unit was refused for
   */
  add(drafts: readonly Draft[]): Promise<readonly Appended[]> {
    if (this.#closed) return Promise.reject(new CarillonError('SHUTTING_DOWN'))
    const bytes = sizeOf(drafts)
    if (!this.#hasRoom(drafts.length, bytes)) return Promise.reject(queueFull())
    return new Promise((resolve, reject) => {
      const deadline = performance.now() + this.#bounds.deadlineMs
      const waiting = { drafts, bytes, deadline, resolve, reject }
      this.#queue.push(waiting)
      this.#unanswered.add(waiting)
      this.#queuedPublishes += drafts.length
      this.#queuedBytes += bytes
      this.#watchDeadlines()
      this.#running ??= this.#run()
    })
  }

  /** Refuses new publishes and resolves once every accepted one has been answered. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true
    await this.#running
    clearTimeout(this.#deadlineTimer)
  }

  #hasRoom(publishes: number, bytes: number): boolean {
    return (
      this.#queuedPublishes + publishes <= this.#bounds.maxQueuedPublishes &&
      this.#queuedBytes + bytes <= this.#bounds.maxQueuedBytes
    )
  }

  async #run(): Promise<void> {
    do {
      // What arrives in one turn of the event loop is one batch. And the loop has to turn: the embedded
      // database answers without it, and busy publishers would keep sockets and timers from running.
      await setImmediate()
      await this.#commitBatch(this.#takeBatch())
    } while (this.#queue.length > 0)
    this.#running = undefined
  }

  #takeBatch(): readonly Waiting[] {
    let messages = 0
    let count = 0
    for (const { drafts } of this.#queue) {
      if (count > 0 && messages + drafts.length > this.#bounds.maxBatch) break
      messages += drafts.length
      count++
    }
    const batch = this.#queue.slice(0, count)
    this.#queue = this.#queue.slice(count)
    for (const { drafts, bytes } of batch) {
      this.#queuedPublishes -= drafts.length
      this.#queuedBytes -= bytes
    }
    return batch
  }

  async #commitBatch(batch: readonly Waiting[]): Promise<void> {
    if (batch.length === 0) return // all of it was too late
    try {
      const results = await this.#commit(batch.map(({ drafts }) => drafts))
      batch.forEach((waiting, index) => {
        this.#answer(waiting, results[index])
      })
    } catch (error) {
      if (batch.length > 1 && !isUnavailable(error)) await this.#commitApart(batch)
      else for (const waiting of batch) this.#refuse(waiting, error)
    }
  }

  /** The database refused the statement, so nothing of it is stored: finds out whose fault it was. */
  async #commitApart(batch: readonly Waiting[]): Promise<void> {
    for (const waiting of batch) await this.#commitBatch([waiting])
  }

  #answer(waiting: Waiting, result: UnitResult | undefined): void {
    this.#unanswered.delete(waiting)
    if (result === undefined) waiting.reject(new Error('The commit answered too few units.'))
    else if (result.kind === 'refused') waiting.reject(result.error)
    else waiting.resolve(result.appended)
  }

  #refuse(waiting: Waiting, error: unknown): void {
    this.#unanswered.delete(waiting)
    waiting.reject(error)
  }

  /** One timer for all: the oldest unanswered publish is the first of the set. */
  #watchDeadlines(): void {
    if (this.#deadlineTimer !== undefined) return
    const [oldest] = this.#unanswered
    if (oldest === undefined) return
    const delay = Math.max(0, oldest.deadline - performance.now())
    this.#deadlineTimer = setTimeout(() => this.#expire(), delay)
    this.#deadlineTimer.unref()
  }

  #expire(): void {
    this.#deadlineTimer = undefined
    const now = performance.now()
    const expired = new Set<Waiting>()
    for (const waiting of this.#unanswered) {
      if (waiting.deadline > now) break
      expired.add(waiting)
    }
    this.#dropFromQueue(expired)
    for (const waiting of expired) this.#refuse(waiting, tooLate())
    this.#watchDeadlines()
  }

  /** What has not been sent to the database yet never will be. */
  #dropFromQueue(expired: ReadonlySet<Waiting>): void {
    this.#queue = this.#queue.filter((waiting) => {
      if (!expired.has(waiting)) return true
      this.#queuedPublishes -= waiting.drafts.length
      this.#queuedBytes -= waiting.bytes
      return false
    })
  }
}

function sizeOf(drafts: readonly Draft[]): number {
  return drafts.reduce((bytes, draft) => bytes + bytesOf(draft), 0)
}

function isUnavailable(error: unknown): boolean {
  return error instanceof CarillonError && error.code === 'SERVICE_UNAVAILABLE'
}

function queueFull(): CarillonError {
  return new CarillonError(
    'SERVICE_UNAVAILABLE',
    'Too many publishes are waiting for the database.',
    {
      retryAfterMs: 1_000,
    },
  )
}

function tooLate(): CarillonError {
  return new CarillonError(
    'SERVICE_UNAVAILABLE',
    'The database did not answer in time. The message may have been stored: retry with the same idempotency key.',
  )
}

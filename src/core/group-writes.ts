import { setImmediate } from 'node:timers/promises'
import { CarillonError } from '../protocol/errors.ts'

/** What became of one unit of a batch. */
export type UnitResult<Answer> =
  | { readonly kind: 'written'; readonly answer: Answer }
  | { readonly kind: 'refused'; readonly error: CarillonError }

/** Writes units in one transaction; a refused unit leaves the others alone. */
export type WriteUnits<Unit, Answer> = (
  units: readonly Unit[],
) => Promise<readonly UnitResult<Answer>[]>

/** How much of a batch or of the queue a unit takes. */
export interface Weight {
  readonly rows: number
  /** Of text. */
  readonly bytes: number
}

export interface GroupWritesBounds {
  /** Rows that may wait for a write. */
  readonly maxQueuedRows: number
  /** Bytes of text that may wait for a write. */
  readonly maxQueuedBytes: number
  /** Rows in one write at most; a larger unit is a batch of its own. */
  readonly maxBatch: number
  /** How long a unit may take before it is answered with SERVICE_UNAVAILABLE. */
  readonly deadlineMs: number
}

export interface GroupWritesOptions<Unit, Answer> extends GroupWritesBounds {
  readonly write: WriteUnits<Unit, Answer>
  readonly weigh: (unit: Unit) => Weight
  /** What a unit is refused with for which the queue has no room. */
  readonly queueFull: string
  /** What a unit is answered with that the database has not answered in time. */
  readonly tooLate: string
}

interface Waiting<Unit, Answer> extends Weight {
  readonly unit: Unit
  readonly deadline: number
  readonly resolve: (answer: Answer) => void
  readonly reject: (error: unknown) => void
}

/**
 * Puts what is to be written and arrives while a write is under way together into the next one. Alone, a
 * unit is written at once; under load, batches grow by themselves. One write at a time, in the order
 * of the calls.
 */
export class GroupWrites<Unit, Answer> {
  readonly #options: GroupWritesOptions<Unit, Answer>
  #queue: Waiting<Unit, Answer>[] = []
  #queuedRows = 0
  #queuedBytes = 0
  #running: Promise<void> | undefined
  #closed = false
  readonly #unanswered = new Set<Waiting<Unit, Answer>>()
  #deadlineTimer: NodeJS.Timeout | undefined

  constructor(options: GroupWritesOptions<Unit, Answer>) {
    this.#options = options
  }

  /**
   * Resolves once the unit is written.
   * @throws CarillonError SERVICE_UNAVAILABLE where the queue is full, the database is away or the
   * deadline has passed; SHUTTING_DOWN after `close`; and what the unit was refused for
   */
  add(unit: Unit): Promise<Answer> {
    if (this.#closed) return Promise.reject(new CarillonError('SHUTTING_DOWN'))
    const weight = this.#options.weigh(unit)
    if (!this.#hasRoom(weight)) return Promise.reject(this.#queueFull())
    return new Promise((resolve, reject) => {
      const deadline = performance.now() + this.#options.deadlineMs
      const { rows, bytes } = weight
      const waiting = { unit, rows, bytes, deadline, resolve, reject }
      this.#queue.push(waiting)
      this.#unanswered.add(waiting)
      this.#queuedRows += rows
      this.#queuedBytes += bytes
      this.#watchDeadlines()
      this.#running ??= this.#run()
    })
  }

  /** Refuses new units and resolves once every accepted one has been answered. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true
    await this.#running
    clearTimeout(this.#deadlineTimer)
  }

  #hasRoom({ rows, bytes }: Weight): boolean {
    return (
      this.#queuedRows + rows <= this.#options.maxQueuedRows &&
      this.#queuedBytes + bytes <= this.#options.maxQueuedBytes
    )
  }

  async #run(): Promise<void> {
    do {
      // What arrives in one turn of the event loop is one batch. And the loop has to turn: the embedded
      // database answers without it, and busy callers would keep sockets and timers from running.
      await setImmediate()
      await this.#writeBatch(this.#takeBatch())
    } while (this.#queue.length > 0)
    this.#running = undefined
  }

  #takeBatch(): readonly Waiting<Unit, Answer>[] {
    let total = 0
    let count = 0
    for (const { rows } of this.#queue) {
      if (count > 0 && total + rows > this.#options.maxBatch) break
      total += rows
      count++
    }
    const batch = this.#queue.slice(0, count)
    this.#queue = this.#queue.slice(count)
    for (const { rows, bytes } of batch) {
      this.#queuedRows -= rows
      this.#queuedBytes -= bytes
    }
    return batch
  }

  async #writeBatch(batch: readonly Waiting<Unit, Answer>[]): Promise<void> {
    if (batch.length === 0) return // all of it was too late
    try {
      const results = await this.#options.write(batch.map(({ unit }) => unit))
      batch.forEach((waiting, index) => {
        this.#answer(waiting, results[index])
      })
    } catch (error) {
      if (batch.length > 1 && !isUnavailable(error)) await this.#writeApart(batch)
      else for (const waiting of batch) this.#refuse(waiting, error)
    }
  }

  /** The database refused the statement, so nothing of it is stored: finds out whose fault it was. */
  async #writeApart(batch: readonly Waiting<Unit, Answer>[]): Promise<void> {
    for (const waiting of batch) await this.#writeBatch([waiting])
  }

  #answer(waiting: Waiting<Unit, Answer>, result: UnitResult<Answer> | undefined): void {
    this.#unanswered.delete(waiting)
    if (result === undefined) waiting.reject(new Error('The write answered too few units.'))
    else if (result.kind === 'refused') waiting.reject(result.error)
    else waiting.resolve(result.answer)
  }

  #refuse(waiting: Waiting<Unit, Answer>, error: unknown): void {
    this.#unanswered.delete(waiting)
    waiting.reject(error)
  }

  /** One timer for all: the oldest unanswered unit is the first of the set. */
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
    const expired = new Set<Waiting<Unit, Answer>>()
    for (const waiting of this.#unanswered) {
      if (waiting.deadline > now) break
      expired.add(waiting)
    }
    this.#dropFromQueue(expired)
    for (const waiting of expired) this.#refuse(waiting, this.#tooLate())
    this.#watchDeadlines()
  }

  /** What has not been sent to the database yet never will be. */
  #dropFromQueue(expired: ReadonlySet<Waiting<Unit, Answer>>): void {
    this.#queue = this.#queue.filter((waiting) => {
      if (!expired.has(waiting)) return true
      this.#queuedRows -= waiting.rows
      this.#queuedBytes -= waiting.bytes
      return false
    })
  }

  #queueFull(): CarillonError {
    return new CarillonError('SERVICE_UNAVAILABLE', this.#options.queueFull, {
      retryAfterMs: 1_000,
    })
  }

  #tooLate(): CarillonError {
    return new CarillonError('SERVICE_UNAVAILABLE', this.#options.tooLate)
  }
}

function isUnavailable(error: unknown): boolean {
  return error instanceof CarillonError && error.code === 'SERVICE_UNAVAILABLE'
}

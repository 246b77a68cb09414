import { performance } from 'node:perf_hooks'

/** How much has to be idle for each millisecond of work, in milliseconds. */
const IDLE_PER_WORKED = 1

/** Idle time that is saved before it is spent, and at most, in milliseconds: what is done together costs less. */
const SAVED_MS = 2

/** How long is waited for idle time at most, in milliseconds: others may need the whole process. */
const PATIENCE_MS = 2

/** What may be spent then all the same, in milliseconds. */
const GRANT_MS = 0.5

/** How long the process has been idle and has worked until now, in milliseconds. */
export interface Utilization {
  readonly idle: number
  readonly active: number
}

/** Lets work be taken on only as fast as the process is idle in between. */
export class Spare {
  readonly #measure: () => Utilization
  #last: Utilization
  /** Idle time less what there has to be, in milliseconds. */
  #saved = 0
  #isSpending = false
  #takenAt = Number.NEGATIVE_INFINITY

  constructor(measure: () => Utilization = () => performance.eventLoopUtilization()) {
    this.#measure = measure
    this.#last = measure()
  }

  /** Whether work may be taken on now, on the clock of `performance.now()`. */
  take(now: number): boolean {
    const current = this.#measure()
    const idle = current.idle - this.#last.idle
    const active = current.active - this.#last.active
    this.#last = current
    this.#saved = bounded(this.#saved + idle - active * IDLE_PER_WORKED)
    if (this.#saved === SAVED_MS) this.#isSpending = true
    else if (this.#saved < 0) this.#isSpending = false
    if (!this.#isSpending) {
      if (now - this.#takenAt < PATIENCE_MS) return false
      this.#saved = Math.max(this.#saved, GRANT_MS)
    }
    this.#takenAt = now
    return true
  }

  /**
   * Takes what work costs that does not show in the time that it takes, in milliseconds. Answers whether more may be
   * taken on at once.
   */
  spend(ms: number): boolean {
    this.#saved = bounded(this.#saved - ms)
    return this.#saved > 0
  }
}

/** Neither credit nor debt grows without bound. */
function bounded(saved: number): number {
  return Math.max(-SAVED_MS, Math.min(SAVED_MS, saved))
}

import type { Database } from '../database/database.ts'
import { withFaults } from '../database/faults.ts'
import { CarillonError } from '../protocol/errors.ts'
import { EmbeddedVacuum } from './embedded-vacuum.ts'
import type { Retention, RetentionReport } from './retention.ts'
import type { ParsedRule } from './retention-rules.ts'
import { RetentionSweep } from './retention-sweep.ts'

export interface RetentionSweeperOptions {
  readonly database: Database
  readonly rules: readonly ParsedRule[]
  /** From the end of one run to the start of the next, in milliseconds. */
  readonly intervalMs: number
  /** Told of runs of its own that failed: the next one tries again. */
  readonly onFault: (error: unknown) => void
}

/** Applies the retention from time to time, and when it is told to: one run at a time. */
export class RetentionSweeper implements Retention {
  readonly #options: RetentionSweeperOptions
  readonly #abort = new AbortController()
  readonly #vacuum: EmbeddedVacuum | undefined
  #timer: NodeJS.Timeout | undefined
  /** The last of the runs, which wait for one another. Never rejects. */
  #running: Promise<unknown> = Promise.resolve()

  constructor(options: RetentionSweeperOptions) {
    this.#options = options
    const { kind, prisma } = options.database
    if (kind === 'embedded') this.#vacuum = new EmbeddedVacuum(prisma)
    this.#schedule()
  }

  apply(): Promise<RetentionReport> {
    const run = this.#running.then(() => this.#run())
    this.#running = run.catch(() => undefined) // told to who called
    return run
  }

  async close(): Promise<void> {
    this.#abort.abort()
    clearTimeout(this.#timer)
    await this.#running
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #run(): Promise<RetentionReport> {
    const { database, rules } = this.#options
    const { signal } = this.#abort
    if (signal.aborted) throw new CarillonError('SHUTTING_DOWN')
    const report = await new RetentionSweep({ prisma: database.prisma, rules, signal }).run()
    if (!signal.aborted) await withFaults(async () => this.#vacuum?.run(report.removed))
    return report
  }

  #schedule(): void {
    if (this.#abort.signal.aborted) return
    this.#timer = setTimeout(() => void this.#runByItself(), this.#options.intervalMs)
    this.#timer.unref()
  }

  async #runByItself(): Promise<void> {
    try {
      await this.apply()
    } catch (error) {
      if (!this.#abort.signal.aborted) this.#options.onFault(error)
    }
    this.#schedule()
  }
}

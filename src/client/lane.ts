import type { Caller } from './caller.ts'
import type { Connector } from './connector.ts'
import { type CarillonError, carillonError } from './error.ts'
import type { PublishJob } from './publish-job.ts'
import { publishNow } from './publish-now.ts'
import type { Limits } from './timing.ts'

/** Messages that are published together at most; the least that a server takes by default. */
const MAX_BATCH = 100

/** The JSON text of those, in characters. */
const MAX_BATCH_TEXT = 1024 * 1024

/**
 * The publishes of one topic, in their order. One request is under way at a time; what is published meanwhile goes together in the next
 * one. So the order holds whatever is tried again, and a burst takes few round trips.
 */
export class Lane {
  readonly #connector: Connector
  readonly #caller: Caller
  #waiting: PublishJob[] = []
  #isRunning = false
  /** How many of those in front go one by one, because one of them made all be refused. */
  #alone = 0
  #failures = 0

  constructor(connector: Connector, caller: Caller) {
    this.#connector = connector
    this.#caller = caller
  }

  get isEmpty(): boolean {
    return !this.#isRunning && this.#waiting.length === 0
  }

  add(job: PublishJob): void {
    this.#waiting.push(job)
    if (!this.#isRunning) void this.#run()
  }

  async #run(): Promise<void> {
    this.#isRunning = true
    for (let batch = this.#next(); batch.length > 0; batch = this.#next()) {
      const limits: Limits = { deadline: Math.max(...batch.map(({ deadline }) => deadline)) }
      try {
        await this.#publish(batch, limits)
        this.#failures = 0
      } catch (error) {
        await this.#fail(batch, carillonError(error), limits)
      }
    }
    this.#isRunning = false
  }

  /** From the front; what is settled meanwhile, because its time is over, is left out. */
  #next(): readonly PublishJob[] {
    this.#waiting = this.#waiting.filter((job) => !job.isSettled)
    const batch: PublishJob[] = []
    let size = 0
    for (const job of this.#waiting) {
      size += job.size
      // A head that is not the expected one is refused, and nothing else is to be with it.
      const isAlone = this.#alone > 0 || job.input.expectedHead !== undefined
      const isFull = batch.length === MAX_BATCH || size > MAX_BATCH_TEXT
      if (batch.length > 0 && (isAlone || isFull)) break
      batch.push(job)
      if (isAlone) break
    }
    return batch
  }

  async #publish(batch: readonly PublishJob[], limits: Limits): Promise<void> {
    const connection = await this.#connector.ready(limits)
    const jobs = batch.filter((job) => !job.isSettled)
    if (jobs.length === 0) return
    const messages = await publishNow(connection, jobs, limits)
    this.#alone = Math.max(0, this.#alone - 1)
    for (const [index, message] of messages.entries()) jobs[index]?.resolve(message)
  }

  /** Tries all of them again, or each alone, or gives up the one that was refused. */
  async #fail(batch: readonly PublishJob[], error: CarillonError, limits: Limits): Promise<void> {
    const jobs = batch.filter((job) => !job.isSettled)
    // Without an answer it is up to each how long it waits, and what it says then.
    const isAnswered = error.code !== 'NOT_CONNECTED' && error.code !== 'ACK_TIMEOUT'
    if (isAnswered) for (const job of jobs) job.fail(error)
    try {
      if (this.#connector.end !== undefined) throw error
      await this.#caller.recover(error, this.#failures++, limits)
    } catch {
      this.#failures = 0
      if (jobs.length > 1 && isAnswered && !error.retryable) this.#alone = jobs.length
      else this.#giveUp(jobs)
    }
  }

  #giveUp(jobs: readonly PublishJob[]): void {
    for (const job of jobs) {
      if (this.#connector.end === undefined) job.expire()
      else job.reject(this.#connector.end)
    }
    this.#alone = Math.max(0, this.#alone - 1)
  }
}

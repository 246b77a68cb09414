import type { Context } from './context.ts'
import { type CarillonError, carillonError } from './error.ts'
import type { PublishJob } from './publish-job.ts'
import { publishNow } from './publish-now.ts'

/** Messages that are published together at most: what a server takes by default. */
const MAX_BATCH = 100

/** The JSON text of those, in characters. */
const MAX_BATCH_TEXT = 1024 * 1024

/**
 * The publishes of one topic, in their order. One request is under way at a time; what is published meanwhile goes together in the next
 * one. So the order holds whatever is tried again, and a burst takes few round trips.
 */
export class Lane {
  readonly #context: Context
  #waiting: PublishJob[] = []
  #isRunning = false
  #maxBatch = MAX_BATCH
  #failures = 0

  constructor(context: Context) {
    this.#context = context
  }

  add(job: PublishJob): void {
    this.#waiting.push(job)
    if (!this.#isRunning) void this.#run()
  }

  async #run(): Promise<void> {
    this.#isRunning = true
    for (let batch = this.#next(); batch.length > 0; batch = this.#next()) {
      const deadline = Math.max(...batch.map((job) => job.deadline))
      try {
        const connection = await this.#context.connector.ready(deadline)
        await publishNow(connection, pending(batch), deadline)
        this.#failures = 0
      } catch (error) {
        await this.#recover(pending(batch), carillonError(error), deadline)
      }
    }
    this.#isRunning = false
    this.#maxBatch = MAX_BATCH
  }

  /** From the front; what is settled, because its time is over, is left out. */
  #next(): readonly PublishJob[] {
    this.#waiting = pending(this.#waiting)
    let size = 0
    return this.#waiting.slice(0, this.#maxBatch).filter((job, index) => {
      size += job.size
      return index === 0 || size <= MAX_BATCH_TEXT
    })
  }

  /** Tries all of them again, or each alone, because one of them made all be refused, or gives up the one that was. */
  async #recover(
    jobs: readonly PublishJob[],
    error: CarillonError,
    deadline: number,
  ): Promise<void> {
    // Without an answer each waits as long as it likes, and says then what it was.
    const isAnswer = error.code !== 'NOT_CONNECTED' && error.code !== 'ACK_TIMEOUT'
    if (isAnswer) for (const job of jobs) job.failure = error
    // So many at once may be more than ever passes.
    if (error.code === 'RATE_LIMIT_EXCEEDED') this.#maxBatch = Math.ceil(jobs.length / 2) || 1
    try {
      await this.#context.recover(error, this.#failures++, deadline)
    } catch {
      this.#failures = 0
      if (jobs.length > 1 && isAnswer && !error.retryable) this.#maxBatch = 1
      else for (const job of jobs) job.reject(this.#context.connector.end ?? job.failure)
    }
  }
}

function pending(jobs: readonly PublishJob[]): PublishJob[] {
  return jobs.filter((job) => !job.isSettled)
}

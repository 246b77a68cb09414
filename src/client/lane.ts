import type { Context } from './context.ts'
import { type CarillonError, carillonError } from './error.ts'
import { type PublishJob, pending } from './publish-job.ts'
import { publishNow } from './publish-now.ts'
import { recover } from './recover.ts'

/** Messages that are published together at most: what a server takes by default. */
const MAX_BATCH = 100

/** The JSON text of those, in characters. */
const MAX_BATCH_TEXT = 1024 * 1024

/**
 * The publishes of one topic, in their order. One request is under way at a time; what is published meanwhile goes together in the next
 * one. So the order holds whatever is tried again, and a burst takes few round trips.
 */
export type Lane = (job: PublishJob) => void

export function openLane(context: Context): Lane {
  let waiting: PublishJob[] = []
  let isRunning = false
  let maxBatch = MAX_BATCH
  let failures = 0

  async function run(): Promise<void> {
    isRunning = true
    for (let batch = next(); batch.length > 0; batch = next()) {
      const deadline = Math.max(...batch.map((job) => job.deadline))
      try {
        await publishNow(context.connector, batch, deadline)
        failures = 0
      } catch (error) {
        await retry(pending(batch), carillonError(error), deadline)
      }
    }
    isRunning = false
    maxBatch = MAX_BATCH
  }

  /** From the front; what is settled, because its time is over, is left out. */
  function next(): readonly PublishJob[] {
    waiting = pending(waiting)
    let size = 0
    return waiting.slice(0, maxBatch).filter((job, index) => {
      size += job.size
      return index === 0 || size <= MAX_BATCH_TEXT
    })
  }

  /** Tries all of them again, or each alone, because one of them made all be refused, or gives up the one that was. */
  async function retry(jobs: readonly PublishJob[], error: CarillonError, deadline: number) {
    // Without an answer each waits as long as it likes, and says then what it was.
    const isAnswer = error.code !== 'NOT_CONNECTED' && error.code !== 'ACK_TIMEOUT'
    if (isAnswer) for (const job of jobs) job.failure = error
    // So many at once may be more than ever passes.
    if (error.code === 'RATE_LIMIT_EXCEEDED') maxBatch = Math.ceil(jobs.length / 2) || 1
    try {
      await recover(context, error, { failures: failures++, deadline })
    } catch {
      failures = 0
      if (jobs.length > 1 && isAnswer && !error.retryable) maxBatch = 1
      else for (const job of jobs) job.reject(context.connector.end ?? job.failure)
    }
  }

  return (job) => {
    waiting.push(job)
    if (!isRunning) void run()
  }
}

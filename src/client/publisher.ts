import type { Context } from './context.ts'
import { CarillonError } from './error.ts'
import { Lane } from './lane.ts'
import type { Message } from './message.ts'
import { PublishJob } from './publish-job.ts'
import { publishNow } from './publish-now.ts'
import type { PublishOptions } from './publish-options.ts'

/** Publishes: what is durable in the order of its topic and until it is answered, what is ephemeral at once or not at all. */
export class Publisher {
  readonly #context: Context
  readonly #lanes = new Map<string, Lane>()
  #queued = 0

  constructor(context: Context) {
    this.#context = context
  }

  /**
   * Resolves with the stored message.
   * @throws CarillonError INVALID_PAYLOAD where it is no JSON, NOT_CONNECTED, NETWORK_ERROR, ACK_TIMEOUT, or what the server answers
   */
  async publish(topic: string, payload: unknown, options: PublishOptions): Promise<Message> {
    const { timeout, maxQueuedPublishes } = this.#context
    if (this.#queued >= maxQueuedPublishes) {
      throw new CarillonError('NOT_CONNECTED', undefined, { limit: 'maxQueuedPublishes' })
    }
    const job = new PublishJob({ topic, payload }, options, timeout)
    this.#queued++
    if (options.ephemeral === true) this.#fanOut(job)
    else this.#laneOf(topic).add(job)
    return job.settled.finally(() => {
      if (--this.#queued === 0) this.#lanes.clear()
    })
  }

  /** Waits for the first connection only: what was to be seen at once is of no use later. */
  #fanOut(job: PublishJob): void {
    const { connector } = this.#context
    if (connector.connection === undefined && connector.wasConnected) job.reject(job.failure)
    else {
      connector
        .ready(job.deadline)
        .then((ready) => publishNow(ready, [job], job.deadline))
        .catch((error) => job.reject(error))
    }
  }

  #laneOf(topic: string): Lane {
    const lane = this.#lanes.get(topic) ?? new Lane(this.#context)
    this.#lanes.set(topic, lane)
    return lane
  }
}

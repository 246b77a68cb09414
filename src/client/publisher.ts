import type { Caller } from './caller.ts'
import type { Connector } from './connector.ts'
import { CarillonError } from './error.ts'
import { Lane } from './lane.ts'
import type { Message } from './message.ts'
import { PublishJob } from './publish-job.ts'
import { publishNow } from './publish-now.ts'
import type { PublishOptions } from './publish-options.ts'
import type { Limits } from './timing.ts'

export interface PublisherBounds {
  /** How long a publish may take in all, in milliseconds. */
  readonly timeoutMs: number
  /** Publishes that may wait, in all topics. */
  readonly maxQueued: number
}

/** Publishes: what is durable in the order of its topic and until it is answered, what is ephemeral at once or not at all. */
export class Publisher {
  readonly #connector: Connector
  readonly #caller: Caller
  readonly #bounds: PublisherBounds
  readonly #lanes = new Map<string, Lane>()
  #queued = 0
  #clientId: string | undefined

  constructor(connector: Connector, caller: Caller, bounds: PublisherBounds) {
    this.#connector = connector
    this.#caller = caller
    this.#bounds = bounds
  }

  /** Under which the server knows this client, as its answers say; undefined before the first one. */
  get clientId(): string | undefined {
    return this.#clientId
  }

  /**
   * Resolves with the stored message.
   * @throws CarillonError INVALID_PAYLOAD where it is no JSON, NOT_CONNECTED, NETWORK_ERROR, ACK_TIMEOUT, or what the server answers
   */
  async publish(topic: string, payload: unknown, options: PublishOptions): Promise<Message> {
    const job = new PublishJob(topic, payload, {
      ...options,
      timeout: options.timeout ?? this.#bounds.timeoutMs,
    })
    const message = await (options.ephemeral === true ? this.#fanOut(job) : this.#enqueue(job))
    this.#clientId = message.clientId ?? this.#clientId
    return message
  }

  #fanOut(job: PublishJob): Promise<Message> {
    const limits: Limits = { deadline: job.deadline }
    if (this.#connector.connection === undefined && this.#connector.wasConnected) {
      return Promise.reject(new CarillonError('NOT_CONNECTED'))
    }
    return this.#connector.ready(limits).then(async (connection) => {
      const [message] = await publishNow(connection, [job], limits)
      return message as Message // one for each
    })
  }

  #enqueue(job: PublishJob): Promise<Message> {
    const { maxQueued } = this.#bounds
    if (this.#queued >= maxQueued) {
      const isOffline = this.#connector.connection === undefined
      throw new CarillonError(
        isOffline ? 'NOT_CONNECTED' : 'RATE_LIMIT_EXCEEDED',
        `${maxQueued} publishes wait already.`,
        { limit: 'maxQueuedPublishes', retryable: true },
      )
    }
    this.#queued++
    const lane = this.#lanes.get(job.topic) ?? new Lane(this.#connector, this.#caller)
    this.#lanes.set(job.topic, lane)
    lane.add(job)
    return job.settled.finally(() => {
      this.#queued--
      if (lane.isEmpty && this.#lanes.get(job.topic) === lane) this.#lanes.delete(job.topic)
    })
  }
}

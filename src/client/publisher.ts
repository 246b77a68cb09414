import type { Connector } from './connector.ts'
import type { Context } from './context.ts'
import { CarillonError } from './error.ts'
import { type Lane, openLane } from './lane.ts'
import type { Message } from './message.ts'
import { PublishJob } from './publish-job.ts'
import { publishNow } from './publish-now.ts'
import { keyed, type PublishOptions } from './publish-options.ts'

/**
 * Publishes: what is durable in the order of its topic and until it is answered, what is ephemeral at once or not at all. Resolves with
 * the stored message.
 * @throws CarillonError INVALID_PAYLOAD where it is no JSON, NOT_CONNECTED, NETWORK_ERROR, ACK_TIMEOUT, or what the server answers
 */
export type Publish = (topic: string, payload: unknown, options: PublishOptions) => Promise<Message>

export function publisher(context: Context): Publish {
  const lanes = new Map<string, Lane>()
  let queued = 0
  return async (topic, payload, options) => {
    if (queued >= context.maxQueuedPublishes) {
      throw new CarillonError('NOT_CONNECTED', undefined, { limit: 'maxQueuedPublishes' })
    }
    const { timeout = context.timeout, ...input } = keyed(options)
    const job = new PublishJob({ topic, payload, ...input }, timeout)
    queued++
    if (options.ephemeral) fanOut(context.connector, job)
    else {
      const lane = lanes.get(topic) ?? openLane(context)
      lanes.set(topic, lane)
      lane(job)
    }
    return job.answer.finally(() => {
      if (--queued === 0) lanes.clear()
    })
  }
}

/** Waits for the first connection only: what was to be seen at once is of no use later. */
function fanOut(connector: Readonly<Connector>, job: PublishJob): void {
  if (!connector.connection && connector.wasConnected) job.reject(job.failure)
  else publishNow(connector, [job], job.deadline).catch((error) => job.reject(error))
}

import type { Call } from './call.ts'
import { DOCUMENTS } from './documents.ts'

/** How far a durable consumer has come in a topic. */
export interface Consumer {
  readonly name: string
  readonly topic: string
  /** The highest sequence that it has acknowledged. */
  readonly ackedSequence: number
  readonly cursor: string | null
  /** Messages behind that one which are still kept. */
  readonly lag: number
  /** ISO 8601, in UTC. */
  readonly updatedAt: string
}

/** What an acknowledgement names: a message, with which all before it count as handled. */
export interface Acked {
  readonly sequence: number
  readonly cursor: string
}

/**
 * The acknowledgements of one consumer in one topic. Those that come while one is under way become one: the furthest.
 * @throws CarillonError CURSOR_EXPIRED where the numbering has started again, PERMISSION_DENIED, …
 */
export type Acknowledge = (acked: Acked) => Promise<Consumer | undefined>

export function acknowledger(call: Call, topic: string, consumer: string): Acknowledge {
  let waiting: Acked | undefined
  let answer = Promise.resolve() as Promise<Consumer | undefined>
  const send = async () => {
    const input = { topic, consumer, cursor: waiting?.cursor }
    waiting = undefined
    const { ack } = await call<{ readonly ack: { readonly consumer: Consumer } }>(DOCUMENTS.ack, {
      input,
    })
    return ack.consumer
  }
  return (acked) => {
    if (!waiting) answer = answer.then(send, send) // who asked for the one before is told of its failure
    if (acked.sequence > (waiting?.sequence ?? 0)) waiting = acked
    return answer
  }
}

import type { Caller } from './caller.ts'
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

interface WaitingAck {
  acked: Acked
  readonly answer: Promise<Consumer>
}

/** The acknowledgements of one consumer in one topic. Those that come while one is under way become one: the furthest. */
export class Acks {
  readonly #send: (cursor: string) => Promise<Consumer>
  #waiting: WaitingAck | undefined
  #last: Promise<unknown> = Promise.resolve()

  constructor(caller: Caller, topic: string, consumer: string) {
    this.#send = async (cursor) => {
      const variables = { input: { topic, consumer, cursor } }
      const { ack } = await caller.call<{ readonly ack: { readonly consumer: Consumer } }>(
        DOCUMENTS.ack,
        variables,
      )
      return ack.consumer
    }
  }

  /** @throws CarillonError CURSOR_EXPIRED where the numbering has started again, PERMISSION_DENIED, … */
  ack(acked: Acked): Promise<Consumer> {
    const waiting = this.#waiting ?? this.#enqueue(acked)
    if (acked.sequence > waiting.acked.sequence) waiting.acked = acked
    return waiting.answer
  }

  #enqueue(acked: Acked): WaitingAck {
    const answer = this.#last.then((): Promise<Consumer> => {
      this.#waiting = undefined
      return this.#send(waiting.acked.cursor)
    })
    const waiting: WaitingAck = { acked, answer }
    this.#waiting = waiting
    this.#last = answer.catch(() => {}) // who acknowledges is told
    return waiting
  }
}

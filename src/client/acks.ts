import type { Caller } from './caller.ts'
import { type Deferred, defer } from './deferred.ts'
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

interface WaitingAck extends Acked {
  readonly answers: readonly Deferred<Consumer>[]
}

/** The acknowledgements of one consumer in one topic. While one is under way, those that come become one. */
export class Acks {
  readonly #caller: Caller
  readonly #topic: string
  readonly #consumer: string
  #waiting: WaitingAck[] = []
  #isRunning = false

  constructor(caller: Caller, topic: string, consumer: string) {
    this.#caller = caller
    this.#topic = topic
    this.#consumer = consumer
  }

  /** @throws CarillonError CURSOR_EXPIRED where the numbering has started again, PERMISSION_DENIED, … */
  ack({ sequence, cursor }: Acked): Promise<Consumer> {
    const answer = defer<Consumer>()
    const last = this.#waiting.at(-1)
    // A lower one may be of a later numbering, and is no part of the higher one then.
    const isMore = last !== undefined && last.sequence <= sequence
    if (isMore) this.#waiting.pop()
    this.#waiting.push({
      sequence,
      cursor,
      answers: [...(isMore ? last.answers : []), answer],
    })
    if (!this.#isRunning) void this.#run()
    return answer.promise
  }

  async #run(): Promise<void> {
    this.#isRunning = true
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      const { answers, cursor } = next
      try {
        const consumer = await this.#send(cursor)
        for (const { resolve } of answers) resolve(consumer)
      } catch (error) {
        for (const { reject } of answers) reject(error)
      }
    }
    this.#isRunning = false
  }

  async #send(cursor: string): Promise<Consumer> {
    const input = { topic: this.#topic, consumer: this.#consumer, cursor }
    const { ack } = await this.#caller.call<{ readonly ack: { readonly consumer: Consumer } }>(
      DOCUMENTS.ack,
      { input },
    )
    return ack.consumer
  }
}

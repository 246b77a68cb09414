import { defer } from './deferred.ts'
import { CarillonError } from './error.ts'
import type { Message } from './message.ts'
import { after, deadlineIn } from './timing.ts'

/** The longest JSON text of one publish, in characters of at most three bytes: a frame that a server does not take would end the connection. */
const MAX_TEXT = 2.5e6

/** One message on its way to the server. What is published is what it was when this was made, whatever becomes of the object. */
export class PublishJob {
  /** A `PublishInput` of GraphQL. */
  readonly input: unknown
  /** The length of its JSON text, in characters. */
  readonly size: number
  /** By `performance.now()`. */
  readonly deadline: number
  /** What it fails with if its time is over now. */
  failure = new CarillonError('NOT_CONNECTED')
  isSettled = false
  readonly #answer = defer<Message>()
  /** The stored message, once the server has answered. */
  readonly answer = this.#answer.promise
  readonly #cancelTimeout: () => void

  /** @throws CarillonError INVALID_PAYLOAD, PAYLOAD_TOO_LARGE */
  constructor(input: Record<string, unknown>, timeoutMs: number) {
    const text = encode(input)
    this.input = JSON.parse(text)
    this.size = text.length
    this.deadline = deadlineIn(timeoutMs)
    this.#cancelTimeout = after(timeoutMs, () => this.reject(this.failure))
  }

  resolve(message: Message): void {
    this.#answer.resolve(message)
    this.#end()
  }

  reject(error: CarillonError): void {
    this.#answer.reject(error)
    this.#end()
  }

  #end(): void {
    this.isSettled = true
    this.#cancelTimeout()
  }
}

/** Those of which nobody knows yet what becomes of them. */
export function pending(jobs: readonly PublishJob[]): PublishJob[] {
  return jobs.filter((job) => !job.isSettled)
}

function encode(input: Record<string, unknown>): string {
  let text: string | undefined
  let cause: unknown
  try {
    if (input.payload !== undefined) text = JSON.stringify(input)
  } catch (thrown) {
    cause = thrown
  }
  if (!text) throw new CarillonError('INVALID_PAYLOAD', 'The payload is not JSON.', { cause })
  if (text.length > MAX_TEXT) throw new CarillonError('PAYLOAD_TOO_LARGE')
  return text
}

import { defer } from './deferred.ts'
import { CarillonError } from './error.ts'
import type { Message } from './message.ts'
import type { PublishOptions } from './publish-options.ts'
import { after, deadlineIn } from './timing.ts'
import { uniqueId } from './unique-id.ts'

/** The longest JSON text of one publish, in characters: a frame that a server does not take would end the connection. */
const MAX_TEXT = 4 * 1024 * 1024

/** One message on its way to the server. What is published is what it was when this was made, whatever becomes of the object. */
export class PublishJob {
  readonly topic: string
  /** A `PublishInput` of GraphQL. */
  readonly input: Record<string, unknown>
  /** The length of its JSON text, in characters. */
  readonly size: number
  /** By `performance.now()`. */
  readonly deadline: number
  #isSettled = false
  /** Whether it has been sent, so that it may have been stored. */
  #wasSent = false
  /** Of the last try, until the next one is under way. */
  #failure: CarillonError | undefined
  readonly #outcome = defer<Message>()
  readonly #cancel: () => void

  /** @throws CarillonError INVALID_PAYLOAD, PAYLOAD_TOO_LARGE */
  constructor(
    topic: string,
    payload: unknown,
    { timeout = Number.POSITIVE_INFINITY, ...options }: PublishOptions,
  ) {
    const key = options.ephemeral === true ? undefined : uniqueId()
    const text = encode({
      topic,
      payload,
      ...options,
      idempotencyKey: options.idempotencyKey ?? key,
    })
    this.topic = topic
    this.input = JSON.parse(text) as Record<string, unknown>
    this.size = text.length
    this.deadline = deadlineIn(timeout)
    this.#cancel = after(timeout, () => this.expire())
    this.settled.catch(() => {}) // whoever awaits it is told
  }

  /** The stored message, once the server has answered. */
  get settled(): Promise<Message> {
    return this.#outcome.promise
  }

  get isSettled(): boolean {
    return this.#isSettled
  }

  resolve(message: Message): void {
    this.#settle()
    this.#outcome.resolve(message)
  }

  reject(error: CarillonError): void {
    this.#settle()
    this.#outcome.reject(error)
  }

  /** A try is under way. */
  send(): void {
    this.#wasSent = true
    this.#failure = undefined
  }

  /** The try has failed, and another one follows if there is time. */
  fail(error: CarillonError): void {
    this.#failure = error
  }

  /** There is no time for another try. */
  expire(): void {
    const fallback = new CarillonError(this.#wasSent ? 'ACK_TIMEOUT' : 'NOT_CONNECTED')
    this.reject(this.#failure ?? fallback)
  }

  #settle(): void {
    this.#isSettled = true
    this.#cancel()
  }
}

function encode(input: Record<string, unknown>): string {
  const text = stringify(input)
  if (input.payload === undefined)
    throw new CarillonError('INVALID_PAYLOAD', 'There is no payload.')
  if (text.length > MAX_TEXT) {
    throw new CarillonError('PAYLOAD_TOO_LARGE', 'The message is too large to be sent.')
  }
  return text
}

function stringify(input: Record<string, unknown>): string {
  try {
    return JSON.stringify(input)
  } catch (cause) {
    throw new CarillonError('INVALID_PAYLOAD', 'The payload is not a JSON value.', { cause })
  }
}

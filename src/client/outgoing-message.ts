import { type CarillonError, carillonError } from './error.ts'
import { Listeners, type ReportFault } from './listeners.ts'
import type { Message } from './message.ts'
import { keyed, type PublishOptions } from './publish-options.ts'
import type { Publish } from './publisher.ts'

export type OutgoingStatus = 'pending' | 'sent' | 'failed'

export interface OutgoingContext {
  readonly publish: Publish
  readonly report: ReportFault
}

/**
 * A message that is shown before the server has it. The subscription delivers it, too, unless it has `echo: false`: it is the one with
 * the same `idempotencyKey`.
 */
export type OutgoingMessage<T> = Readonly<Outgoing<T>>

export class Outgoing<T> {
  readonly topic: string
  /** As it was given, not a copy: `retry()` publishes what it is then, so leave it as it is. */
  readonly payload: T
  /** Null for an ephemeral message. */
  readonly idempotencyKey: string | null
  /** By the clock of this machine. */
  readonly createdAt: Date = new Date()
  status: OutgoingStatus = 'pending'
  /** As it is stored, once it is sent. */
  message: Message<T> | undefined
  /** Why it failed, while it has. */
  error: CarillonError | undefined
  /** Resolves with this, once it is sent or has failed; never rejects. */
  settled: Promise<this>
  readonly #context: OutgoingContext
  readonly #options: PublishOptions
  readonly #onChange: Listeners<[OutgoingMessage<T>]>

  constructor(
    { topic, payload, options }: { topic: string; payload: T; options: PublishOptions },
    context: OutgoingContext,
  ) {
    this.topic = topic
    this.payload = payload
    this.#context = context
    this.#options = keyed(options)
    this.idempotencyKey = this.#options.idempotencyKey ?? null
    this.#onChange = new Listeners(context.report)
    this.settled = this.#try()
  }

  /** Tries again what has failed, with the same key: it is published once, also where the first try was stored. Else nothing. */
  retry(): void {
    if (this.status !== 'failed') return
    this.status = 'pending'
    this.error = undefined
    this.settled = this.#try()
    this.#onChange.tell(this)
  }

  /** Told each time the status has changed. Answers how to be told no more. */
  onChange(listener: (message: OutgoingMessage<T>) => void): () => void {
    return this.#onChange.add(listener)
  }

  async #try(): Promise<this> {
    try {
      const published = this.#context.publish(this.topic, this.payload, this.#options)
      this.message = (await published) as Message<T> // as the caller says
      this.status = 'sent'
    } catch (error) {
      this.error = carillonError(error)
      this.status = 'failed'
    }
    this.#onChange.tell(this)
    return this
  }
}

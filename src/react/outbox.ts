import type { CarillonClient } from '../client/client.ts'
import type { CarillonError } from '../client/error.ts'
import type { Message } from '../client/message.ts'
import type { OutgoingMessage } from '../client/outgoing-message.ts'
import type { PublishOptions } from '../client/publish-options.ts'

/** A message that is shown before the server has it: it is on its way, or has failed. */
export interface Outgoing<T = unknown> {
  /** Its own, for lists of React: the idempotency key, where it has one. */
  readonly key: string
  readonly payload: T
  readonly type: string
  readonly metadata: unknown
  readonly status: 'pending' | 'failed'
  /** Why it has failed, while it has. */
  readonly error: CarillonError | undefined
  /** By the clock of this machine. */
  readonly createdAt: Date
  /** Tries again what has failed: it is published once, also where the first try was stored. */
  readonly retry: () => void
  /** Shows it no more. What is on its way stays so. */
  readonly dismiss: () => void
}

export interface OutboxListener {
  /** `outgoing` is another array. */
  changed(): void
  /** One was stored, and is in `outgoing` no more. Comes before `changed`. */
  sent(message: Message): void
}

const outboxes = new WeakMap<CarillonClient, Map<string, Outbox>>()

/** What a client is sending to one topic, for all components that show it. */
export class Outbox {
  readonly #client: CarillonClient
  readonly #topic: string
  readonly #sending = new Map<OutgoingMessage<unknown>, Outgoing>()
  readonly #listeners = new Set<OutboxListener>()
  #outgoing: readonly Outgoing[] = []
  #keys = 0

  /** The same one for the same client and topic, as long as it is of use. */
  static of(client: CarillonClient, topic: string): Outbox {
    const ofClient = outboxes.get(client) ?? new Map<string, Outbox>()
    outboxes.set(client, ofClient)
    const outbox = ofClient.get(topic) ?? new Outbox(client, topic)
    return outbox
  }

  private constructor(client: CarillonClient, topic: string) {
    this.#client = client
    this.#topic = topic
  }

  /** What is on its way or has failed, oldest first; another array after each change. */
  get outgoing(): readonly Outgoing[] {
    return this.#outgoing
  }

  send(payload: unknown, options: PublishOptions = {}): OutgoingMessage<unknown> {
    const message = this.#client.topic(this.#topic).send(payload, options)
    const key = message.idempotencyKey ?? `ephemeral-${++this.#keys}`
    const { type = 'message', metadata = null } = options
    this.#keep(true)
    this.#show(message, { key, type, metadata })
    message.onChange(() => this.#settle(message))
    this.#changed()
    return message
  }

  /** A message came by a subscription: where it is one of these, it need not be shown twice. */
  deliver(idempotencyKey: string | null): void {
    if (idempotencyKey === null) return
    for (const [message, { key }] of this.#sending) {
      if (key === idempotencyKey) this.#drop(message)
    }
  }

  /** Answers how to be told no more. */
  listen(listener: OutboxListener): () => void {
    this.#keep(true)
    this.#listeners.add(listener)
    return () => {
      this.#listeners.delete(listener)
      this.#keep(false)
    }
  }

  #settle(message: OutgoingMessage<unknown>): void {
    const shown = this.#sending.get(message)
    const { message: stored } = message
    if (stored !== undefined) for (const listener of [...this.#listeners]) listener.sent(stored)
    if (shown === undefined) return
    if (message.status === 'sent') this.#drop(message)
    else {
      this.#show(message, shown)
      this.#changed()
    }
  }

  #show(
    message: OutgoingMessage<unknown>,
    { key, type, metadata }: Pick<Outgoing, 'key' | 'type' | 'metadata'>,
  ): void {
    const { payload, status, error, createdAt } = message
    this.#sending.set(message, {
      key,
      payload,
      type,
      metadata,
      status: status === 'failed' ? 'failed' : 'pending',
      error,
      createdAt,
      retry: () => message.retry(),
      dismiss: () => this.#drop(message),
    })
  }

  #drop(message: OutgoingMessage<unknown>): void {
    if (this.#sending.delete(message)) this.#changed()
    this.#keep(false)
  }

  #changed(): void {
    this.#outgoing = [...this.#sending.values()]
    for (const listener of [...this.#listeners]) listener.changed()
  }

  #keep(isNeeded: boolean): void {
    const ofClient = outboxes.get(this.#client)
    if (isNeeded) ofClient?.set(this.#topic, this)
    else if (this.#sending.size + this.#listeners.size === 0) ofClient?.delete(this.#topic)
  }
}

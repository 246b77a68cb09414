import { type Acknowledge, acknowledger, type Consumer } from './acks.ts'
import type { Call } from './call.ts'
import type { Context } from './context.ts'
import { CarillonError } from './error.ts'
import type { Join } from './feeds.ts'
import { type HistoryOptions, type Page, type ReplayOptions, readPage, replay } from './history.ts'
import { Inbox } from './inbox.ts'
import type { Message } from './message.ts'
import { MessageStream } from './message-stream.ts'
import { Outgoing, type OutgoingMessage } from './outgoing-message.ts'
import {
  Presence,
  type PresenceEntry,
  type PresenceOptions,
  type PresenceView,
} from './presence.ts'
import type { PublishOptions } from './publish-options.ts'
import type { Publish } from './publisher.ts'
import type { MessageHandler, SubscribeOptions, Subscription } from './subscribe-options.ts'

/** What all topics of a client share. */
export interface TopicContext extends Context {
  readonly call: Call
  readonly publish: Publish
  readonly join: Join
}

/** Options of a loop over messages. */
export interface MessagesOptions extends Omit<SubscribeOptions, 'onError'> {
  /** Ends the loop, without an error. */
  readonly signal?: AbortSignal | undefined
}

export interface AckOptions {
  /** The name of the durable consumer. Default: that of the last subscription of this topic object that named one. */
  readonly consumer?: string | undefined
}

/** One topic, as a client sees it. Cheap to make, and holds nothing by itself. `T` is what its payloads are, says the caller. */
export class Topic<T = unknown> {
  readonly name: string
  readonly #context: TopicContext
  readonly #acks = new Map<string, Acknowledge>()
  #consumer: string | undefined

  constructor(name: string, context: TopicContext) {
    this.name = name
    this.#context = context
  }

  /**
   * Publishes a message. Resolves with the message as it is stored. Publishes of one topic keep their order; each is tried until it is
   * answered or its time is over, and published once.
   * @throws CarillonError NOT_CONNECTED where there was no connection in time, NETWORK_ERROR and ACK_TIMEOUT where it was sent
   * and not answered, so that it may be stored, or what the server answers
   */
  publish(payload: T, options: PublishOptions = {}): Promise<Message<T>> {
    return this.#context.publish(this.name, payload, options) as Promise<Message<T>>
  }

  /** Publishes a message that can be shown at once: its `status` says what has become of it. */
  send(payload: T, options: PublishOptions = {}): OutgoingMessage<T> {
    return new Outgoing({ topic: this.name, payload, options }, this.#context)
  }

  /** Tells a handler of each message, once and in order, through every lost connection. */
  subscribe(handler: MessageHandler<T>, options: SubscribeOptions = {}): Subscription {
    const { limit = 1, consumer = this.#consumer } = options
    if (!Number.isInteger(limit) || limit < 1) throw new CarillonError('INVALID_LIMIT')
    this.#consumer = consumer
    const request = { ...options, topic: this.name }
    const inbox = new Inbox(handler as MessageHandler<unknown>, request, this.#context)
    const unsubscribe = () => inbox.end()
    return { unsubscribe, ended: inbox.ended, [Symbol.dispose]: unsubscribe }
  }

  /**
   * The messages as a loop, which takes one after the other as fast as it likes. It ends with `break`, with `signal`, and with
   * `close()` of the client. What ends the subscription by itself is thrown.
   */
  messages({ signal, ...options }: MessagesOptions = {}): AsyncIterableIterator<Message<T>> {
    const stream = new MessageStream<T>(() => unsubscribe())
    const { unsubscribe, ended } = this.subscribe((message) => stream.offer(message), {
      ...options,
      onError: (error) => stream.end(error),
    })
    signal?.addEventListener('abort', unsubscribe)
    void ended.then(() => {
      signal?.removeEventListener('abort', unsubscribe)
      stream.end()
    })
    if (signal?.aborted) unsubscribe()
    return stream
  }

  /** A page of history, always oldest first. An empty topic has an empty page. */
  history(options: HistoryOptions = {}): Promise<Page<T>> {
    return readPage(this.#context.call, this.name, options)
  }

  /** Everything from a message on, or from the beginning, up to the present: a loop that ends by itself. */
  replay(options: ReplayOptions = {}): AsyncGenerator<Message<T>, void> {
    return replay(this.#context.call, this.name, options)
  }

  /**
   * Acknowledges a message, and with it all before: a subscription with the same `consumer` begins behind it. Resolves with where the
   * consumer stands; with undefined for an ephemeral message, which has no place.
   * @throws CarillonError INVALID_INPUT where no consumer is named, CURSOR_EXPIRED, PERMISSION_DENIED, …
   */
  async ack(
    { sequence, cursor }: Pick<Message, 'sequence' | 'cursor'>,
    { consumer = this.#consumer }: AckOptions = {},
  ): Promise<Consumer | undefined> {
    if (!consumer) {
      throw new CarillonError('INVALID_INPUT', 'There is no consumer.')
    }
    if (!sequence || !cursor) return undefined
    const ack = this.#acks.get(consumer) ?? acknowledger(this.#context.call, this.name, consumer)
    this.#acks.set(consumer, ack)
    return ack({ sequence, cursor })
  }

  /** Is present in the topic, and sees who else is. @param state any JSON value of at most 4 KiB */
  enter<State = unknown>(state?: State, options?: PresenceOptions): PresenceEntry<State> {
    return new Presence(this.name, { state }, this.#context, options)
  }

  /** Sees who is present, without being so. */
  watch<State = unknown>(options?: PresenceOptions): PresenceView<State> {
    return new Presence<State>(this.name, undefined, this.#context, options)
  }
}

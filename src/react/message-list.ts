import type { CarillonClient } from '../client/client.ts'
import { type CarillonError, carillonError } from '../client/error.ts'
import { merged, withItem } from '../client/in-order.ts'
import type { Message } from '../client/message.ts'
import type { Filters, Subscription } from '../client/subscribe-options.ts'
import type { Gap } from '../protocol/errors.ts'
import { Outbox, type Outgoing } from './outbox.ts'
import { Pace } from './pace.ts'
import { Store } from './store.ts'

export interface ListOptions extends Filters {
  /** With how many of the newest messages it begins, 0 to 1000; `loadEarlier` reads as many more. Default 50. */
  readonly history?: number | undefined
  /**
   * How many messages it holds at least. When more come live, the oldest are let go; `loadEarlier` gets them back, and what it
   * has got is held besides. Default 1000.
   */
  readonly keep?: number | undefined
}

export interface ListListeners {
  readonly onMessage?: ((message: Message) => void) | undefined
  readonly onGap?: ((gap: Gap) => void) | undefined
}

export interface MessageListState<T = unknown> {
  /** History and what came live: in order, once. Another array after each change. Ephemeral messages have no place in it. */
  readonly messages: readonly Message<T>[]
  /** What this client is sending here by `usePublish`: to show behind the messages. */
  readonly outgoing: readonly Outgoing<T>[]
  /** `loading` until the newest messages are there; `failed` where the subscription has ended by itself, for `error`. */
  readonly status: 'loading' | 'ready' | 'failed'
  /** Why it has failed, or why earlier messages could not be loaded. */
  readonly error: CarillonError | undefined
  /** Whether there may be earlier messages. */
  readonly hasEarlier: boolean
  readonly isLoadingEarlier: boolean
}

const EMPTY: MessageListState = Object.freeze({
  messages: Object.freeze([]) as readonly Message[],
  outgoing: Object.freeze([]) as readonly Outgoing[],
  status: 'loading',
  error: undefined,
  hasEarlier: false,
  isLoadingEarlier: false,
})

const DEFAULT_HISTORY = 50
const DEFAULT_KEEP = 1_000

const sequenceOf = ({ sequence }: Message) => sequence ?? 0

/** The messages of one topic as a component shows them. */
export class MessageList extends Store<MessageListState> {
  readonly #client: CarillonClient
  readonly #topic: string
  readonly #filters: Filters
  readonly #history: number
  readonly #listeners: () => ListListeners
  readonly #pace = new Pace(() => this.#show())
  #messages: Message[] = []
  /** Of the last that has come by the subscription. */
  #cursor: string | null = null
  #keep: number
  #status: MessageListState['status'] = 'loading'
  #error: CarillonError | undefined
  #hasEarlier = false
  #loading: Promise<void> | undefined
  /** Counts numberings: what was read of an earlier one is of no use. */
  #epoch = 0
  #outbox: Outbox | undefined
  #subscription: Subscription | undefined
  #leaveOutbox = () => {}

  /** @param listeners asked for each time, because components bring new ones each time */
  constructor(
    client: CarillonClient,
    topic: string,
    { listeners, ...options }: ListOptions & { readonly listeners: () => ListListeners },
  ) {
    super(EMPTY)
    const { history = DEFAULT_HISTORY, keep = DEFAULT_KEEP, types, from, echo } = options
    this.#client = client
    this.#topic = topic
    this.#filters = { types, from, echo }
    this.#history = history
    this.#keep = Math.max(keep, history)
    this.#listeners = listeners
  }

  /** Resolves when they are there, or `error` says why not. Once at a time. */
  readonly loadEarlier = (): Promise<void> => {
    this.#loading ??= this.#load().finally(() => {
      this.#loading = undefined
      this.#pace.now()
    })
    this.#pace.now()
    return this.#loading
  }

  protected start(): void {
    this.#outbox = Outbox.of(this.#client, this.#topic)
    this.#leaveOutbox = this.#outbox.listen({
      changed: () => this.#pace.now(),
      sent: (message) => this.#insert(message),
    })
    try {
      this.#subscription = this.#subscribe()
    } catch (error) {
      this.#fail(carillonError(error)) // names come from addresses and users: a wrong one is no fault of the component
    }
  }

  protected stop(): void {
    this.#subscription?.unsubscribe()
    this.#leaveOutbox()
    this.#pace.stop()
  }

  #subscribe(): Subscription {
    return this.#client.topic(this.#topic).subscribe((one) => this.#take(one), {
      ...this.#filters,
      ...this.#begin(),
      onCaughtUp: () => this.#catchUp(),
      onGap: (gap) => this.#pass(gap),
      onError: (error) => this.#fail(error),
    })
  }

  /** Behind what it has; else with the newest messages. */
  #begin() {
    const after = this.#cursor
    if (after !== null) return { after }
    return this.#history > 0 ? { last: this.#history } : {}
  }

  #take(message: Message): void {
    this.#cursor = message.cursor ?? this.#cursor
    this.#insert(message)
    this.#outbox?.deliver(message.idempotencyKey)
    this.#listeners().onMessage?.(message)
  }

  /** Its own may come as the answer to a publish, before those in front of it. */
  #insert(message: Message): void {
    if (message.sequence === null || !this.#isWanted(message)) return
    const last = this.#messages.at(-1)
    if (last === undefined || sequenceOf(last) < message.sequence) this.#messages.push(message)
    else this.#messages = [...withItem(this.#messages, message, sequenceOf)]
    const excess = this.#messages.length - this.#keep
    // What is read in front of them ends at the first one.
    if (excess > 0 && this.#loading === undefined) {
      this.#messages.splice(0, excess)
      this.#hasEarlier = true
    }
    if (this.#status !== 'loading') this.#pace.request()
  }

  /** What comes by a subscription is wanted; answers to publishes and pages of history need not be. */
  #isWanted({ type, from, clientId }: Message): boolean {
    const { types, from: users, echo } = this.#filters
    const isOwn = clientId !== null && clientId === this.#client.clientId
    if (echo === false && isOwn) return false
    return (types?.includes(type) ?? true) && (users?.includes(from) ?? true)
  }

  #catchUp(): void {
    if (this.#status === 'loading') {
      const { types, from, echo } = this.#filters
      const isFiltered = types !== undefined || from !== undefined || echo === false
      const isAll = this.#messages.length < this.#history && !isFiltered
      this.#hasEarlier = !isAll && this.#messages[0]?.sequence !== 1
    }
    this.#status = 'ready'
    this.#error = undefined
    this.#pace.now()
  }

  #pass(gap: Gap): void {
    if (gap.reason === 'EPOCH_CHANGED') {
      this.#epoch++
      this.#messages = []
      this.#cursor = null
      this.#hasEarlier = false
      this.#pace.request()
    }
    this.#listeners().onGap?.(gap)
  }

  #fail(error: CarillonError): void {
    this.#status = 'failed'
    this.#error = error
    this.#pace.now()
  }

  async #load(): Promise<void> {
    const { types, from } = this.#filters
    const epoch = this.#epoch
    const before = this.#messages[0]
    const last = this.#history > 0 ? this.#history : DEFAULT_HISTORY
    try {
      const page = await this.#client.topic(this.#topic).history({ last, before, types, from })
      if (epoch !== this.#epoch) return
      const wanted = page.messages.filter((message) => this.#isWanted(message))
      this.#messages = [...merged(wanted, this.#messages, sequenceOf)]
      this.#keep = Math.max(this.#keep, this.#messages.length)
      this.#hasEarlier = page.hasMore
      this.#error = undefined
    } catch (error) {
      this.#error = carillonError(error)
    }
  }

  #show(): void {
    this.set({
      messages: [...this.#messages],
      outgoing: this.#outbox?.outgoing ?? [],
      status: this.#status,
      error: this.#error,
      hasEarlier: this.#hasEarlier,
      isLoadingEarlier: this.#loading !== undefined,
    })
  }
}

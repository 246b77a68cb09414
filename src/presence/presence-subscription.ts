import type { TopicName } from '../core/topic-name.ts'
import type { Straggler } from '../hub/catch-up.ts'
import type { Delivery } from '../hub/delivery.ts'
import { CLOSING_BRACE, type Outbox, type Sender } from '../hub/outbox.ts'
import type { Body } from '../hub/rendering.ts'
import type { PresenceEvent, PresenceWatcher } from './presence-event.ts'

/** How events are shown. Watchers that show them in the same way share one of these. */
export interface PresenceRendering {
  /** Does not throw, nor reject: what goes wrong is part of the body. */
  render(event: PresenceEvent): Body | Promise<Body>
}

/** Where the events of a subscription go, and how they look. */
export interface PresenceTarget {
  readonly outbox: Outbox
  /** What a `next` message has in front of its result. */
  readonly prefix: Buffer
  readonly rendering: PresenceRendering
}

export interface PresenceSubscriptionOptions {
  /** Everyone who is in a topic that it watches. */
  readonly sync: (topic: TopicName) => PresenceEvent
  /** @param hasFailed whether it was ended with an error, and not by who watches */
  readonly onClose: (hasFailed: boolean) => void
}

/** Events that wait for a subscriber that takes them one by one; of more, it gets a SYNC instead. */
const MAX_WAITING = 100

/**
 * Who is in some topics. A subscriber that is slow is not told of every change: once it keeps up, it gets a SYNC.
 */
export class PresenceSubscription
  implements AsyncIterableIterator<PresenceEvent>, AsyncDisposable, PresenceWatcher
{
  readonly #options: PresenceSubscriptionOptions
  /** Topics in which it has missed something: a SYNC is due. */
  readonly #behind = new Set<TopicName>()
  #waiting: PresenceEvent[] = []
  #wake: (() => void) | undefined
  #feed: Feed | undefined
  #isClosed = false
  #unlisten: (() => void) | undefined
  readonly #onClosed: (() => void)[] = []
  #failure: { readonly error: unknown } | undefined
  #delivery: Delivery<PresenceEvent> | undefined

  constructor(options: PresenceSubscriptionOptions) {
    this.#options = options
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  tell(events: readonly PresenceEvent[]): void {
    const topic = events[0]?.topic
    if (topic === undefined || this.#isClosed || this.#behind.has(topic)) return
    const hasRoom =
      this.#feed === undefined ? this.#waiting.length < MAX_WAITING : this.#feed.hasRoom
    if (!hasRoom) this.#fallBehind(topic)
    else if (this.#feed === undefined) this.#waiting.push(...events)
    else for (const event of events) this.#feed.push(event)
    this.#wakeUp()
  }

  /** From here on events are pushed, and `next()` tells of the end only. */
  feed(target: PresenceTarget): void {
    if (this.#isClosed) return
    const waiting = this.#waiting
    this.#waiting = []
    this.#feed = new Feed(target)
    for (const event of waiting) this.#feed.push(event)
    this.#catchUp()
  }

  async next(): Promise<IteratorResult<PresenceEvent, undefined>> {
    for (;;) {
      if (this.#isClosed) {
        this.#throwFailure()
        return { done: true, value: undefined }
      }
      const taken = this.#feed === undefined ? this.#take() : undefined
      if (taken !== undefined) {
        const event = await this.#through(taken)
        if (event === undefined || this.isClosed) continue
        return { done: false, value: event }
      }
      await new Promise<void>((resolve) => {
        const others = this.#wake
        this.#wake = () => {
          others?.()
          resolve()
        }
      })
    }
  }

  /** Ends the subscription, also while a `next()` is pending. Idempotent. */
  async return(): Promise<IteratorResult<PresenceEvent, undefined>> {
    this.close()
    return { done: true, value: undefined }
  }

  /** Ends the subscription when the signal does. */
  closeOn(signal: AbortSignal): void {
    const close = () => this.close()
    this.#unlisten = () => signal.removeEventListener('abort', close)
    signal.addEventListener('abort', close)
    if (signal.aborted) close()
  }

  /** Calls back once it has ended. */
  onClosed(callback: () => void): void {
    if (this.#isClosed) callback()
    else this.#onClosed.push(callback)
  }

  /** What stands between the topics and the subscriber; who feeds has to go through it by itself. */
  get delivery(): Delivery<PresenceEvent> | undefined {
    return this.#delivery
  }

  /** Before the first `next()`. */
  deliverBy(delivery: Delivery<PresenceEvent>): void {
    this.#delivery = delivery
  }

  /** Ends the subscription; whoever takes its events is told. */
  fail(error: unknown): void {
    if (this.#isClosed) return
    this.#failure = { error }
    this.close()
  }

  /** Idempotent. */
  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#unlisten?.()
    this.#feed?.close()
    this.#waiting = []
    this.#wakeUp()
    for (const callback of this.#onClosed.splice(0)) callback()
    this.#options.onClose(this.#failure !== undefined)
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close()
  }

  async #through(event: PresenceEvent): Promise<PresenceEvent | undefined> {
    return this.#delivery === undefined ? event : this.#delivery.through(event)
  }

  /** Once. */
  #throwFailure(): void {
    const failure = this.#failure
    this.#failure = undefined
    if (failure !== undefined) throw failure.error
  }

  /** What waits of the topic is part of the SYNC. */
  #fallBehind(topic: TopicName): void {
    this.#behind.add(topic)
    this.#waiting = this.#waiting.filter((event) => event.topic !== topic)
    this.#catchUp()
  }

  #catchUp(): void {
    const feed = this.#feed
    if (feed === undefined || this.#behind.size === 0) return
    feed.catchUp({
      advance: async () => {
        const event = this.#isClosed ? undefined : this.#takeSync()
        if (event !== undefined) feed.push(event)
        return !this.#isClosed && this.#behind.size > 0
      },
    })
  }

  #take(): PresenceEvent | undefined {
    return this.#waiting.shift() ?? this.#takeSync()
  }

  #takeSync(): PresenceEvent | undefined {
    const [topic] = this.#behind
    if (topic === undefined) return undefined
    this.#behind.delete(topic)
    return this.#options.sync(topic)
  }

  #wakeUp(): void {
    const wake = this.#wake
    this.#wake = undefined
    wake?.()
  }
}

/** Pushes events into the outbox of a socket. */
class Feed implements Sender {
  readonly #target: PresenceTarget
  #isClosed = false
  /** While a rendering takes its time. */
  #last: Promise<void> | undefined

  constructor(target: PresenceTarget) {
    this.#target = target
  }

  get prefix(): Buffer {
    return this.#target.prefix
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  /** Not while a rendering takes its time: what comes meanwhile would wait without a bound. */
  get hasRoom(): boolean {
    return this.#last === undefined && this.#target.outbox.hasRoom
  }

  push(event: PresenceEvent): void {
    const body = this.#target.rendering.render(event)
    if (this.#last === undefined && !(body instanceof Promise)) {
      this.#send(body)
      return
    }
    const last = this.#pushAfter(this.#last, body).finally(() => {
      if (this.#last === last) this.#last = undefined
    })
    this.#last = last
  }

  catchUp(straggler: Straggler): void {
    const { catchUp } = this.#target.outbox
    if (this.#last === undefined) catchUp.add(straggler)
    else void this.#last.then(() => catchUp.add(straggler))
  }

  close(): void {
    this.#isClosed = true
  }

  async #pushAfter(last: Promise<void> | undefined, body: Body | Promise<Body>): Promise<void> {
    await last
    this.#send(await body)
  }

  #send(body: Body): void {
    const isHeldBack = body.length === 0
    if (!this.#isClosed && !isHeldBack) this.#target.outbox.push(this, body, CLOSING_BRACE)
  }
}

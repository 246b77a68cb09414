import type { Caller } from './caller.ts'
import { defer } from './deferred.ts'
import { CarillonError, carillonError } from './error.ts'
import type { TopicEvent } from './event.ts'
import type { ReportFault } from './listeners.ts'
import { Place } from './place.ts'
import { repair } from './repair.ts'
import type { MessageHandler, SubscribeOptions } from './subscribe-options.ts'
import { Throttle } from './throttle.ts'

export interface InboxParts {
  readonly topic: string
  readonly caller: Caller
  /** Messages that may wait for the handler; what is over it is read from history, when the handler comes to it. */
  readonly maxWaiting: number
  readonly ownClientId: () => string | undefined
  readonly report: ReportFault
}

/** Messages that were not held, in their place among those that were. */
interface Hole {
  readonly kind: 'hole'
}

const HOLE: Hole = { kind: 'hole' }

/**
 * What one handler is still to be told, in order and one after the other. Its memory is bounded: a handler that is slower than
 * the topic gets what does not fit in from history, at its own speed.
 */
export class Inbox {
  readonly #handler: MessageHandler<unknown>
  readonly #options: SubscribeOptions
  readonly #parts: InboxParts
  readonly #throttle: Throttle<TopicEvent> | undefined
  readonly #closing = new AbortController()
  readonly #closed = defer<void>()
  #place = new Place()
  #waiting: (TopicEvent | Hole)[] = []
  /** Of those that wait, the messages. */
  #messages = 0
  #isBusy = false
  /** Joined others while they were catching up, which is none of its business. */
  #awaitsPresent = false

  constructor(handler: MessageHandler<unknown>, options: SubscribeOptions, parts: InboxParts) {
    this.#handler = handler
    this.#options = options
    this.#parts = parts
    const { limit } = options
    if (limit !== undefined) this.#throttle = new Throttle(limit, (event) => this.#accept(event))
  }

  /** Messages a second; undefined for all. */
  get limit(): number | undefined {
    return this.#options.limit
  }

  /** Begins at the present of others who are there already; where they stand, if that is the present. */
  join(cursor: string | undefined): void {
    this.#awaitsPresent = cursor === undefined
    if (cursor === undefined) return
    void this.#drain(Promise.resolve()) // nobody is told before who subscribes has got the subscription
    this.#wait({ kind: 'caughtUp', cursor })
  }

  /** @param wireLimit what the server leaves through already, in messages a second */
  push(event: TopicEvent, wireLimit: number | undefined): void {
    if (this.#closing.signal.aborted) return
    if (this.#awaitsPresent) {
      if (event.kind !== 'caughtUp') return
      this.#awaitsPresent = false
    }
    const throttle = this.#throttle
    if (event.kind !== 'message') throttle?.flush()
    const isLimited = wireLimit === this.limit && throttle?.isHolding !== true
    if (throttle === undefined || event.kind !== 'message' || isLimited) this.#accept(event)
    else throttle.offer(event)
  }

  /** Resolves when it is closed. */
  get closed(): Promise<void> {
    return this.#closed.promise
  }

  close(): void {
    this.#closing.abort()
    this.#throttle?.close()
    this.#waiting = []
    this.#closed.resolve()
  }

  #accept(event: TopicEvent): void {
    if (this.#isBusy) this.#wait(event)
    else {
      const work = this.#handle(event)
      if (work !== undefined) void this.#drain(work)
    }
  }

  #wait(event: TopicEvent): void {
    this.#waiting.push(event)
    if (event.kind !== 'message') return
    this.#messages++
    if (this.#messages > this.#parts.maxWaiting) this.#leaveOutOldest()
  }

  /** What may be left out, because of a limit or without a place in the log, is gone; else a hole stays in its place. */
  #leaveOutOldest(): void {
    const index = this.#waiting.findIndex(({ kind }) => kind === 'message')
    const event = this.#waiting[index]
    const isNeeded =
      this.#throttle === undefined && event?.kind === 'message' && event.message.sequence !== null
    const isBehindHole = this.#waiting[index - 1] === HOLE
    this.#waiting.splice(index, 1, ...(isNeeded && !isBehindHole ? [HOLE] : []))
    this.#messages--
  }

  async #drain(work: PromiseLike<unknown>): Promise<void> {
    this.#isBusy = true
    await this.#settle(work)
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      if (next.kind === 'message') this.#messages--
      if (next.kind === 'hole') await this.#settle(this.#repair())
      else await this.#settle(this.#handle(next))
    }
    this.#isBusy = false
  }

  async #settle(work: PromiseLike<unknown> | undefined): Promise<void> {
    try {
      await work
    } catch (error) {
      if (!this.#closing.signal.aborted) this.#parts.report(error)
    }
  }

  async #repair(): Promise<void> {
    const { topic, caller, ownClientId } = this.#parts
    const { signal } = this.#closing
    const request = {
      topic,
      filters: this.#options,
      place: this.#place,
      until: () => this.#nextSequence,
      ownClientId,
      signal,
    }
    for await (const event of repair(caller, request)) await this.#settle(this.#handle(event))
  }

  /** Of the message that it holds next, in the numbering of its place. */
  get #nextSequence(): number | undefined {
    const next = this.#waiting.find(({ kind }) => kind !== 'caughtUp')
    return next?.kind === 'message' ? (next.message.sequence ?? undefined) : undefined
  }

  /** Answers what to wait for, if the application wants that. */
  #handle(event: TopicEvent): PromiseLike<unknown> | undefined {
    if (this.#closing.signal.aborted) return undefined
    try {
      const work = this.#tell(event)
      return isPromiseLike(work) ? work : undefined
    } catch (error) {
      this.#parts.report(error)
      return undefined
    }
  }

  #tell(event: TopicEvent): unknown {
    const { onGap, onCaughtUp, snapshot: onSnapshot } = this.#options
    switch (event.kind) {
      case 'message':
        return this.#place.take(event.message) ? this.#handler(event.message) : undefined
      case 'caughtUp':
        this.#place.reach(event.cursor)
        return onCaughtUp?.()
      case 'gap': {
        const gap = this.#place.pass(event.gap)
        if (gap === undefined) return undefined
        if (onGap !== undefined) return onGap(gap)
        throw new CarillonError('CURSOR_EXPIRED', gapText(gap.fromSequence, gap.toSequence), {
          gap,
        })
      }
      case 'snapshot':
        this.#place.reach(event.snapshot.cursor, event.snapshot.sequence)
        return onSnapshot?.(event.snapshot)
      default:
        return event satisfies never
    }
  }

  /** The subscription has ended by itself. */
  fail(error: unknown): void {
    this.close()
    const told = carillonError(error)
    try {
      if (this.#options.onError === undefined) this.#parts.report(told)
      else this.#options.onError(told)
    } catch (fault) {
      this.#parts.report(fault)
    }
  }
}

function gapText(from: number, to: number): string {
  return `The messages ${from} to ${to} can no longer be delivered.`
}

function isPromiseLike(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value
}

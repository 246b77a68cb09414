import { defer } from './deferred.ts'
import { CarillonError } from './error.ts'
import { type MessageEvent, passThrough, type TopicEvent } from './event.ts'
import type { Join } from './feeds.ts'
import type { ReportFault } from './listeners.ts'
import { Place } from './place.ts'
import type { MessageHandler, SubscribeOptions } from './subscribe-options.ts'
import { Throttle } from './throttle.ts'

export interface InboxOptions extends SubscribeOptions {
  readonly topic: string
}

export interface InboxContext {
  readonly maxWaitingMessages: number
  readonly report: ReportFault
  readonly join: Join
}

/**
 * What one handler is still to be told, in order and one after the other. Its memory is bounded: a handler that is slower than the topic
 * leaves it when too much waits, and comes back behind the last message that it has handled, to read from the log what it missed.
 */
export class Inbox {
  /** Messages a second; undefined for all. */
  readonly limit: number | undefined
  /** Resolves when it has ended. */
  readonly ended: Promise<void>
  readonly #handler: MessageHandler<unknown>
  readonly #options: InboxOptions
  readonly #context: InboxContext
  readonly #throttle: Throttle<TopicEvent> | undefined
  readonly #ended = defer<void>()
  readonly #place = new Place()
  #waiting: TopicEvent[] = []
  #isBusy = false
  #isFull = false
  #isEnded = false
  #hasCaughtUp = false
  /** Joined others while they were catching up, which is none of its business. */
  #awaitsPresent = false
  #leave = () => {}

  constructor(handler: MessageHandler<unknown>, options: InboxOptions, context: InboxContext) {
    const { limit } = options
    this.limit = limit
    this.ended = this.#ended.promise
    this.#handler = handler
    this.#options = options
    this.#context = context
    if (limit) this.#throttle = new Throttle(limit, (event) => this.#accept(event))
    this.#leave = context.join(this, options)
  }

  /** Begins at the present of others who are there already; where they stand, if that is the present. */
  join(cursor: string | undefined): void {
    this.#awaitsPresent = !cursor
    if (!cursor) return
    // Nobody is told before who subscribes has got the subscription.
    this.#isBusy = true
    this.#waiting.push({ __typename: 'CaughtUpEvent', cursor })
    queueMicrotask(() => this.#drain())
  }

  /** @param wireLimit what the server lets through already, in messages a second */
  push(event: TopicEvent, wireLimit?: number | null): void {
    if (this.#isEnded || (this.#awaitsPresent && event.__typename !== 'CaughtUpEvent')) return
    this.#awaitsPresent = false
    const throttle = this.#throttle
    if (throttle && isMessage(event) && (wireLimit !== this.limit || throttle.isHolding)) {
      throttle.offer(event)
    } else {
      throttle?.flush()
      this.#accept(event)
    }
  }

  /** There is no more; because of an error, which is told. */
  end(error?: CarillonError): void {
    if (this.#isEnded) return
    const { onError = this.#context.report } = this.#options
    this.#isEnded = true
    this.#throttle?.close()
    this.#waiting = []
    this.#leave()
    this.#ended.resolve()
    if (error) onError(error)
  }

  #accept(event: TopicEvent): void {
    if (this.#isEnded) return
    const isOver = this.#waiting.length >= this.#context.maxWaitingMessages
    if (isOver && isMessage(event) && !this.#makeRoom(event)) return
    this.#waiting.push(event)
    if (!this.#isBusy) void this.#drain()
  }

  /** What is limited may leave messages out, and leaves out the oldest. Ephemeral ones have no place to come back to. */
  #makeRoom({ message }: MessageEvent): boolean {
    if (this.#throttle) {
      this.#waiting.splice(this.#waiting.findIndex(isMessage), 1)
      return true
    }
    if (message.sequence !== null) {
      this.#isFull = true
      this.#leave()
    }
    return false
  }

  async #drain(): Promise<void> {
    this.#isBusy = true
    for (let event = this.#waiting.shift(); event; event = this.#waiting.shift()) {
      try {
        const told = passThrough(this.#place, event)
        const work = told && this.#tell(told)
        if (work) await work // only then: else a burst would have to wait for itself
      } catch (error) {
        this.#context.report(error)
      }
    }
    this.#isBusy = false
    if (this.#isFull && !this.#isEnded) {
      this.#isFull = false
      const { cursor: after } = this.#place
      const behind = { ...this.#options, after, last: undefined, consumer: undefined }
      this.#leave = this.#context.join(this, behind)
    }
  }

  #tell(event: TopicEvent): unknown {
    const { onGap = reject, onCaughtUp, snapshot } = this.#options
    switch (event.__typename) {
      case 'MessageEvent':
        return this.#handler(Object.freeze(event.message))
      case 'GapEvent': {
        const { __typename, ...gap } = event
        return onGap(gap)
      }
      case 'SnapshotEvent':
        return snapshot?.(event.snapshot)
      case 'CaughtUpEvent': {
        const isFirst = !this.#hasCaughtUp
        this.#hasCaughtUp = true
        return isFirst && onCaughtUp?.()
      }
      default:
        return event satisfies never
    }
  }
}

/** What is missing is told to somebody, always. */
const reject: NonNullable<SubscribeOptions['onGap']> = (gap) => {
  throw new CarillonError('CURSOR_EXPIRED', 'Messages are missing.', { gap })
}

function isMessage(event: TopicEvent): event is MessageEvent {
  return event.__typename === 'MessageEvent'
}

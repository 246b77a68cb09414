import type { AnyMessage } from '../core/message.ts'
import type { Position } from '../core/sequence.ts'
import type { TopicName } from '../core/topic-name.ts'
import { FedPlace } from './fed-place.ts'
import type { Filter } from './filter.ts'
import type { LiveTopic } from './live-topic.ts'
import { CLOSING_BRACE, type Outbox, type Sender } from './outbox.ts'

import type { Body, Rendering } from './rendering.ts'
import { Throttle } from './throttle.ts'
import type { ControlEvent } from './topic-event.ts'
import type { TopicReader } from './topic-reader.ts'

/** Where the messages of a subscription go, and how they look. */
export interface FeedTarget {
  readonly outbox: Outbox
  /** What a `next` message has in front of its result. */
  readonly prefix: Buffer
  readonly rendering: Rendering
}

export interface FeedOptions {
  readonly filter: Filter
  readonly maxPerSecond: number | undefined
  /** Told what ends the subscription. */
  readonly onFailure: (error: unknown) => void
}

/** Pushes the messages of one subscription into the outbox of its socket. */
export class Feed implements Sender {
  readonly filter: Filter
  readonly #target: FeedTarget
  readonly #onFailure: (error: unknown) => void
  readonly #places: FedPlace[] = []
  readonly #throttle: Throttle<Throttled> | undefined
  /** Left out since the last message that was sent, but for what the throttle counts. */
  #newlyDropped = 0
  #dropped = 0
  #delivered = 0
  #isClosed = false
  /** What was sent before a failure goes out before the error: it says that all of that has come. */
  #hasFailed = false

  constructor(target: FeedTarget, { filter, maxPerSecond, onFailure }: FeedOptions) {
    this.filter = filter
    this.#target = target
    this.#onFailure = onFailure
    if (maxPerSecond !== undefined) {
      this.#throttle = new Throttle<Throttled>({
        maxPerSecond,
        deliver: ({ body, isResumed }, dropped) => this.#push(body, dropped, isResumed),
        bytesOf: ({ body }) => body.length,
        isKept: ({ isEvent }) => isEvent,
      })
    }
  }

  get prefix(): Buffer {
    return this.#target.prefix
  }

  get rendering(): Rendering {
    return this.#target.rendering
  }

  /** A message for a place that reads by itself. */
  render(message: AnyMessage, replayed: boolean): Body | Promise<Body> {
    const { rendering } = this.#target
    const { renderEvent } = rendering
    if (renderEvent === undefined) {
      return renderOnce(rendering, message, () => rendering.render(message))
    }
    const show = () => renderEvent({ kind: 'message', message, replayed })
    return replayed ? renderOnce(rendering, message, show) : show()
  }

  renderEvent(event: ControlEvent): Body | Promise<Body> {
    const { renderEvent } = this.#target.rendering
    if (renderEvent === undefined) throw new Error('This rendering shows messages only.')
    return renderEvent(event)
  }

  /** All that was left out. */
  get dropped(): number {
    return this.#dropped
  }

  /** Results that were sent. */
  get delivered(): number {
    return this.#delivered
  }

  /** Whether some wait for their time. */
  get isHolding(): boolean {
    return this.#throttle?.isHolding === true
  }

  /** Where it stands in each of its topics: all up to there was sent, or is not wanted. */
  *positions(): Generator<[TopicName, Position]> {
    for (const place of this.#places) yield [place.topic, place.position]
  }

  get isClosed(): boolean {
    return this.#isClosed && !this.#hasFailed
  }

  get hasRoom(): boolean {
    return this.#target.outbox.hasRoom
  }

  get wantsMore(): boolean {
    return this.#target.outbox.wantsMore
  }

  /** Feeds from one more topic, from where the reader stands. */
  add(topic: LiveTopic, reader: TopicReader): void {
    const place = new FedPlace(this, topic, reader)
    this.#places.push(place)
    place.start()
  }

  /** @param isResumed whether the subscriber may have got it on the connection before this one */
  send(body: Body, isResumed = false): void {
    if (this.#isClosed || body.length === 0) return
    if (this.#throttle === undefined) this.#push(body, 0, isResumed)
    else this.#throttle.offer({ body, isEvent: false, isResumed })
  }

  /** What is told besides messages: never left out. */
  sendEvent(body: Body): void {
    if (this.#isClosed || body.length === 0) return
    if (this.#throttle === undefined) this.#push(body, 0, false)
    else this.#throttle.offer({ body, isEvent: true, isResumed: false })
  }

  /** Ephemeral messages found no room, or came while the subscriber was behind. */
  countDropped(count: number): void {
    this.#newlyDropped += count
    this.#dropped += count
  }

  catchUp(place: FedPlace): void {
    if (!this.#isClosed) this.#target.outbox.catchUp.add(place)
  }

  fail(error: unknown): void {
    if (this.#isClosed) return
    this.#throttle?.flush()
    this.#hasFailed = true
    this.#onFailure(error)
  }

  /** Nothing is sent after this, also nothing that waits already. Idempotent. */
  close(): void {
    this.#isClosed = true
    this.#throttle?.close()
    for (const place of this.#places) place.close()
    this.#places.length = 0
  }

  #push(body: Body, dropped: number, isResumed: boolean): void {
    this.#delivered++
    const count = dropped + this.#newlyDropped
    this.#newlyDropped = 0
    this.#dropped += dropped
    const { outbox } = this.#target
    if (count === 0 && !isResumed) outbox.push(this, body, CLOSING_BRACE)
    else outbox.push(this, body.subarray(0, -1), suffixOf(count, isResumed))
  }
}

/** Messages that many read who are behind come as the same objects: they are rendered once while they are there. */
const bodies = new WeakMap<Rendering, WeakMap<AnyMessage, Body | Promise<Body>>>()

function renderOnce(
  rendering: Rendering,
  message: AnyMessage,
  render: () => Body | Promise<Body>,
): Body | Promise<Body> {
  const known = bodies.get(rendering) ?? new WeakMap<AnyMessage, Body | Promise<Body>>()
  bodies.set(rendering, known)
  const body = known.get(message) ?? render()
  known.set(message, body)
  return body
}

interface Throttled {
  readonly body: Body
  readonly isEvent: boolean
  readonly isResumed: boolean
}

/** What a result ends with that says more than its data. */
function suffixOf(dropped: number, isResumed: boolean): Buffer {
  const carillon = { ...(dropped > 0 ? { dropped } : {}), ...(isResumed ? { resumed: true } : {}) }
  return Buffer.from(`,"extensions":{"carillon":${JSON.stringify(carillon)}}}}`)
}

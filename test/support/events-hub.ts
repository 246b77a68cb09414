import { setImmediate } from 'node:timers/promises'
import { BACKEND } from '../../src/access/viewer.ts'
import { MemoryBus } from '../../src/bus/memory-bus.ts'
import type { AnyMessage, Message } from '../../src/core/message.ts'
import type { TopicName, TopicPattern } from '../../src/core/topic-name.ts'
import { Hub, type HubBounds } from '../../src/hub/hub.ts'
import type { Body, Rendering } from '../../src/hub/rendering.ts'
import { START_LIVE, type Start } from '../../src/hub/start.ts'
import type { Subscription } from '../../src/hub/subscription.ts'
import type { TopicEvent } from '../../src/hub/topic-event.ts'
import type { Log } from '../../src/log/log.ts'
import { FakeSink } from './fake-sink.ts'
import { textsOf } from './frames.ts'
import { draft } from './messages.ts'

export interface EventsHubOptions {
  readonly log: Log
  readonly topic: TopicName
  /** By default nothing waits for the comparison with the log. */
  readonly bounds?: Partial<HubBounds>
}

/** A hub whose bus carries what the test puts on it, and nothing else. */
export function openEventsHub({ log, topic, bounds }: EventsHubOptions) {
  const bus = new MemoryBus((error) => {
    throw error
  })
  const faults: unknown[] = []
  const hub = new Hub({
    log,
    bus,
    onFault: (fault) => faults.push(fault),
    bounds: { checkIntervalMs: 600_000, ...bounds },
  })
  return {
    hub,
    bus,
    topic,
    faults,
    async commit(count = 1): Promise<Message[]> {
      const appended = await log.append(Array.from({ length: count }, () => draft(topic)))
      return appended.map(({ message }) => message)
    },
    events(patterns: readonly TopicPattern[] = [topic], start: Partial<Start> = {}) {
      return hub.subscribeToEvents(patterns, {
        filter: { reader: BACKEND, echo: true },
        start: { ...START_LIVE, ...start, onGap: 'tell' },
      })
    },
    [Symbol.asyncDispose]: () => hub.close(),
  }
}

export interface FeedOptions {
  /** Messages take their time to be rendered. */
  readonly later?: boolean
  /** What is shown of an event. Default: where it stands. */
  readonly show?: (event: TopicEvent) => string
}

/** Pushes events to a socket, and what that has got so far. */
export function feed(
  subscription: Subscription<TopicEvent>,
  hub: Hub,
  { later = false, show = placeOf }: FeedOptions = {},
) {
  const sink = new FakeSink()
  sink.isFast = true
  const outbox = hub.outboxes.open(sink, { onStalled() {}, onFlooded() {}, onDrained() {} })
  const renderEvent = (event: TopicEvent): Body | Promise<Body> => {
    const body = Buffer.from(`{"data":${JSON.stringify(show(event))}}`)
    return later && event.kind === 'message' ? setImmediate(body) : body
  }
  const rendering: Rendering = {
    renderEvent,
    render: (message: AnyMessage) => renderEvent({ kind: 'message', message, replayed: false }),
  }
  subscription.feed({ outbox, rendering, prefix: Buffer.from('{"payload":') })
  const seen = async () =>
    (await textsOf(sink.bytes)).map((text): string => JSON.parse(text).payload.data)
  return { sink, seen }
}

/** Epoch and sequence of a message, or what else it is. */
export function placeOf(event: TopicEvent): string {
  return event.kind === 'message' ? `${event.message.epoch} ${event.message.sequence}` : event.kind
}

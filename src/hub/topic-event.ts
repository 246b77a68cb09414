import type { Cursor } from '../core/cursor.ts'
import type { AnyMessage } from '../core/message.ts'
import type { Snapshot } from '../core/snapshot.ts'
import type { TopicName } from '../core/topic-name.ts'
import type { Gap } from '../protocol/errors.ts'

/** A message, as it is told to who subscribes to events. */
export interface MessageEvent {
  readonly kind: 'message'
  readonly message: AnyMessage
  /** True where it came out of the log because the subscriber was behind. */
  readonly replayed: boolean
}

/** All that was kept has been delivered; what follows is live. Once a topic. */
export interface CaughtUpEvent {
  readonly kind: 'caughtUp'
  readonly topic: TopicName
  readonly cursor: Cursor
}

/** Messages that can no longer be delivered to this subscriber. */
export interface GapEvent extends Gap {
  readonly kind: 'gap'
  readonly topic: TopicName
}

/** The state to start from, instead of the messages up to its sequence. */
export interface SnapshotEvent {
  readonly kind: 'snapshot'
  readonly snapshot: Snapshot
}

/** What is told besides messages. */
export type ControlEvent = CaughtUpEvent | GapEvent | SnapshotEvent

/** What subscribers of events get: look at `kind` to tell which it is. */
export type TopicEvent = MessageEvent | ControlEvent

/** How a subscription hands out what happens in its topics. */
export interface Telling<Item> {
  message(message: AnyMessage, replayed: boolean): Item
  /** Undefined where only messages are told. */
  readonly event: ((event: ControlEvent) => Item) | undefined
}

export const TELL_MESSAGES: Telling<AnyMessage> = {
  message: (message) => message,
  event: undefined,
}

export const TELL_EVENTS: Telling<TopicEvent> = {
  message: (message, replayed) => ({ kind: 'message', message, replayed }),
  event: (event) => event,
}

import type { Gap } from '../protocol/errors.ts'
import type { Message, Snapshot } from './message.ts'
import type { Place } from './place.ts'

export interface MessageEvent {
  readonly __typename: 'MessageEvent'
  readonly message: Message
}

export interface CaughtUpEvent {
  readonly __typename: 'CaughtUpEvent'
  readonly cursor: string
}

export interface GapEvent extends Gap {
  readonly __typename: 'GapEvent'
}

export interface SnapshotEvent {
  readonly __typename: 'SnapshotEvent'
  readonly snapshot: Snapshot
}

/** What happens in a topic, in order, as the document of the client selects it. */
export type TopicEvent = MessageEvent | CaughtUpEvent | GapEvent | SnapshotEvent

/** Moves a place by an event; answers what of the event was not told before. */
export function passThrough(place: Place, event: TopicEvent): TopicEvent | undefined {
  switch (event.__typename) {
    case 'MessageEvent':
      return place.take(event.message) ? event : undefined
    case 'CaughtUpEvent':
      place.reach(event.cursor)
      return event
    case 'GapEvent':
      return place.pass(event)
    case 'SnapshotEvent':
      place.reach(event.snapshot.cursor, event.snapshot.sequence)
      return event
    default:
      event satisfies never
      return undefined // of a newer server
  }
}

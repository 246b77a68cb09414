import type { Gap } from '../protocol/errors.ts'
import type { Message, Snapshot } from './message.ts'

/** What happens in a topic, in order. */
export type TopicEvent =
  | { readonly kind: 'message'; readonly message: Message }
  | { readonly kind: 'caughtUp'; readonly cursor: string }
  | { readonly kind: 'gap'; readonly gap: Gap }
  | { readonly kind: 'snapshot'; readonly snapshot: Snapshot }

/** An event as the document of the client selects it. */
type WireEvent =
  | { readonly __typename: 'MessageEvent'; readonly message: Message }
  | { readonly __typename: 'CaughtUpEvent'; readonly cursor: string }
  | ({ readonly __typename: 'GapEvent' } & Gap)
  | { readonly __typename: 'SnapshotEvent'; readonly snapshot: Snapshot }

/** Undefined for a kind of event that a newer server may have. */
export function readEvent(data: Record<string, unknown>): TopicEvent | undefined {
  const event = data.events as WireEvent // as the document says
  switch (event.__typename) {
    case 'MessageEvent':
      return { kind: 'message', message: Object.freeze(event.message) }
    case 'CaughtUpEvent':
      return { kind: 'caughtUp', cursor: event.cursor }
    case 'GapEvent': {
      const { topic, fromSequence, toSequence, reason } = event
      return { kind: 'gap', gap: { topic, fromSequence, toSequence, reason } }
    }
    case 'SnapshotEvent':
      return { kind: 'snapshot', snapshot: Object.freeze(event.snapshot) }
    default:
      event satisfies never
      return undefined
  }
}

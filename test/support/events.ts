import type { EventsRequest, TopicEvent } from 'carillon'
import type { RawSocket } from './websocket.ts'

/** Takes the arguments of events, and shows everything that they say. */
export const EVENTS_QUERY = `
  subscription ($topics: [TopicPattern!]!, $after: [Cursor!], $last: Int, $consumer: ID,
    $types: [String!], $maxPerSecond: Int, $snapshot: Boolean) {
    events(topics: $topics, after: $after, last: $last, consumer: $consumer, types: $types,
      maxPerSecond: $maxPerSecond, snapshot: $snapshot) {
      __typename
      ... on MessageEvent { replayed message { topic sequence payload } }
      ... on CaughtUpEvent { topic cursor }
      ... on GapEvent { topic fromSequence toSequence reason }
      ... on SnapshotEvent { snapshot { topic sequence state } }
    }
  }`

export function subscribeToEvents(raw: RawSocket, request: EventsRequest, id = '1'): void {
  const variables = { ...request }
  raw.send({ id, type: 'subscribe', payload: { query: EVENTS_QUERY, variables } })
}

/** What GraphQL shows of an event, as far as EVENT_FIELDS has it. */
interface ShownEvent {
  readonly __typename: string
  readonly replayed: boolean
  readonly message: { readonly sequence: number | null; readonly payload: unknown }
  readonly fromSequence: number
  readonly toSequence: number
  readonly reason: string
  readonly snapshot: { readonly sequence: number; readonly state: unknown }
}

/** An event in a few words, such as `replayed 3`, `caught up` or `gap RETENTION 1-2`. */
export function inShort(event: TopicEvent): string {
  switch (event.kind) {
    case 'message':
      return `${event.replayed ? 'replayed' : 'live'} ${shown(event.message)}`
    case 'caughtUp':
      return 'caught up'
    case 'gap':
      return `gap ${event.reason} ${event.fromSequence}-${event.toSequence}`
    case 'snapshot':
      return `snapshot ${event.snapshot.sequence} ${JSON.stringify(event.snapshot.state)}`
    default:
      return event satisfies never
  }
}

function shown({ sequence, payload }: ShownEvent['message']): string {
  return String(sequence ?? payload)
}

/** The same of what GraphQL shows. */
export function shownInShort(event: ShownEvent): string {
  switch (event.__typename) {
    case 'MessageEvent':
      return `${event.replayed ? 'replayed' : 'live'} ${shown(event.message)}`
    case 'CaughtUpEvent':
      return 'caught up'
    case 'GapEvent':
      return `gap ${event.reason} ${event.fromSequence}-${event.toSequence}`
    default:
      return `snapshot ${event.snapshot.sequence} ${JSON.stringify(event.snapshot.state)}`
  }
}

/** The next so many events, in short. */
export async function takeInShort(
  events: AsyncIterator<TopicEvent>,
  count: number,
): Promise<string[]> {
  const seen: string[] = []
  while (seen.length < count) {
    const { value, done } = await events.next()
    if (done === true) break
    seen.push(inShort(value))
  }
  return seen
}

/** The next so many events of the only subscription of a socket, in short. */
export async function receiveInShort(raw: RawSocket, count: number): Promise<string[]> {
  const seen: string[] = []
  while (seen.length < count) {
    const { payload } = (await raw.receive()) as unknown as {
      readonly payload: { readonly data: { readonly events: ShownEvent } }
    }
    seen.push(shownInShort(payload.data.events))
  }
  return seen
}

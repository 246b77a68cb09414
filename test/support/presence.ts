import type { Client } from 'graphql-ws'
import { applyPresence, type Present } from '../../src/protocol/presence.ts'

export interface ToldMember {
  readonly userId: string
  readonly clientIds: readonly string[]
  readonly state: unknown
  readonly joinedAt?: string
}

export interface ToldEvent {
  readonly type: 'SYNC' | 'JOIN' | 'UPDATE' | 'LEAVE'
  readonly topic: string
  readonly members: readonly ToldMember[]
}

export const PRESENCE = `
  subscription Presence($topics: [TopicPattern!]!, $enter: PresenceInput) {
    presence(topics: $topics, enter: $enter) {
      type
      topic
      members { userId clientIds state joinedAt }
    }
  }`

/** A subscription to presence, and what it has been told. */
export interface PresenceWatch {
  readonly events: readonly ToldEvent[]
  /** The set that the events make, by topic. */
  present(topic: string): Present<ToldMember>
  /** Its users, with their states, in the order of their ids. */
  users(topic: string): readonly (readonly [userId: string, state: unknown])[]
  /** Each event in a line: `JOIN ann bob`. */
  lines(): readonly string[]
  readonly errors: readonly unknown[]
  readonly isComplete: boolean
  unsubscribe(): void
}

/** @param enter as what to be present; undefined for only watching */
export function watchPresence(
  client: Client,
  topics: string | readonly string[],
  enter?: { readonly state?: unknown },
): PresenceWatch {
  const events: ToldEvent[] = []
  const errors: unknown[] = []
  const sets = new Map<string, Present<ToldMember>>()
  let isComplete = false
  const unsubscribe = client.subscribe<{ presence: ToldEvent }>(
    { query: PRESENCE, variables: { topics, enter } },
    {
      next: ({ data, errors: failed }) => {
        if (failed !== undefined) errors.push(...failed)
        if (data == null) return
        const event = data.presence
        events.push(event)
        sets.set(event.topic, applyPresence(sets.get(event.topic) ?? new Map(), event))
      },
      error: (error) => void errors.push(error),
      complete: () => {
        isComplete = true
      },
    },
  )
  const present = (topic: string) => sets.get(topic) ?? new Map<string, ToldMember>()
  return {
    events,
    errors,
    present,
    users: (topic) =>
      [...present(topic).values()]
        .map(({ userId, state }) => [userId, state] as const)
        .sort(([a], [b]) => (a < b ? -1 : 1)),
    lines: () =>
      events.map(({ type, members }) =>
        [type, ...members.map(({ userId }) => userId).sort()].join(' '),
      ),
    get isComplete() {
      return isComplete
    },
    unsubscribe,
  }
}

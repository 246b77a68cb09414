import type { PresenceEvent } from '../presence/presence-event.ts'
import type { PresenceMember } from '../presence/session.ts'
import type { FieldText } from './plain-selection.ts'

/** What the fields of an event of presence look like in a result, but for its members, by their names in the schema. */
export const PRESENCE_EVENT_TEXTS: ReadonlyMap<string, FieldText<PresenceEvent>> = new Map([
  ['type', ({ type }: PresenceEvent) => JSON.stringify(type)],
  ['topic', ({ topic }: PresenceEvent) => JSON.stringify(topic)],
])

/** The same of a member. */
export const PRESENCE_MEMBER_TEXTS: ReadonlyMap<string, FieldText<PresenceMember>> = new Map<
  string,
  FieldText<PresenceMember>
>([
  ['userId', ({ userId }) => JSON.stringify(userId)],
  ['clientIds', ({ clientIds }) => JSON.stringify(clientIds)],
  ['state', ({ state }) => JSON.stringify(state)],
  ['joinedAt', ({ joinedAt }) => instantText(joinedAt)],
  ['lastSeenAt', ({ lastSeenAt }) => instantText(lastSeenAt)],
])

/** Sooner than `JSON.stringify`; what Redis gave back may be no instant at all. */
function instantText(instant: Date): string | undefined {
  return Number.isNaN(instant.getTime()) ? undefined : `"${instant.toISOString()}"`
}

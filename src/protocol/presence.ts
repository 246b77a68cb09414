/** What a presence event says. */
export const PRESENCE_EVENT_TYPES = ['SYNC', 'JOIN', 'UPDATE', 'LEAVE'] as const

export type PresenceEventType = (typeof PRESENCE_EVENT_TYPES)[number]

/** Who is present in one topic, by user id. */
export type Present<Member> = ReadonlyMap<string, Member>

/** What changes who is present in one topic. */
export interface PresenceChange<Member> {
  readonly type: PresenceEventType
  /** Everyone, for a SYNC; else those whom it is about. */
  readonly members: readonly Member[]
}

/**
 * Who is present after an event. Pure: servers and clients that apply the same events to the same set have the
 * same set. What is told of users that are there already, or no longer, does no harm.
 */
export function applyPresence<Member extends { readonly userId: string }>(
  present: Present<Member>,
  { type, members }: PresenceChange<Member>,
): Present<Member> {
  const next = new Map(type === 'SYNC' ? [] : present)
  for (const member of members) {
    if (type === 'LEAVE') next.delete(member.userId)
    else next.set(member.userId, member)
  }
  return next
}

import type { JsonText, JsonValue } from '../core/json.ts'

/** Where a client is present: one operation of it, over all of its connections. */
export interface Seat {
  readonly userId: string
  readonly clientId: string
  /** The id that the client gave to the operation. */
  readonly operationId: string
}

/** A seat that is taken. A client that comes back takes it anew, whoever kept it before. */
export interface Session extends Seat {
  /** The instance that keeps it, where several have one store. */
  readonly instance?: string
  /** Random: tells it from the one that had the seat before. */
  readonly id: string
  /** When the seat was taken, in milliseconds since 1970, on the clock of the instance. */
  readonly enteredAt: number
  /** What the client entered with. */
  readonly enteredState: JsonText | null
  readonly state: JsonText | null
  /** When the state was said, in milliseconds since 1970. */
  readonly saidAt: number
  /** Since when the user has been there, in milliseconds since 1970. */
  readonly joinedAt: number
}

/** Puts someone on a seat, in the place of who has it, or takes someone away. */
export type PresenceStep =
  /** Takes the seat, whoever has it. */
  | { readonly kind: 'enter'; readonly session: Session }
  /** Says another state. Nothing happens where the session has lost its seat. */
  | { readonly kind: 'say'; readonly session: Session }
  /** Nothing happens where another session has taken the seat. */
  | { readonly kind: 'leave'; readonly session: Session }

/** A user in a topic, with all clients. Immutable. */
export interface PresenceMember {
  readonly userId: string
  /** The first 100, in the order of the texts. */
  readonly clientIds: readonly string[]
  /** What the client says that said something last; null for nothing. Shared: do not change it. */
  readonly state: JsonValue | null
  readonly joinedAt: Date
  /** When it last entered or said its state. */
  readonly lastSeenAt: Date
}

/** Clients of a member that are shown; what shows more would grow with the square of them. */
export const MAX_CLIENT_IDS = 100

/** A seat as the key of a map. */
export type SeatKey = string & { readonly __brand: 'SeatKey' }

export function keyOf({ userId, clientId, operationId }: Seat): SeatKey {
  return JSON.stringify([userId, clientId, operationId]) as SeatKey
}

/** The user that is there by these sessions; undefined by none. */
export function memberBy(sessions: Iterable<Session>): PresenceMember | undefined {
  let latest: Session | undefined
  let joinedAt = Number.POSITIVE_INFINITY
  const clientIds = new Set<string>()
  for (const session of sessions) {
    clientIds.add(session.clientId)
    joinedAt = Math.min(joinedAt, session.joinedAt)
    if (latest === undefined || isLater(session, latest)) latest = session
  }
  if (latest === undefined) return undefined
  return {
    userId: latest.userId,
    clientIds: [...clientIds].sort().slice(0, MAX_CLIENT_IDS),
    state: latest.state === null ? null : (JSON.parse(latest.state) as JsonValue),
    joinedAt: new Date(joinedAt),
    lastSeenAt: new Date(latest.saidAt),
  }
}

/** Total, so that all instances choose the same. */
function isLater(a: Session, b: Session): boolean {
  return a.saidAt === b.saidAt ? a.id > b.id : a.saidAt > b.saidAt
}

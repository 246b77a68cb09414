/** A message as clients get it: a plain object that is frozen; what is inside `payload` is not. */
export interface Message<T = unknown> {
  /** Unique over all topics. */
  readonly id: string
  /** The key the publisher gave, or that its client made; how a client knows its own message again. */
  readonly idempotencyKey: string | null
  readonly topic: string
  /** 1, 2, 3, … in its topic; null for an ephemeral message, which has no place in the log. */
  readonly sequence: number | null
  /** The same place as an opaque text, to subscribe, page and acknowledge with. Null for an ephemeral message. */
  readonly cursor: string | null
  /** What kind of event this is; `message` where the publisher named none. */
  readonly type: string
  readonly payload: T
  readonly metadata: unknown
  /** The publisher says that the payload is end-to-end encrypted. */
  readonly encrypted: boolean
  /** Fanned out only, not stored. */
  readonly ephemeral: boolean
  /** The user that published it, as authenticated. */
  readonly from: string
  /** The client that published it, where it named itself. */
  readonly clientId: string | null
  /** The only users that may see it; null for everyone. */
  readonly to: readonly string[] | null
  /** ISO 8601, in UTC. */
  readonly publishedAt: string
  /** ISO 8601, in UTC. From then on it is not delivered. Null for never. */
  readonly expiresAt: string | null
}

/** Consolidated state of a topic as of one sequence. */
export interface Snapshot {
  readonly topic: string
  readonly sequence: number
  readonly cursor: string
  readonly state: unknown
  /** ISO 8601, in UTC. */
  readonly savedAt: string
}

/** A message of which one may hold a copy, or its cursor alone. */
export type At = string | { readonly cursor: string | null }

export function cursorOf(at: At | undefined): string | undefined {
  return typeof at === 'object' ? (at.cursor ?? undefined) : at
}

/** How much a caller may ask for at once. */
export interface Limits {
  /** The payload's JSON text, in bytes of UTF-8. */
  readonly payloadBytes: number
  /** The metadata's JSON text, in bytes of UTF-8. */
  readonly metadataBytes: number
  /** The JSON text of a snapshot's state, in bytes of UTF-8. */
  readonly snapshotBytes: number
  /** The JSON text of a state of presence, in bytes of UTF-8. */
  readonly presenceStateBytes: number
  /** How many arrays and objects may stand inside one another in a payload or metadata. */
  readonly jsonDepth: number
  /** A message type, in characters. */
  readonly typeLength: number
  /** An idempotency key, in characters. */
  readonly idempotencyKeyLength: number
  /** The users that one message may be addressed to. */
  readonly recipients: number
  /** Inputs of one publishMany. */
  readonly publishMany: number
  /** Seconds that a message may live. */
  readonly ttl: number
  /** Entries of a page. */
  readonly page: number
  /** Values in one `from` or `types` filter. */
  readonly filterValues: number
  /** Topics and patterns of one subscription. */
  readonly subscriptionTopics: number
  /** The greatest `maxPerSecond` of a subscription. */
  readonly maxPerSecond: number
  /** Ids in one `nodes`. */
  readonly nodes: number
}

export const DEFAULT_LIMITS: Limits = {
  payloadBytes: 32 * 1024,
  metadataBytes: 4 * 1024,
  snapshotBytes: 1024 * 1024,
  presenceStateBytes: 4 * 1024,
  jsonDepth: 100,
  typeLength: 128,
  idempotencyKeyLength: 128,
  recipients: 1_000,
  publishMany: 100,
  ttl: 10 * 365 * 24 * 3600,
  page: 1_000,
  filterValues: 100,
  subscriptionTopics: 100,
  maxPerSecond: 1_000,
  nodes: 100,
}

/**
 * How much callers may ask for, and hold, at once. A variable of the environment for each is made of its
 * name: `CARILLON_LIMIT_PAYLOAD_BYTES` for `payloadBytes`. Errors name it in `extensions.limit`.
 */
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

  /** WebSockets and event streams of one instance. */
  readonly connections: number
  /** WebSockets and event streams of one instance that come from one address. */
  readonly connectionsPerAddress: number
  /** WebSockets and event streams of one instance that are of one user. Not in open mode, where users are not told apart. */
  readonly connectionsPerUser: number
  /** WebSockets of one instance that have not said yet who they are; of more, the oldest are closed. */
  readonly unauthenticatedConnections: number
  /** How long a WebSocket may take to say who it is, in milliseconds. */
  readonly initTimeoutMs: number
  /** What a WebSocket may send until it was told that it is let in, in bytes. */
  readonly initBytes: number
  /** Operations under way over one WebSocket, each subscription one. */
  readonly operationsPerSocket: number
  /** Subscriptions that one WebSocket may start in a second; after a pause, `operationsPerSocket` at once. */
  readonly subscribesPerSecond: number
  /** Messages of the protocol that one WebSocket may send in a second; after a pause, twice as many. */
  readonly messagesPerSecond: number
  /** Messages that one user may publish in a second, over all instances. Not in open mode. 0: any number. */
  readonly publishesPerSecondPerUser: number
  /** Messages that users may publish to one topic in a second, over all instances. Not in open mode. 0: any number. */
  readonly publishesPerSecondPerTopic: number
  /** Pages of history that one user may have in flight on one instance. Not in open mode. */
  readonly historyPagesPerUser: number
  /** One message of a WebSocket, in bytes. */
  readonly frameBytes: number
  /** The body of a request, in bytes. */
  readonly bodyBytes: number
  /** Fields inside one another in an operation. */
  readonly queryDepth: number
  /** Tokens of a document. */
  readonly queryTokens: number
  /** Aliases in an operation. */
  readonly queryAliases: number
  /** Directives in an operation. */
  readonly queryDirectives: number
  /** What an operation may load: fields that are loaded, times the entries of the pages around them. */
  readonly queryCost: number
  /** What may wait for one client that does not read as fast as messages come, in bytes. */
  readonly socketBufferBytes: number
  /** What may wait for all clients of one instance, in bytes. */
  readonly bufferBytes: number
}

export type LimitName = keyof Limits

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
  connections: 50_000,
  connectionsPerAddress: 10_000,
  connectionsPerUser: 100,
  unauthenticatedConnections: 1_000,
  initTimeoutMs: 3_000,
  initBytes: 64 * 1024,
  operationsPerSocket: 250,
  subscribesPerSecond: 200,
  messagesPerSecond: 5_000,
  publishesPerSecondPerUser: 1_000,
  publishesPerSecondPerTopic: 10_000,
  historyPagesPerUser: 20,
  frameBytes: 8 * 1024 * 1024,
  bodyBytes: 8 * 1024 * 1024,
  queryDepth: 20,
  queryTokens: 1_500,
  queryAliases: 50,
  queryDirectives: 50,
  queryCost: 10_000,
  socketBufferBytes: 1024 * 1024,
  bufferBytes: 256 * 1024 * 1024,
}

export const LIMIT_NAMES = Object.keys(DEFAULT_LIMITS) as LimitName[]

/** The variable of the environment that sets a limit. */
export function limitVariable(name: LimitName): string {
  return `CARILLON_LIMIT_${name.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`
}

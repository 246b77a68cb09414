/** A message as somebody saw it. */
export interface Message {
  readonly topic: string
  readonly sequence: number
  /** Unique to topic, epoch and sequence. */
  readonly id: string
  /** Unique to a publish. */
  readonly payload: string
}

/** What a publisher was told. */
export interface Acknowledged extends Message {
  readonly publisher: string
  readonly idempotencyKey: string
}

/** What a subscriber saw, in order, over all of its connections. */
export interface Seen extends Message {
  /** Whether the server said that it may be a repeat. */
  readonly resumed: boolean
  /** How many connections the subscriber had had by then. */
  readonly connection: number
  /** The newest of its topic that was acknowledged for certain when that connection began; 0 for none. */
  readonly ackedBefore: number
  /** Milliseconds since the run began. */
  readonly at: number
}

/** How a subscriber gets on after it has lost its connection, which decides what repeats it may see. */
export type SubscriberKind = 'cursor' | 'consumer' | 'automatic'

export interface SubscriberHistory {
  readonly name: string
  readonly kind: SubscriberKind
  readonly topics: readonly string[]
  readonly seen: readonly Seen[]
  /** What ended its subscription, though it should not have. */
  readonly failures: readonly string[]
}

/** All that happened, as publishers and subscribers know it, and what the log has in the end. */
export interface History {
  readonly acknowledged: readonly Acknowledged[]
  readonly subscribers: readonly SubscriberHistory[]
  /** By topic, in order. */
  readonly log: ReadonlyMap<string, readonly Message[]>
}

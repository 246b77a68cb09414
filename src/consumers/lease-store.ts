import type { Position } from '../core/sequence.ts'
import type { TopicName, TopicPattern } from '../core/topic-name.ts'
import type { ConsumerName } from './consumer-store.ts'

/** A process that runs a consumer. */
export interface Member extends ConsumerName {
  /** Random: another one each time a process begins. */
  readonly holder: string
  /** Those who run the same consumer with the same topics share them. */
  readonly topics: readonly TopicPattern[]
  readonly leaseMs: number
}

/** What there is to do, and for how many. */
export interface Survey {
  /** The members alive, this one among them. */
  readonly members: number
  /** The topics that somebody has leased, or should. */
  readonly active: number
  /** Topics of this member with something to do, and topics of nobody with something to do. */
  readonly mine: readonly TopicName[]
  readonly open: readonly TopicName[]
  /** When the next lease of another member runs out, in milliseconds from now. */
  readonly nextExpiryMs: number | undefined
}

/** A topic whose lease a member has just got. */
export interface LeasedTopic {
  readonly topic: TopicName
  /** What the consumer has acknowledged, read once the lease was there. */
  readonly acked: Position
}

/**
 * Who handles which topic of a consumer. There is something to do in a topic where messages behind what is
 * acknowledged are kept, or dead letters wait to be replayed.
 *
 * Exclusion: a lease is one member's until it is released, or runs out and is taken by another. Time is
 * the database's. A lease that has run out and was not taken can be renewed.
 *
 * Failure: every method rejects with SERVICE_UNAVAILABLE while the database is away.
 */
export interface LeaseStore {
  /** Says that the member is alive, renews its leases, and answers which it still has. */
  renew(member: Member): Promise<readonly TopicName[]>

  survey(member: Member): Promise<Survey>

  /** Takes the leases that nobody has; those that another has are left out of the answer. */
  take(member: Member, topics: readonly TopicName[]): Promise<readonly LeasedTopic[]>

  /** Gives back leases that the member may have. */
  release(member: Member, topics: readonly TopicName[]): Promise<void>

  /** Gives back all leases: the member is gone. */
  leave(member: Member): Promise<void>
}

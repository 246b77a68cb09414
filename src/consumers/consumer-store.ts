import type { Epoch, Sequence } from '../core/sequence.ts'
import type { TopicName } from '../core/topic-name.ts'
import type { CarillonError } from '../protocol/errors.ts'

/** Which durable reader, of which user. */
export interface ConsumerName {
  readonly userId: string
  readonly name: string
}

/** Which durable reader in which topic. */
export interface ConsumerKey extends ConsumerName {
  readonly topic: TopicName
}

/** How far a durable reader has come in one topic. */
export interface Consumer extends ConsumerKey {
  readonly epoch: Epoch
  /** The highest sequence acknowledged; 0 for none. */
  readonly acked: Sequence
  /** Messages behind `acked` that are still kept. */
  readonly lag: number
  readonly updatedAt: Date
}

/** That a durable reader is done with everything up to a sequence. */
export interface Ack extends ConsumerKey {
  readonly sequence: Sequence
  /** Refused where the topic's is another; undefined for whichever it is. */
  readonly epoch?: Epoch | undefined
  /** Counts only while this process has the topic's lease. */
  readonly holder?: string | undefined
}

/** What became of an ack. */
export type AckOutcome =
  | { readonly kind: 'acked'; readonly consumer: Consumer }
  | { readonly kind: 'refused'; readonly error: CarillonError }
  /** Another process has the topic's lease by now. */
  | { readonly kind: 'leaseLost' }

/**
 * Where acknowledgements are kept, as durable as the log.
 *
 * Atomicity: of acks at the same time, from any instances, the highest stays. The acks of one call are
 * written in one transaction; one that is refused leaves the others alone.
 *
 * Fencing: an ack with a holder counts where the holder's lease was not taken by another before the ack's
 * commit, and nobody takes it while the ack is written.
 *
 * Failure: every method rejects with SERVICE_UNAVAILABLE while the database is away.
 */
export interface ConsumerStore {
  /**
   * Moves consumers forward, and makes those that are new; an ack at or behind where one stands changes
   * nothing. Answers one outcome an ack, in their order: refused with INVALID_INPUT past the topic's head,
   * with CURSOR_EXPIRED where an epoch is given that is not the topic's.
   */
  ack(acks: readonly Ack[]): Promise<readonly AckOutcome[]>

  /** Undefined where this user never acknowledged under this name in this topic. */
  consumer(key: ConsumerKey): Promise<Consumer | undefined>

  /** What a consumer has acknowledged in each of these topics; those without any are left out. */
  acked(
    consumer: ConsumerName,
    topics: readonly TopicName[],
  ): Promise<ReadonlyMap<TopicName, Sequence>>
}

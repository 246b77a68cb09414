import type { Epoch, Sequence } from '../core/sequence.ts'
import type { TopicName } from '../core/topic-name.ts'

/** Which durable reader, of which user, in which topic. */
export interface ConsumerKey {
  readonly userId: string
  readonly name: string
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

/**
 * Where acknowledgements are kept, as durable as the log.
 *
 * Atomicity: of acks at the same time, from any instances, the highest stays.
 *
 * Failure: every method rejects with SERVICE_UNAVAILABLE while the database is away.
 */
export interface ConsumerStore {
  /**
   * Moves a consumer forward; an ack at or behind where it stands changes nothing. Makes the consumer
   * where it is new.
   * @throws CarillonError INVALID_INPUT past the topic's head; CURSOR_EXPIRED where an epoch is given
   * that is not the topic's
   */
  ack(key: ConsumerKey, sequence: Sequence, epoch: Epoch | undefined): Promise<Consumer>

  /** Undefined where this user never acknowledged under this name in this topic. */
  consumer(key: ConsumerKey): Promise<Consumer | undefined>

  /** What a consumer has acknowledged in each of these topics; those without any are left out. */
  acked(
    consumer: Omit<ConsumerKey, 'topic'>,
    topics: readonly TopicName[],
  ): Promise<ReadonlyMap<TopicName, Sequence>>
}

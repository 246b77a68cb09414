import type { AnyMessage } from '../core/message.ts'
import type { Epoch } from '../core/sequence.ts'
import type { TopicName, TopicPattern } from '../core/topic-name.ts'

/**
 * Carries committed messages, and ephemeral ones, to whoever listens to their topics, on this instance and on the
 * others. A hint, never the truth: who needs every message reads the log for what is missing.
 *
 * Delivery: a message reaches every listener on the publishing instance before `publish` returns,
 * and on other instances soon, or never, or twice.
 *
 * Order: listeners on the publishing instance see the messages of one instance in the order in
 * which they were published. Between instances there is no order.
 *
 * Failure: `publish` neither throws nor waits. A listener that throws harms no other.
 */
export interface Bus {
  readonly kind: 'memory' | 'redis'

  /** Whether other instances are reached for the moment; where there are none, true. */
  readonly isConnected: boolean

  publish(messages: readonly AnyMessage[]): void

  /** Says that the numbering of a topic started again; delivered as a message is. */
  announce(change: EpochChange): void

  /**
   * Listens to a topic, or to all that a pattern matches: each message comes once a subscription.
   * Resolves once every message published from then on, anywhere, is on its way to the listener.
   * While other instances are not reached it resolves for this one; `onGap` says when they are.
   */
  subscribe(
    pattern: TopicPattern,
    listener: BusListener,
    onEpochChange?: EpochListener,
  ): Promise<BusSubscription>

  /**
   * Calls back when messages of other instances may have been lost and those from now on will come:
   * the time to compare with the log. Answers how to stop.
   */
  onGap(listener: () => void): () => void

  /** Drops every listener. Idempotent. */
  close(): Promise<void>
}

/** Called once a message, right when it arrives; does not block. */
export type BusListener = (message: AnyMessage) => void

/** That a topic has a new epoch. A hint as messages are: it may be late, and the epoch old by then. */
export interface EpochChange {
  readonly topic: TopicName
  readonly epoch: Epoch
}

/** Called right when the news arrives; does not block. */
export type EpochListener = (change: EpochChange) => void

export interface BusSubscription {
  /** No call of the listener after this returns. Idempotent. */
  unsubscribe(): void
}

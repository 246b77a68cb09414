import type { Message } from '../core/message.ts'
import type { Position, Sequence } from '../core/sequence.ts'
import type { TopicName } from '../core/topic-name.ts'
import type { ConsumerKey } from './consumer-store.ts'

/** A message that a consumer could not handle. */
export interface DeadLetter {
  readonly userId: string
  /** The name of the consumer. */
  readonly consumer: string
  /** A copy: it is here also when the topic keeps it no longer. */
  readonly message: Message
  /** How often the handler was called with it, the last time that it was tried. */
  readonly attempts: number
  /** What the handler failed with: its beginning, where that is long. */
  readonly error: string
  readonly failedAt: Date
}

export interface DeadLetterPageQuery {
  readonly userId: string
  readonly topic: TopicName
  /** Undefined for all of the user's. */
  readonly consumer: string | undefined
  readonly limit: number
  /** Only those of messages behind this one. */
  readonly after: Position | undefined
}

export interface DeadLetterPage {
  readonly letters: readonly DeadLetter[]
  readonly hasNext: boolean
  readonly hasPrevious: boolean
}

/** Which dead letters: the oldest so many messages. */
export type DeadLetterSelection = Omit<DeadLetterPageQuery, 'after'>

/** The lease under which a message was handled. */
export interface Handling extends ConsumerKey {
  readonly holder: string
}

/** How handling has failed. */
export interface Failure {
  readonly attempts: number
  readonly error: string
}

/**
 * Where dead letters are kept, as durable as the log. One that is put back waits for its consumer; meanwhile
 * it is not among the dead ones. With a purge of their topic they are gone.
 *
 * Order: by sequence, then by the name of the consumer.
 *
 * Fencing: what a holder writes counts where its lease was not taken by another before the commit.
 *
 * Failure: every method rejects with SERVICE_UNAVAILABLE while the database is away.
 */
export interface DeadLetterStore {
  /**
   * Keeps a message as a dead letter, in the place of an older one, and acknowledges it, in one transaction.
   * Answers false, and does neither, where the holder's lease is lost.
   */
  bury(message: Message, handling: Handling, failure: Failure): Promise<boolean>

  /** The dead ones; where several consumers have failed at the last message, all of them. */
  page(query: DeadLetterPageQuery): Promise<DeadLetterPage>

  letter(key: ConsumerKey, position: Position): Promise<DeadLetter | undefined>

  /** Puts dead ones back to their consumers; answers how many. */
  replay(selection: DeadLetterSelection): Promise<number>

  /** Deletes dead ones; answers how many. */
  discard(selection: DeadLetterSelection): Promise<number>

  /** Those that were put back and wait, oldest message first. */
  waiting(key: ConsumerKey, limit: number): Promise<readonly DeadLetter[]>

  /** One that waited is handled, and gone. Answers false where the holder's lease is lost. */
  settle(handling: Handling, sequence: Sequence): Promise<boolean>
}

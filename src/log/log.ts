import type { Draft, Message, Reader } from '../core/message.ts'
import type { Epoch, Position, Sequence } from '../core/sequence.ts'
import type { TopicName } from '../core/topic-name.ts'

/**
 * The log: every topic's messages, numbered and durable. It is the truth about order and content;
 * whatever else carries messages only hints at it.
 *
 * Order: the sequences of a topic are 1, 2, 3, … in commit order, without holes. Who reads up to a
 * head has every message up to it. The tail, the oldest sequence kept, moves; the head never goes back.
 *
 * Durability: `append` answers after the commit. Where it rejects with SERVICE_UNAVAILABLE, the
 * commit may have happened and its answer been lost: only a retry with an idempotency key is safe.
 *
 * Atomicity: the drafts of one `append` are stored all or not at all. Calls at the same time do not
 * affect one another, and are stored in the order of the calls.
 *
 * Failure: every method rejects with SERVICE_UNAVAILABLE while the database is away, within a few
 * seconds, and works again by itself once it is back.
 */
export interface Log {
  /**
   * Appends drafts, in this order, to their topics, and answers one result a draft.
   * @throws CarillonError IDEMPOTENCY_CONFLICT, SEQUENCE_CONFLICT, SERVICE_UNAVAILABLE
   */
  append(drafts: readonly Draft[]): Promise<readonly Appended[]>

  /** A page of the messages that a reader may see, oldest first. */
  page(query: PageQuery): Promise<Page>

  /**
   * The messages right after a sequence, oldest first, at most `limit`, and fewer where they are
   * large: about 256 KiB, but one at least. All from the tail on, expired and addressed ones too, so
   * that sequences can be checked for holes: one that expired and was removed stands there without
   * its content.
   */
  read(topic: TopicName, after: Sequence, limit: number): Promise<LogSlice>

  /** One message that a reader may see. */
  message(topic: TopicName, position: Position, reader: Reader): Promise<Message | undefined>

  /** Where a topic stands. One never published to is empty. */
  topic(name: TopicName): Promise<TopicState>

  /** As `topic`, for several at once, in the order of the names. */
  topicStates(names: readonly TopicName[]): Promise<readonly TopicState[]>

  /** The topics that were ever published to, in byte order of their names. */
  topics(query: TopicsQuery): Promise<TopicsPage>

  /**
   * Removes every message of a topic and starts a new epoch, with whatever belonged to the old one:
   * consumers, snapshot, idempotency keys. Who publishes meanwhile gets a sequence of the old epoch
   * before, or of the new one after. An empty topic stays as it is; so does one of another epoch than
   * the expected one, where one is given: a retry does not remove what has come since.
   */
  purge(topic: TopicName, expectedEpoch?: Epoch): Promise<Purged>

  /**
   * Starts a new epoch, and keeps the messages, where the head is behind what is known of this epoch: an
   * older state of the database was restored, and gives sequences out again. Answers whether it did.
   */
  changeEpoch(known: TopicPosition): Promise<boolean>

  /** Resolves where the database answers. */
  ping(): Promise<void>

  /** Stores what has been accepted, then refuses everything. Idempotent. */
  close(): Promise<void>
}

export interface Appended {
  readonly message: Message
  /** True where the idempotency key had been published before: `message` is that first one. */
  readonly duplicate: boolean
}

export interface Purged {
  readonly topic: TopicState
  /** False where it was left as it was. */
  readonly purged: boolean
}

/** Where the numbering of a topic stands. */
export interface TopicPosition {
  readonly name: TopicName
  readonly epoch: Epoch
  /** The newest sequence given out; 0 for an empty topic. */
  readonly head: Sequence
}

export interface TopicState extends TopicPosition {
  /** The oldest sequence still kept; 0 where none is. Nothing before it is read by anyone. */
  readonly tail: Sequence
}

export interface PageQuery {
  readonly topic: TopicName
  /** `first`: the oldest of what is asked for; `last`: the newest. */
  readonly take: 'first' | 'last'
  readonly limit: number
  readonly after?: Position | undefined
  readonly before?: Position | undefined
  /** Only messages from these users. */
  readonly from?: readonly string[] | undefined
  /** Only messages of these types. */
  readonly types?: readonly string[] | undefined
  readonly reader: Reader
}

export interface Page {
  readonly topic: TopicState
  readonly messages: readonly Message[]
  /** Whether the reader could see a message of the filtered set behind the last one of the page. */
  readonly hasNext: boolean
  /** Whether the reader could see a message of the filtered set before the first one of the page. */
  readonly hasPrevious: boolean
}

export interface LogSlice {
  readonly topic: TopicState
  readonly messages: readonly Message[]
}

export interface TopicsQuery {
  readonly prefix: string
  readonly limit: number
  /** Only names behind this one. */
  readonly after?: TopicName | undefined
  /** Only these, and those under one of these prefixes. */
  readonly within?: TopicSelection | undefined
}

export interface TopicSelection {
  readonly names: readonly TopicName[]
  readonly prefixes: readonly string[]
}

export interface TopicsPage {
  readonly topics: readonly TopicState[]
  readonly hasNext: boolean
  readonly hasPrevious: boolean
}

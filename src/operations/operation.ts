import type { Viewer } from '../access/viewer.ts'
import type { AckRequest } from '../consumers/acks.ts'
import type { Consumer } from '../consumers/consumer-store.ts'
import type { DeadLetter, DeadLetterPage } from '../consumers/dead-letter-store.ts'
import type { DeadLetterActionRequest, DeadLetterPageRequest } from '../consumers/dead-letters.ts'
import type { AnyMessage } from '../core/message.ts'
import type { Snapshot } from '../core/snapshot.ts'
import type { EventsRequest, SubscribeRequest } from '../hub/subscriptions.ts'
import type { TopicEvent } from '../hub/topic-event.ts'
import type { HistoryRequest } from '../log/history.ts'
import type { Page, TopicSelection, TopicState, TopicsPage } from '../log/log.ts'
import type { PresenceRequest } from '../presence/presence.ts'
import type { PresenceEvent } from '../presence/presence-event.ts'
import type { PresenceMember } from '../presence/session.ts'
import type { PublishRequest } from '../publish/publish-request.ts'
import type { Published } from '../publish/publisher.ts'
import type { PurgeOptions } from '../publish/purger.ts'
import type { SnapshotRequest } from '../snapshots/snapshots.ts'

/** Which one of something in a topic. */
export interface InTopic {
  readonly topic: string
}

export interface MessageRequest extends InTopic {
  readonly epoch: string
  readonly sequence: number
}

export interface ConsumerRequest extends InTopic {
  readonly name: string
}

export interface DeadLetterRequest extends MessageRequest {
  readonly consumer: string
}

export interface PurgeRequest extends InTopic, PurgeOptions {}

export interface UpdatePresenceRequest extends InTopic {
  readonly state?: unknown
}

/** Which topics to list. Null and undefined both stand for "not given". */
export interface TopicsRequest {
  /** Only names that begin with this. */
  readonly prefix?: string | null | undefined
  /** 1 to 1000. Default 25. */
  readonly first?: number | null | undefined
  /** Only names behind the one of this cursor. */
  readonly after?: string | null | undefined
  /** Only these, and those under one of these prefixes: what the caller may read. */
  readonly within?: TopicSelection | undefined
}

/** What is told to a subscriber: of messages and events, or of presence. */
export type Delivered = TopicEvent | ({ readonly kind: 'presence' } & PresenceEvent)

/** What can be asked of Carillon, with its answer. */
interface OperationTypes {
  publish: Answered<PublishRequest, Published>
  history: Answered<HistoryRequest, Page>
  message: Answered<MessageRequest, AnyMessage | undefined>
  topic: Answered<InTopic, TopicState>
  topics: Answered<TopicsRequest, TopicsPage>
  purge: Answered<PurgeRequest, TopicState>
  subscribe: Answered<SubscribeRequest & EventsRequest, void>
  /** What a subscriber is about to get: without an answer it gets nothing. */
  deliver: Answered<Delivered, Delivered | undefined>
  ack: Answered<AckRequest, Consumer>
  consumer: Answered<ConsumerRequest, Consumer | undefined>
  deadLetters: Answered<DeadLetterPageRequest, DeadLetterPage>
  deadLetter: Answered<DeadLetterRequest, DeadLetter | undefined>
  replayDeadLetters: Answered<DeadLetterActionRequest, number>
  discardDeadLetters: Answered<DeadLetterActionRequest, number>
  saveSnapshot: Answered<SnapshotRequest, Snapshot>
  snapshot: Answered<InTopic, Snapshot | undefined>
  presence: Answered<PresenceRequest, void>
  members: Answered<InTopic, readonly PresenceMember[]>
  updatePresence: Answered<UpdatePresenceRequest, PresenceMember>
}

interface Answered<Request, Answer> {
  readonly request: Request
  readonly answer: Answer
}

export type OperationName = keyof OperationTypes

export type RequestOf<Name extends OperationName> = OperationTypes[Name]['request']

export type AnswerOf<Name extends OperationName> = OperationTypes[Name]['answer']

/** One operation under way, as middleware sees it. Look at `operation` to tell which it is. */
export type OperationContext<Name extends OperationName = OperationName> = {
  [N in Name]: {
    readonly operation: N
    readonly viewer: Viewer
    /** What is asked for; set another one to change it. */
    request: RequestOf<N>
  }
}[Name]

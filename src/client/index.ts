export type { ClientErrorCode } from '../protocol/client-errors.ts'
export type { ErrorCode, Gap } from '../protocol/errors.ts'
export type { PresenceEventType } from '../protocol/presence.ts'
export type { Consumer } from './acks.ts'
export type { BackoffOptions } from './backoff.ts'
export { type CarillonClient, createClient } from './client.ts'
export type { ClientOptions } from './client-options.ts'
export { DOCUMENTS } from './documents.ts'
export { CarillonError, type CarillonErrorCode } from './error.ts'
export type { HistoryOptions, Page, ReplayOptions } from './history.ts'
export type { At, Message, Snapshot } from './message.ts'
export type { OutgoingMessage, OutgoingStatus } from './outgoing-message.ts'
export { Place, type Placed } from './place.ts'
export { Places } from './places.ts'
export type {
  PresenceChange,
  PresenceEntry,
  PresenceMember,
  PresenceOptions,
  PresenceView,
} from './presence.ts'
export type { PublishOptions } from './publish-options.ts'
export type { WebSocketClass } from './socket.ts'
export type { ConnectionState, StateChange } from './state.ts'
export type {
  Filters,
  MessageHandler,
  Start,
  SubscribeOptions,
  Subscription,
} from './subscribe-options.ts'
export type { AckOptions, MessagesOptions, Topic } from './topic.ts'

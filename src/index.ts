export type { Action } from './access/action.ts'
export type { ApiKey } from './access/api-key.ts'
export type { ApiKeyRequest, CreatedApiKey } from './access/api-keys.ts'
export type { TrustProxy } from './access/arrivals.ts'
export type { AuthOptions } from './access/auth-options.ts'
export type { Authenticate } from './access/authenticator.ts'
export type { Authorize, AuthorizeRequest } from './access/authorizer.ts'
export type { Capability, CapabilityGrant } from './access/capabilities.ts'
export type { Credentials } from './access/credentials.ts'
export type { JwtOptions } from './access/json-web-tokens.ts'
export { DEFAULT_LIMITS, type LimitName, type Limits } from './access/limits.ts'
export type { Revocation, RevocationRequest } from './access/revocation.ts'
export type { Identity, Viewer } from './access/viewer.ts'
export type {
  CallOptions,
  Carillon,
  CarillonOptions,
  ConsumeCallOptions,
  PresenceOptions,
  SubscribeOptions,
} from './carillon.ts'
export type { AckRequest } from './consumers/acks.ts'
export type { CatchUpBatch } from './consumers/catch-up.ts'
export type {
  CatchUpRequest,
  ConsumeRequest,
  ConsumerHandler,
  HandlerContext,
  RunningConsumer,
} from './consumers/consume-request.ts'
export type { Consumer } from './consumers/consumer-store.ts'
export type { DeadLetter, DeadLetterPage } from './consumers/dead-letter-store.ts'
export type {
  DeadLetterActionRequest,
  DeadLetterPageRequest,
} from './consumers/dead-letters.ts'
export type { RetryPolicy, RetryStrategy } from './consumers/retry.ts'
export type { Cursor } from './core/cursor.ts'
export type { JsonValue } from './core/json.ts'
export type { AnyMessage, EphemeralMessage, Message } from './core/message.ts'
export type { Epoch, Sequence } from './core/sequence.ts'
export type { Snapshot } from './core/snapshot.ts'
export type { TopicName, TopicPattern } from './core/topic-name.ts'
export { DatabaseStartError } from './database/database.ts'
export type { CarillonExtensions } from './graphql/extensions.ts'
export { PersistedOperationsError } from './graphql/persisted-operations.ts'
export type { HandlerSubscription, MessageHandler } from './hub/handler-subscription.ts'
export type { HubBounds } from './hub/hub.ts'
export type { OverflowRequest } from './hub/overflow.ts'
export type { Subscription } from './hub/subscription.ts'
export type { EventsRequest, SubscribeRequest, TopicsRequest } from './hub/subscriptions.ts'
export type {
  CaughtUpEvent,
  ControlEvent,
  GapEvent,
  MessageEvent,
  SnapshotEvent,
  TopicEvent,
} from './hub/topic-event.ts'
export type { GroupCommitBounds } from './log/group-commit.ts'
export type { HistoryRequest } from './log/history.ts'
export type { Page, TopicState } from './log/log.ts'
export type { RetentionReport } from './log/retention.ts'
export type { RetentionRule } from './log/retention-rules.ts'
export type { Middleware, MiddlewareOptions, OperationMiddleware } from './operations/middleware.ts'
export type {
  AnswerOf,
  Delivered,
  OperationContext,
  OperationName,
  RequestOf,
} from './operations/operation.ts'
export { type OperationLog, operationLogger } from './operations/operation-logger.ts'
export { type PayloadRule, type PayloadSchema, payloadSchema } from './operations/payload-schema.ts'
export { tenant } from './operations/tenant.ts'
export type { Health } from './ops/health.ts'
export type { Logger, LogLevel } from './ops/logger.ts'
export {
  DEFAULT_PRESENCE_BOUNDS,
  type PresenceBounds,
  type PresenceEntry,
  type PresenceRequest,
} from './presence/presence.ts'
export type { PresenceEvent } from './presence/presence-event.ts'
export type { PresenceSubscription } from './presence/presence-subscription.ts'
export type { PresenceMember } from './presence/session.ts'
export { CLOSE_CODES } from './protocol/close-codes.ts'
export { CarillonError, ERRORS, type ErrorCode, type ErrorEntry } from './protocol/errors.ts'
export { applyPresence, type PresenceChange, type Present } from './protocol/presence.ts'
export type { PublishRequest } from './publish/publish-request.ts'
export type { Published } from './publish/publisher.ts'
export type { PurgeOptions } from './publish/purger.ts'
export type { RedisClusterOptions, RedisNode, RedisServerOptions } from './redis/redis-address.ts'
export type { ResumeBounds } from './resume/resumptions.ts'
export { createCarillon } from './server.ts'
export type { SnapshotRequest } from './snapshots/snapshots.ts'
export type { Address, ListenOptions } from './transport/server.ts'

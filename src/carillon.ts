import type { Server } from 'node:http'
import type { GraphQLSchema } from 'graphql'
import type { ApiKey } from './access/api-key.ts'
import type { ApiKeyRequest, CreatedApiKey } from './access/api-keys.ts'
import type { TrustProxy } from './access/arrivals.ts'
import type { AuthOptions } from './access/auth-options.ts'
import type { Limits } from './access/limits.ts'
import type { Revocation, RevocationRequest } from './access/revocation.ts'
import type { Identity } from './access/viewer.ts'
import type { Bus } from './bus/bus.ts'
import type { AckRequest } from './consumers/acks.ts'
import type { CatchUpBatch } from './consumers/catch-up.ts'
import type {
  CatchUpRequest,
  ConsumeRequest,
  RunningConsumer,
} from './consumers/consume-request.ts'
import type { Consumer } from './consumers/consumer-store.ts'
import type { DeadLetterPage } from './consumers/dead-letter-store.ts'
import type { DeadLetterActionRequest, DeadLetterPageRequest } from './consumers/dead-letters.ts'
import type { Snapshot } from './core/snapshot.ts'
import type { Database } from './database/database.ts'
import type { HandlerSubscription, MessageHandler } from './hub/handler-subscription.ts'
import type { HubBounds } from './hub/hub.ts'
import type { OverflowRequest } from './hub/overflow.ts'
import type { Subscription } from './hub/subscription.ts'
import type { EventsRequest, SubscribeRequest } from './hub/subscriptions.ts'
import type { TopicEvent } from './hub/topic-event.ts'
import type { GroupCommitBounds } from './log/group-commit.ts'
import type { HistoryRequest } from './log/history.ts'
import type { Page, TopicState } from './log/log.ts'
import type { RetentionReport } from './log/retention.ts'
import type { RetentionRule } from './log/retention-rules.ts'
import type { Middleware, OperationMiddleware } from './operations/middleware.ts'
import type { OperationName } from './operations/operation.ts'
import type { Health } from './ops/health.ts'
import type { Logger, LogLevel } from './ops/logger.ts'
import type { PresenceBounds, PresenceRequest } from './presence/presence.ts'
import type { PresenceSubscription } from './presence/presence-subscription.ts'
import type { PresenceMember } from './presence/session.ts'
import type { PublishRequest } from './publish/publish-request.ts'
import type { Published } from './publish/publisher.ts'
import type { PurgeOptions } from './publish/purger.ts'
import type { RedisClusterOptions, RedisServerOptions } from './redis/redis-address.ts'
import type { ResumeBounds } from './resume/resumptions.ts'
import type { SnapshotRequest } from './snapshots/snapshots.ts'
import type { Address, ListenOptions } from './transport/server.ts'

export interface CarillonOptions extends AuthOptions {
  /** A PostgreSQL server, 14 or newer. Default: the embedded one in `dataDir`. */
  readonly databaseUrl?: string
  /** Where the embedded database lives; `memory:` for nowhere. Default `./.carillon`. */
  readonly dataDir?: string
  /**
   * A Redis that carries messages between the instances on one database, as `redis:`, `redis-sentinel:` or
   * `redis-cluster:`, or `rediss…:` for TLS. Default: one instance.
   */
  readonly redisUrl?: string
  /** The same where a URL cannot say it, in the options of ioredis. Instead of `redisUrl`. */
  readonly redis?: RedisServerOptions | RedisClusterOptions
  /** Connections to PostgreSQL at most. Default 10. */
  readonly maxConnections?: number
  /** How much callers may ask for at once; those left out keep their default. */
  readonly limits?: Partial<Limits>
  /**
   * A JSON file of the operations that clients may send; all others are refused. As graphql-codegen and Apollo write
   * it. Default: any operation.
   */
  readonly operationsFile?: string
  /** Bounds of live delivery; those left out keep their default. */
  readonly delivery?: Partial<HubBounds>
  /** Bounds of what lets clients go on after a lost connection; those left out keep their default. */
  readonly resume?: Partial<ResumeBounds>
  /** Bounds of presence; those left out keep their default. */
  readonly presence?: Partial<PresenceBounds>
  /**
   * Adds to the schema: answers another one, made of the one it is given, such as by `extendSchema` of
   * graphql. Fields that it adds to a message are executed for each viewer, unless they say
   * `extensions: { carillon: { shared: true } }`.
   */
  readonly extendSchema?: (schema: GraphQLSchema) => GraphQLSchema
  /** Bounds of the queue in front of the database; those left out keep their default. */
  readonly publishQueue?: GroupCommitBounds
  /**
   * How long messages are kept: the first rule whose topics match says it. Default: for ever, but for
   * those that have expired.
   */
  readonly retention?: readonly RetentionRule[]
  /** How often what is no longer to be kept is removed, in milliseconds. Default 60,000. */
  readonly retentionIntervalMs?: number
  /**
   * The origins whose pages may use the server from a browser, besides its own: `https://app.example.com`,
   * `https://*.example.com` for any one label in its place, or `*` for all. Default: those of this machine; where
   * `NODE_ENV` is `production`, none.
   */
  readonly origins?: readonly string[]
  /** The proxies whose `X-Forwarded-…` headers are believed. Default: none. */
  readonly trustProxy?: TrustProxy
  /** Whether browsers get GraphiQL at /graphql. Default: but where `NODE_ENV` is `production`. */
  readonly graphiql?: boolean
  /** Whether clients may ask for the schema. Default: but where `NODE_ENV` is `production`. */
  readonly introspection?: boolean
  /** Where to log. Default: lines of JSON on standard error, from `logLevel` up. */
  readonly logger?: Logger
  /** Default `warn`. */
  readonly logLevel?: LogLevel
}

/** On whose behalf a call of the library is made. */
export interface CallOptions {
  /** Default: the backend itself, which sees every message. */
  readonly as?: Identity
}

export interface ConsumeCallOptions extends CallOptions {
  /** Ends it, as `stop` does. */
  readonly signal?: AbortSignal
}

export interface PresenceOptions extends CallOptions {
  /** Ends the subscription. */
  readonly signal?: AbortSignal
}

export interface SubscribeOptions extends CallOptions, OverflowRequest {
  /** Ends the subscription. */
  readonly signal?: AbortSignal
}

/** A server of realtime messages, to be used as a library, over GraphQL, or both. */
export interface Carillon extends AsyncDisposable {
  /** The GraphQL schema that is served. */
  readonly schema: GraphQLSchema
  /** The database in use. */
  readonly database: Pick<Database, 'kind' | 'location'>
  /** What carries messages between instances. */
  readonly bus: Pick<Bus, 'kind'>
  /** Whether callers over GraphQL need credentials. */
  readonly auth: 'open' | 'required'

  /**
   * Publishes a message; resolves once it is committed, or, an ephemeral one, sent out. Throws
   * CarillonErrors of the catalogue.
   */
  publish(request: PublishRequest, options?: CallOptions): Promise<Published>
  /** Publishes at most 100 messages, all or nothing, in one commit and in this order. */
  publishMany(
    requests: readonly PublishRequest[],
    options?: CallOptions,
  ): Promise<readonly Published[]>
  /** A page of history, oldest first. */
  messages(request: HistoryRequest, options?: CallOptions): Promise<Page>
  /**
   * Messages as they are published. Resolves once every message that is committed from then on
   * will be delivered; leave the loop, or call `return()`, to unsubscribe.
   */
  subscribe(request: SubscribeRequest, options?: SubscribeOptions): Promise<Subscription>
  /** The same, with a handler. */
  subscribe(
    request: SubscribeRequest,
    handler: MessageHandler,
    options?: SubscribeOptions,
  ): Promise<HandlerSubscription>
  /**
   * Messages, and with them when each topic has caught up, where messages are missing, and which
   * snapshot to start from: look at `kind`. As `subscribe` else.
   */
  events(request: EventsRequest, options?: SubscribeOptions): Promise<Subscription<TopicEvent>>
  /** Records how far a durable reader has come. */
  ack(request: AckRequest, options?: CallOptions): Promise<Consumer>
  /**
   * Hands every message behind what a durable consumer has acknowledged to a handler, and acknowledges it.
   * All processes that consume the same share the topics between them.
   */
  consume(request: ConsumeRequest, options?: ConsumeCallOptions): Promise<RunningConsumer>
  /** Every message up to where the topics stand, in batches: nothing is acknowledged by itself. */
  catchUp(
    request: CatchUpRequest,
    options?: ConsumeCallOptions,
  ): AsyncGenerator<CatchUpBatch, undefined>
  /** A page of what consumers of the caller could not handle, by sequence. */
  deadLetters(request: DeadLetterPageRequest, options?: CallOptions): Promise<DeadLetterPage>
  /** Puts dead letters back to their consumers, which handle them again; answers how many. */
  replayDeadLetters(request: DeadLetterActionRequest, options?: CallOptions): Promise<number>
  /** Deletes dead letters; answers how many. */
  discardDeadLetters(request: DeadLetterActionRequest, options?: CallOptions): Promise<number>

  /** Who is in a topic, in the order of their user ids. */
  members(topic: string, options?: CallOptions): Promise<readonly PresenceMember[]>
  /**
   * Who is in some topics, as a SYNC followed by changes; with `enter`, the caller is there, too, until
   * the subscription ends.
   */
  presence(request: PresenceRequest, options?: PresenceOptions): Promise<PresenceSubscription>
  /** Says another state of a client that has entered a topic, here or over GraphQL. */
  updatePresence(
    request: { readonly topic: string; readonly state?: unknown },
    options?: CallOptions,
  ): Promise<PresenceMember>

  /** Saves a topic's state in the place of an older one. */
  saveSnapshot(request: SnapshotRequest, options?: CallOptions): Promise<Snapshot>
  /** The newest state of a topic that was saved; undefined where none was. */
  snapshot(topic: string, options?: CallOptions): Promise<Snapshot | undefined>

  /**
   * Removes every message of a topic, its consumers and its snapshot, and starts a new epoch; answers
   * where it stands then. An empty topic stays as it is.
   */
  purgeTopic(topic: string, options?: PurgeOptions & CallOptions): Promise<TopicState>

  /**
   * Puts middleware around operations: all, or those that are named. The first that was used is outermost. What is
   * open already stays as it is.
   */
  use<Name extends OperationName>(
    middleware: Middleware<Name>,
    options?: OperationMiddleware<Name>,
  ): void

  /**
   * Lets somebody in no more: what was issued to a user or a client up to now, or one token. On all instances
   * within a second, what they have open ends.
   */
  revoke(request: RevocationRequest): Promise<Revocation>
  /** Makes a key for a backend. It is in the answer, and nowhere else. */
  createApiKey(request: ApiKeyRequest): Promise<CreatedApiKey>
  /** All keys, without their secrets. */
  apiKeys(): Promise<readonly ApiKey[]>
  /** Revokes a key; answers false where there is none with this id, or it was revoked before. */
  revokeApiKey(id: string): Promise<boolean>

  /**
   * Asks `authorize` anew at once, on this instance: of what is open, what it no longer allows ends.
   * @param userId only of this user
   */
  reauthorize(userId?: string): Promise<void>

  /**
   * Removes at once what the retention no longer keeps, and what has expired. Without a call that
   * happens every `retentionIntervalMs`.
   */
  applyRetention(): Promise<RetentionReport>

  /** Answers requests to /graphql, /health and /metrics; all of it but WebSockets. */
  fetch(request: Request): Promise<Response>
  /** Serves /graphql, with WebSockets, and /health on a server of the host application. */
  attach(server: Server): void
  /** Serves on a port of its own, with `tls` over TLS; port 0 takes a free one. */
  listen(options?: ListenOptions): Promise<Address>
  health(): Promise<Health>
  /** What is counted, in the text format of Prometheus: what `GET /metrics` answers on a port of its own. */
  metrics(): Promise<string>
  /**
   * Stops accepting, finishes what is in flight, ends subscriptions, and closes everything within
   * 10 seconds. Idempotent.
   */
  close(): Promise<void>
}

import type { Server } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import type { GraphQLSchema } from 'graphql'
import type { Access } from './access/access.ts'
import type { ApiKey } from './access/api-key.ts'
import { type ApiKeyRequest, ApiKeys, type CreatedApiKey } from './access/api-keys.ts'
import { Arrivals } from './access/arrivals.ts'
import {
  DEFAULT_AUTHORIZE_CACHE_MS,
  DEFAULT_RENEWAL_MS,
  isOpenMode,
} from './access/auth-options.ts'
import type { Authenticator } from './access/authenticator.ts'
import { InFlight } from './access/in-flight.ts'
import { DEFAULT_LIMITS } from './access/limits.ts'
import { openAccess, openAuthenticator } from './access/open-access.ts'
import { Origins } from './access/origins.ts'
import { PrismaApiKeyStore } from './access/prisma-api-key-store.ts'
import { PrismaRevocationStore } from './access/prisma-revocation-store.ts'
import { inProduction } from './access/production.ts'
import { PublishLimiter } from './access/publish-limiter.ts'
import type { Revocation, RevocationRequest } from './access/revocation.ts'
import { Revocations } from './access/revocations.ts'
import { type Identity, viewerOf } from './access/viewer.ts'
import type { Bus } from './bus/bus.ts'
import { MemoryBus } from './bus/memory-bus.ts'
import { RedisBus } from './bus/redis-bus.ts'
import type {
  CallOptions,
  Carillon,
  CarillonOptions,
  ConsumeCallOptions,
  HandlerSubscription,
  MessageHandler,
  PresenceOptions,
  SubscribeOptions,
} from './carillon.ts'
import { type AckRequest, Acks } from './consumers/acks.ts'
import type { CatchUpBatch } from './consumers/catch-up.ts'
import type {
  CatchUpRequest,
  ConsumeRequest,
  RunningConsumer,
} from './consumers/consume-request.ts'
import type { Consumer } from './consumers/consumer-store.ts'
import { Consumers } from './consumers/consumers.ts'
import type { DeadLetterPage } from './consumers/dead-letter-store.ts'
import {
  type DeadLetterActionRequest,
  type DeadLetterPageRequest,
  DeadLetters,
} from './consumers/dead-letters.ts'
import { PrismaConsumerStore } from './consumers/prisma-consumer-store.ts'
import { PrismaDeadLetterStore } from './consumers/prisma-dead-letter-store.ts'
import { PrismaLeaseStore } from './consumers/prisma-lease-store.ts'
import type { Snapshot } from './core/snapshot.ts'
import type { Database } from './database/database.ts'
import { openEmbedded } from './database/embedded.ts'
import { openPostgresql } from './database/postgresql.ts'
import { Documents } from './graphql/documents.ts'
import {
  type PersistedOperations,
  readPersistedOperations,
} from './graphql/persisted-operations.ts'
import { schema } from './graphql/schema.ts'
import { Hub } from './hub/hub.ts'
import type { Subscription } from './hub/subscription.ts'
import { type EventsRequest, type SubscribeRequest, Subscriptions } from './hub/subscriptions.ts'
import type { TopicEvent } from './hub/topic-event.ts'
import { History, type HistoryRequest } from './log/history.ts'
import type { Page, TopicState } from './log/log.ts'
import { PrismaLog } from './log/prisma-log.ts'
import { PurgeSweeper } from './log/purge-sweeper.ts'
import type { Retention, RetentionReport } from './log/retention.ts'
import { parseRetention } from './log/retention-rules.ts'
import { RetentionSweeper } from './log/retention-sweeper.ts'
import type { Caller } from './operations/caller.ts'
import { type Middleware, Middlewares, type OperationMiddleware } from './operations/middleware.ts'
import type { OperationName } from './operations/operation.ts'
import { Operations } from './operations/operations.ts'
import { checkHealth, type Health } from './ops/health.ts'
import { createLogger, type Logger } from './ops/logger.ts'
import { Metrics } from './ops/metrics.ts'
import { MemoryPresenceStore } from './presence/memory-presence-store.ts'
import { DEFAULT_PRESENCE_BOUNDS, Presence, type PresenceRequest } from './presence/presence.ts'
import type { PresenceStore } from './presence/presence-store.ts'
import type { PresenceSubscription } from './presence/presence-subscription.ts'
import { RedisPresenceStore } from './presence/redis-presence-store.ts'
import type { PresenceMember } from './presence/session.ts'
import { CarillonError } from './protocol/errors.ts'
import type { PublishRequest } from './publish/publish-request.ts'
import { type Published, Publisher } from './publish/publisher.ts'
import { type PurgeOptions, Purger } from './publish/purger.ts'
import { type RedisAddress, redisAddressOf } from './redis/redis-address.ts'
import { MemoryResumeStore } from './resume/memory-resume-store.ts'
import { RedisResumeStore } from './resume/redis-resume-store.ts'
import type { ResumeStore } from './resume/resume-store.ts'
import { Resumptions } from './resume/resumptions.ts'
import { PrismaSnapshotStore } from './snapshots/prisma-snapshot-store.ts'
import { type SnapshotRequest, Snapshots } from './snapshots/snapshots.ts'
import type { Connection } from './transport/connection.ts'
import { ConnectionLimits } from './transport/connection-limits.ts'
import { createHttpHandler, type HttpHandler } from './transport/http.ts'
import { Intake } from './transport/intake.ts'
import { type Address, type ListenOptions, ServerTransport } from './transport/server.ts'
import { WebSocketTransport } from './transport/websocket.ts'

/**
 * Opens the database, applies the migrations and makes a server, which listens nowhere yet.
 * @throws DatabaseStartError where the database cannot be used
 * @throws TypeError where `redisUrl` is none, or `redis` is given too, or a rule of `retention` is none, or one of
 *   `origins`, or `trustProxy`
 */
export async function createCarillon(options: CarillonOptions = {}): Promise<Carillon> {
  const logger = options.logger ?? createLogger(options.logLevel ?? 'warn')
  redisAddressOf(options) // a mistake is told before anything is opened
  parseRetention(options.retention ?? [])
  doorOf(options)
  openAuthenticator(options, { verify: async () => undefined })
  const operations = await readOperations(options)
  if (operations !== undefined) new Documents(schemaOf(options), { operations })
  const database = await openDatabase(options, logger)
  try {
    const server = new CarillonServer({ database, operations, logger }, options)
    await server.start()
    return server
  } catch (error) {
    await database.close()
    throw error
  }
}

/** @throws PersistedOperationsError where the file cannot be read, or is no list of operations */
async function readOperations({ operationsFile: path }: CarillonOptions) {
  return path === undefined ? undefined : readPersistedOperations(path)
}

function schemaOf({ extendSchema }: CarillonOptions): GraphQLSchema {
  return extendSchema?.(schema) ?? schema
}

interface Opened {
  readonly database: Database
  readonly operations: PersistedOperations | undefined
  readonly logger: Logger
}

/** Who may come in from where, and what is shown to all. */
function doorOf({ origins, trustProxy, graphiql, introspection }: CarillonOptions) {
  const isDevelopment = !inProduction()
  return {
    origins: new Origins(origins, isDevelopment),
    arrivals: new Arrivals(trustProxy ?? false),
    graphiql: graphiql ?? isDevelopment,
    introspection: introspection ?? isDevelopment,
  }
}

function openDatabase(options: CarillonOptions, logger: Logger): Promise<Database> {
  const { databaseUrl, maxConnections, dataDir = './.carillon' } = options
  if (databaseUrl === undefined) return openEmbedded(dataDir)
  return openPostgresql({
    url: databaseUrl,
    ...(maxConnections === undefined ? {} : { maxConnections }),
    onFault: (error) => logger.warn({ error }, 'A connection to PostgreSQL broke.'),
  })
}

/** How often the retention is applied, in milliseconds. */
const RETENTION_INTERVAL_MS = 60_000

/** `close` resolves by then, in milliseconds, whatever does not answer. */
const CLOSE_DEADLINE_MS = 9_000

function openBus(address: RedisAddress | undefined, onFault: (error: unknown) => void): Bus {
  return address === undefined ? new MemoryBus(onFault) : new RedisBus({ address, onFault })
}

function openResumeStore(
  address: RedisAddress | undefined,
  onFault: (error: unknown) => void,
): ResumeStore {
  return address === undefined
    ? new MemoryResumeStore()
    : new RedisResumeStore({ address, onFault })
}

function openPresenceStore(
  address: RedisAddress | undefined,
  { leaseMs, onFault }: { readonly leaseMs: number; readonly onFault: (error: unknown) => void },
): PresenceStore {
  return address === undefined
    ? new MemoryPresenceStore()
    : new RedisPresenceStore({ address, leaseMs, onFault })
}

class CarillonServer implements Carillon {
  readonly schema: GraphQLSchema
  readonly database: Database
  readonly bus: Pick<Bus, 'kind'>
  readonly auth: 'open' | 'required'
  readonly #logger: Logger
  readonly #log: PrismaLog
  readonly #retention: Retention
  readonly #bus: Bus
  readonly #hub: Hub
  readonly #sweeper: PurgeSweeper
  readonly #acks: Acks
  readonly #consumers: Consumers
  readonly #presence: Presence
  readonly #connections: ConnectionLimits<Connection>
  readonly #metrics = new Metrics({
    presence: () => this.#presence.stats,
    connections: () => this.#connections.open,
  })
  readonly #resumeStore: ResumeStore
  readonly #resumptions: Resumptions
  readonly #middlewares = new Middlewares()
  readonly #revocations: Revocations
  readonly #apiKeys: ApiKeys
  readonly #access: Access
  readonly #authenticator: Authenticator
  readonly #publishLimiter: PublishLimiter
  readonly #operations: Operations
  readonly #recheckTimer: NodeJS.Timeout | undefined
  readonly #http: HttpHandler
  readonly #sockets: WebSocketTransport
  readonly #transport: ServerTransport
  #closing: Promise<void> | undefined

  constructor({ database, operations, logger }: Opened, options: CarillonOptions) {
    const limits = { ...DEFAULT_LIMITS, ...options.limits }
    const report = (error: unknown) => this.#report(error)
    const onLimit = (limit: string) => this.#metrics.limitExceeded(limit)
    const isOpen = isOpenMode(options)
    this.auth = isOpen ? 'open' : 'required'
    this.#revocations = new Revocations({
      store: new PrismaRevocationStore(database),
      onFault: report,
    })
    this.#access = openAccess(options, this.#revocations)
    this.#revocations.onRevoked(() => this.#access.applyRevocations())
    this.#apiKeys = new ApiKeys({
      store: new PrismaApiKeyStore(database),
      revocations: this.#revocations,
    })
    this.#authenticator = openAuthenticator(options, this.#apiKeys)
    this.#recheckTimer = this.#recheckEvery(options)
    this.#publishLimiter = new PublishLimiter({
      limits: isOpen ? { ...UNLIMITED_PUBLISHES, ...options.limits } : limits,
      address: redisAddressOf(options),
    })
    this.database = database
    this.#logger = logger
    this.#log = new PrismaLog(database, options.publishQueue)
    this.#retention = new RetentionSweeper({
      database,
      rules: parseRetention(options.retention ?? []),
      intervalMs: options.retentionIntervalMs ?? RETENTION_INTERVAL_MS,
      onFault: report,
    })
    this.#bus = openBus(redisAddressOf(options), report)
    this.bus = this.#bus
    this.#resumeStore = openResumeStore(redisAddressOf(options), report)
    this.#hub = new Hub({
      log: this.#log,
      bus: this.#bus,
      onFault: report,
      bounds: {
        maxBytes: limits.socketBufferBytes,
        maxTotalBytes: limits.bufferBytes,
        ...options.delivery,
      },
    })
    this.#sweeper = new PurgeSweeper({ database, onFault: report })
    const snapshots = new Snapshots({ store: new PrismaSnapshotStore(database), limits })
    const consumerStore = new PrismaConsumerStore(database)
    const deadLetterStore = new PrismaDeadLetterStore(database)
    const acks = new Acks(consumerStore)
    this.#acks = acks
    this.#consumers = new Consumers({
      log: this.#log,
      bus: this.#bus,
      acks,
      store: consumerStore,
      leases: new PrismaLeaseStore(database),
      deadLetters: deadLetterStore,
      limits,
      onFault: report,
    })
    const presenceBounds = { ...DEFAULT_PRESENCE_BOUNDS, ...options.presence }
    this.#presence = new Presence({
      store: openPresenceStore(redisAddressOf(options), { ...presenceBounds, onFault: report }),
      limits,
      bounds: presenceBounds,
    })
    this.#operations = new Operations({
      access: this.#access,
      middlewares: this.#middlewares,
      publishLimiter: this.#publishLimiter,
      pages: new InFlight({
        limit: 'historyPagesPerUser',
        max: isOpen ? Number.POSITIVE_INFINITY : limits.historyPagesPerUser,
      }),
      onLimit,
      limits,
      presence: this.#presence,
      log: this.#log,
      history: new History(this.#log, limits),
      publisher: new Publisher({ log: this.#log, bus: this.#bus, limits }),
      acks,
      consumers: this.#consumers,
      deadLetters: new DeadLetters({
        store: deadLetterStore,
        onReplay: (userId) => this.#consumers.replayed(userId),
        limits,
      }),
      purger: new Purger({
        log: this.#log,
        bus: this.#bus,
        onPurged: () => this.#sweeper.wake(),
      }),
      snapshots,
      subscriptions: new Subscriptions({ hub: this.#hub, consumers: acks, snapshots, limits }),
    })
    this.schema = schemaOf(options)
    const door = doorOf(options)
    const { introspection } = door
    const documents = new Documents(this.schema, { limits, introspection, operations, onLimit })
    const parts = {
      ...door,
      schema: this.schema,
      documents,
      operations: this.#operations,
      authenticator: this.#authenticator,
      report,
      limits,
      onLimit,
      perUser: isOpen
        ? undefined
        : new InFlight({ limit: 'connectionsPerUser', max: limits.connectionsPerUser }),
    }
    const intake = new Intake()
    this.#connections = new ConnectionLimits(limits, onLimit)
    this.#http = createHttpHandler({
      ...parts,
      connections: this.#connections,
      intake,
      metrics: this.#metrics,
      isShuttingDown: () => this.#closing !== undefined,
      readiness: async () => {
        const body = await this.health()
        return { ok: body.status !== 'unavailable', body }
      },
    })
    this.#resumptions = new Resumptions({
      store: this.#resumeStore,
      onFault: report,
      bounds: options.resume ?? {},
    })
    const { outboxes } = this.#hub
    this.#sockets = new WebSocketTransport({
      ...parts,
      connections: this.#connections,
      outboxes,
      intake,
      resumptions: this.#resumptions,
      access: this.#access,
      renewalMs: options.renewalMs ?? DEFAULT_RENEWAL_MS,
    })
    const { origins, arrivals } = door
    this.#transport = new ServerTransport({
      handler: this.#http,
      sockets: this.#sockets,
      origins,
      arrivals,
      intake,
    })
  }

  async publish(request: PublishRequest, { as }: CallOptions = {}): Promise<Published> {
    this.#ensureOpen()
    return this.#operations.publish(request, callerOf(as))
  }

  async publishMany(
    requests: readonly PublishRequest[],
    { as }: CallOptions = {},
  ): Promise<readonly Published[]> {
    this.#ensureOpen()
    return this.#operations.publishMany(requests, callerOf(as))
  }

  async messages(request: HistoryRequest, { as }: CallOptions = {}): Promise<Page> {
    this.#ensureOpen()
    return this.#operations.history(request, callerOf(as))
  }

  subscribe(request: SubscribeRequest, options?: SubscribeOptions): Promise<Subscription>
  subscribe(
    request: SubscribeRequest,
    handler: MessageHandler,
    options?: SubscribeOptions,
  ): Promise<HandlerSubscription>
  async subscribe(
    request: SubscribeRequest,
    second: MessageHandler | SubscribeOptions = {},
    third: SubscribeOptions = {},
  ): Promise<Subscription | HandlerSubscription> {
    if (typeof second !== 'function') return this.#open(request, second)
    return handle(await this.#open(request, third), second)
  }

  async events(
    request: EventsRequest,
    options: SubscribeOptions = {},
  ): Promise<Subscription<TopicEvent>> {
    this.#ensureOpen()
    options.signal?.throwIfAborted()
    const caller = callerOf(options.as, options.signal)
    return this.#operations.subscribeToEvents(request, caller, options)
  }

  async ack(request: AckRequest, { as }: CallOptions = {}): Promise<Consumer> {
    this.#ensureOpen()
    return this.#operations.ack(request, callerOf(as))
  }

  async consume(
    request: ConsumeRequest,
    { as, signal }: ConsumeCallOptions = {},
  ): Promise<RunningConsumer> {
    this.#ensureOpen()
    return this.#operations.consume(request, callerOf(as, signal))
  }

  catchUp(
    request: CatchUpRequest,
    { as, signal }: ConsumeCallOptions = {},
  ): AsyncGenerator<CatchUpBatch, undefined> {
    this.#ensureOpen()
    return this.#operations.catchUp(request, callerOf(as, signal))
  }

  async deadLetters(
    request: DeadLetterPageRequest,
    { as }: CallOptions = {},
  ): Promise<DeadLetterPage> {
    this.#ensureOpen()
    return this.#operations.deadLetters(request, callerOf(as))
  }

  async replayDeadLetters(
    request: DeadLetterActionRequest,
    { as }: CallOptions = {},
  ): Promise<number> {
    this.#ensureOpen()
    return this.#operations.replayDeadLetters(request, callerOf(as))
  }

  async discardDeadLetters(
    request: DeadLetterActionRequest,
    { as }: CallOptions = {},
  ): Promise<number> {
    this.#ensureOpen()
    return this.#operations.discardDeadLetters(request, callerOf(as))
  }

  async members(topic: string, { as }: CallOptions = {}): Promise<readonly PresenceMember[]> {
    this.#ensureOpen()
    return this.#operations.members({ topic }, callerOf(as))
  }

  async presence(
    request: PresenceRequest,
    { as, signal }: PresenceOptions = {},
  ): Promise<PresenceSubscription> {
    this.#ensureOpen()
    signal?.throwIfAborted()
    return this.#operations.presence(request, callerOf(as, signal))
  }

  async updatePresence(
    request: { readonly topic: string; readonly state?: unknown },
    { as }: CallOptions = {},
  ): Promise<PresenceMember> {
    this.#ensureOpen()
    return this.#operations.updatePresence(request, callerOf(as))
  }

  async saveSnapshot(request: SnapshotRequest, { as }: CallOptions = {}): Promise<Snapshot> {
    this.#ensureOpen()
    return this.#operations.saveSnapshot(request, callerOf(as))
  }

  async snapshot(topic: string, { as }: CallOptions = {}): Promise<Snapshot | undefined> {
    this.#ensureOpen()
    return this.#operations.snapshot({ topic }, callerOf(as))
  }

  async purgeTopic(
    topic: string,
    { as, ...options }: PurgeOptions & CallOptions = {},
  ): Promise<TopicState> {
    this.#ensureOpen()
    return this.#operations.purge({ topic, ...options }, callerOf(as))
  }

  /** Before anyone is let in: who was revoked before is known then. */
  async start(): Promise<void> {
    if (this.auth === 'required') await this.#revocations.start()
  }

  revoke(request: RevocationRequest): Promise<Revocation> {
    this.#ensureOpen()
    return this.#revocations.revoke(request)
  }

  createApiKey(request: ApiKeyRequest): Promise<CreatedApiKey> {
    this.#ensureOpen()
    return this.#apiKeys.create(request)
  }

  apiKeys(): Promise<readonly ApiKey[]> {
    this.#ensureOpen()
    return this.#apiKeys.list()
  }

  revokeApiKey(id: string): Promise<boolean> {
    this.#ensureOpen()
    return this.#apiKeys.revoke(id)
  }

  async reauthorize(userId?: string): Promise<void> {
    await this.#access.reauthorize(userId)
  }

  use<Name extends OperationName>(
    middleware: Middleware<Name>,
    options: OperationMiddleware<Name> = {},
  ): void {
    this.#middlewares.use(middleware, options)
  }

  async applyRetention(): Promise<RetentionReport> {
    this.#ensureOpen()
    return this.#retention.apply()
  }

  async fetch(request: Request): Promise<Response> {
    return this.#http.fetch(request)
  }

  attach(server: Server): void {
    this.#transport.attach(server)
  }

  listen(options: ListenOptions = {}): Promise<Address> {
    return this.#transport.listen(options)
  }

  health(): Promise<Health> {
    return checkHealth({
      ping: () => this.#log.ping(),
      isBusConnected: () => this.#bus.isConnected,
      isShuttingDown: () => this.#closing !== undefined,
    })
  }

  metrics(): Promise<string> {
    return this.#metrics.text()
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /**
   * From the outside in: each part can still use what is behind it until it is done. A part that is not
   * done in time, such as a database that does not answer, is left behind.
   */
  async #close(): Promise<void> {
    const tooLate = delay(CLOSE_DEADLINE_MS, undefined, { ref: false })
    await Promise.race([this.#closeParts(), tooLate])
  }

  async #closeParts(): Promise<void> {
    const retentionClosed = this.#retention.close()
    await this.#transport.close()
    await this.#resumptions.close()
    await this.#resumeStore[Symbol.asyncDispose]()
    await this.#presence.close()
    await this.#consumers.close()
    await this.#acks.close()
    this.#publishLimiter.close()
    clearInterval(this.#recheckTimer)
    await this.#log.close()
    await this.#hub.close()
    await this.#sweeper.close()
    await this.#bus.close()
    await this.#revocations.close()
    await retentionClosed
    await this.database.close()
  }

  async #open(request: SubscribeRequest, options: SubscribeOptions): Promise<Subscription> {
    this.#ensureOpen()
    options.signal?.throwIfAborted()
    return this.#operations.subscribe(request, callerOf(options.as, options.signal), options)
  }

  /** What is open stays so only as long as `authorize` says yes. */
  #recheckEvery({ authorize, authorizeCacheMs }: CarillonOptions): NodeJS.Timeout | undefined {
    if (authorize === undefined) return undefined
    const everyMs = Math.max(100, authorizeCacheMs ?? DEFAULT_AUTHORIZE_CACHE_MS)
    let isRunning = false
    const recheck = async () => {
      if (isRunning) return
      isRunning = true
      try {
        await this.#access.recheck()
      } finally {
        isRunning = false
      }
    }
    return setInterval(() => void recheck(), everyMs).unref()
  }

  #ensureOpen(): void {
    if (this.#closing !== undefined) throw new CarillonError('SHUTTING_DOWN')
  }

  #report(error: unknown): void {
    if (error instanceof CarillonError) this.#logger.warn({ error }, error.message)
    else this.#logger.error({ error }, 'Something unexpected went wrong.')
  }
}

function callerOf(as: Identity | undefined, signal?: AbortSignal): Caller {
  return { viewer: viewerOf(as), signal }
}

/** In open mode anyone may be anyone: how much one user publishes says nothing. */
const UNLIMITED_PUBLISHES = { publishesPerSecondPerUser: 0, publishesPerSecondPerTopic: 0 }

function handle(subscription: Subscription, handler: MessageHandler): HandlerSubscription {
  const ended = run(subscription, handler)
  ended.catch(() => undefined) // who wants to know awaits `ended`
  const unsubscribe = async () => subscription.close()
  return {
    ended,
    unsubscribe,
    get dropped() {
      return subscription.dropped
    },
    get isPaused() {
      return subscription.isPaused
    },
    resume: () => subscription.resume(),
    [Symbol.asyncDispose]: unsubscribe,
  }
}

async function run(subscription: Subscription, handler: MessageHandler): Promise<void> {
  for await (const message of subscription) {
    if (subscription.isClosed) return // it was handed over before the subscription ended
    await handler(message)
  }
}

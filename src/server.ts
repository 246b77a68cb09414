import type { Server } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import type { GraphQLSchema } from 'graphql'
import { DEFAULT_LIMITS } from './access/limits.ts'
import { viewerOf } from './access/viewer.ts'
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
import { parseTopicName } from './core/topic-name.ts'
import type { Database } from './database/database.ts'
import { openEmbedded } from './database/embedded.ts'
import { openPostgresql } from './database/postgresql.ts'
import type { Services } from './graphql/context.ts'
import { Documents } from './graphql/documents.ts'
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
import { createHttpHandler, type HttpHandler } from './transport/http.ts'
import { type Address, ServerTransport } from './transport/server.ts'
import { WebSocketTransport } from './transport/websocket.ts'

/**
 * Opens the database, applies the migrations and makes a server, which listens nowhere yet.
 * @throws DatabaseStartError where the database cannot be used
 * @throws TypeError where `redisUrl` is none, or `redis` is given too, or a rule of `retention` is none
 */
export async function createCarillon(options: CarillonOptions = {}): Promise<Carillon> {
  const logger = options.logger ?? createLogger(options.logLevel ?? 'warn')
  redisAddressOf(options) // a mistake is told before anything is opened
  parseRetention(options.retention ?? [])
  return new CarillonServer(await openDatabase(options, logger), options, logger)
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
  readonly #logger: Logger
  readonly #log: PrismaLog
  readonly #retention: Retention
  readonly #bus: Bus
  readonly #hub: Hub
  readonly #sweeper: PurgeSweeper
  readonly #consumers: Consumers
  readonly #presence: Presence
  readonly #metrics = new Metrics({ presence: () => this.#presence.stats })
  readonly #resumeStore: ResumeStore
  readonly #resumptions: Resumptions
  readonly #services: Services
  readonly #http: HttpHandler
  readonly #transport: ServerTransport
  #closing: Promise<void> | undefined

  constructor(database: Database, options: CarillonOptions, logger: Logger) {
    const limits = { ...DEFAULT_LIMITS, ...options.limits }
    const report = (error: unknown) => this.#report(error)
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
      bounds: options.delivery ?? {},
    })
    this.#sweeper = new PurgeSweeper({ database, onFault: report })
    const snapshots = new Snapshots({ store: new PrismaSnapshotStore(database), limits })
    const consumerStore = new PrismaConsumerStore(database)
    const deadLetterStore = new PrismaDeadLetterStore(database)
    const acks = new Acks(consumerStore)
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
    this.#services = {
      limits,
      presence: this.#presence,
      log: this.#log,
      history: new History(this.#log, limits),
      publisher: new Publisher({ log: this.#log, bus: this.#bus, limits }),
      acks,
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
    }
    this.schema = options.extendSchema?.(schema) ?? schema
    const documents = new Documents(this.schema)
    const parts = { schema: this.schema, documents, services: this.#services, report }
    this.#http = createHttpHandler({
      ...parts,
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
    const sockets = new WebSocketTransport({ ...parts, outboxes, resumptions: this.#resumptions })
    this.#transport = new ServerTransport(this.#http, sockets)
  }

  async publish(request: PublishRequest, { as }: CallOptions = {}): Promise<Published> {
    this.#ensureOpen()
    return this.#services.publisher.publish(request, viewerOf(as))
  }

  async publishMany(
    requests: readonly PublishRequest[],
    { as }: CallOptions = {},
  ): Promise<readonly Published[]> {
    this.#ensureOpen()
    return this.#services.publisher.publishMany(requests, viewerOf(as))
  }

  async messages(request: HistoryRequest, { as }: CallOptions = {}): Promise<Page> {
    this.#ensureOpen()
    return this.#services.history.page(request, viewerOf(as))
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
    const { subscriptions } = this.#services
    const events = await subscriptions.openEvents(request, viewerOf(options.as), options)
    if (options.signal !== undefined) events.closeOn(options.signal)
    return events
  }

  async ack(request: AckRequest, { as }: CallOptions = {}): Promise<Consumer> {
    this.#ensureOpen()
    return this.#services.acks.ack(request, viewerOf(as).userId)
  }

  async consume(
    request: ConsumeRequest,
    { as, signal }: ConsumeCallOptions = {},
  ): Promise<RunningConsumer> {
    this.#ensureOpen()
    return this.#consumers.consume(request, viewerOf(as), signal)
  }

  catchUp(
    request: CatchUpRequest,
    { as, signal }: ConsumeCallOptions = {},
  ): AsyncGenerator<CatchUpBatch, undefined> {
    this.#ensureOpen()
    return this.#consumers.catchUp(request, viewerOf(as), signal)
  }

  async deadLetters(
    request: DeadLetterPageRequest,
    { as }: CallOptions = {},
  ): Promise<DeadLetterPage> {
    this.#ensureOpen()
    return this.#services.deadLetters.page(request, viewerOf(as).userId)
  }

  async replayDeadLetters(
    request: DeadLetterActionRequest,
    { as }: CallOptions = {},
  ): Promise<number> {
    this.#ensureOpen()
    return this.#services.deadLetters.replay(request, viewerOf(as).userId)
  }

  async discardDeadLetters(
    request: DeadLetterActionRequest,
    { as }: CallOptions = {},
  ): Promise<number> {
    this.#ensureOpen()
    return this.#services.deadLetters.discard(request, viewerOf(as).userId)
  }

  async members(topic: string): Promise<readonly PresenceMember[]> {
    this.#ensureOpen()
    return this.#presence.members(topic)
  }

  async presence(
    request: PresenceRequest,
    { as, signal }: PresenceOptions = {},
  ): Promise<PresenceSubscription> {
    this.#ensureOpen()
    signal?.throwIfAborted()
    const subscription = await this.#presence.open(request, viewerOf(as))
    if (signal !== undefined) subscription.closeOn(signal)
    return subscription
  }

  async updatePresence(
    request: { readonly topic: string; readonly state?: unknown },
    { as }: CallOptions = {},
  ): Promise<PresenceMember> {
    this.#ensureOpen()
    return this.#presence.update(request, viewerOf(as))
  }

  async saveSnapshot(request: SnapshotRequest): Promise<Snapshot> {
    this.#ensureOpen()
    return this.#services.snapshots.save(request)
  }

  async snapshot(topic: string): Promise<Snapshot | undefined> {
    this.#ensureOpen()
    return this.#services.snapshots.snapshot(parseTopicName(topic))
  }

  async purgeTopic(topic: string, options: PurgeOptions = {}): Promise<TopicState> {
    this.#ensureOpen()
    return this.#services.purger.purge(topic, options)
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

  listen({ host = '127.0.0.1', port = 4000 } = {}): Promise<Address> {
    return this.#transport.listen(host, port)
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
    await this.#services.acks.close()
    await this.#log.close()
    await this.#hub.close()
    await this.#sweeper.close()
    await this.#bus.close()
    await retentionClosed
    await this.database.close()
  }

  async #open(request: SubscribeRequest, options: SubscribeOptions): Promise<Subscription> {
    this.#ensureOpen()
    options.signal?.throwIfAborted()
    const subscription = await this.#services.subscriptions.open(
      request,
      viewerOf(options.as),
      options,
    )
    if (options.signal !== undefined) subscription.closeOn(options.signal)
    return subscription
  }

  #ensureOpen(): void {
    if (this.#closing !== undefined) throw new CarillonError('SHUTTING_DOWN')
  }

  #report(error: unknown): void {
    if (error instanceof CarillonError) this.#logger.warn({ error }, error.message)
    else this.#logger.error({ error }, 'Something unexpected went wrong.')
  }
}

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

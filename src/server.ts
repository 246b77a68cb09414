import type { Server } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import type { GraphQLSchema } from 'graphql'
import type { ApiKey } from './access/api-key.ts'
import type { ApiKeyRequest, CreatedApiKey } from './access/api-keys.ts'
import { openAuthenticator } from './access/open-access.ts'
import type { Revocation, RevocationRequest } from './access/revocation.ts'
import { type Identity, viewerOf } from './access/viewer.ts'
import { type Assembly, assemble, type Opened, schemaOf } from './assembly/assemble.ts'
import { disassemble } from './assembly/disassemble.ts'
import { openDoor } from './assembly/door.ts'
import { openDatabase } from './assembly/open-database.ts'
import type {
  CallOptions,
  Carillon,
  CarillonOptions,
  ConsumeCallOptions,
  PresenceOptions,
  SubscribeOptions,
} from './carillon.ts'
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
import { Documents } from './graphql/documents.ts'
import { readPersistedOperations } from './graphql/persisted-operations.ts'
import {
  type HandlerSubscription,
  handle,
  type MessageHandler,
} from './hub/handler-subscription.ts'
import type { Subscription } from './hub/subscription.ts'
import type { EventsRequest, SubscribeRequest } from './hub/subscriptions.ts'
import type { TopicEvent } from './hub/topic-event.ts'
import type { HistoryRequest } from './log/history.ts'
import type { Page, TopicState } from './log/log.ts'
import type { RetentionReport } from './log/retention.ts'
import { parseRetention } from './log/retention-rules.ts'
import type { Caller } from './operations/caller.ts'
import type { Middleware, OperationMiddleware } from './operations/middleware.ts'
import type { OperationName } from './operations/operation.ts'
import type { Operations } from './operations/operations.ts'
import type { Health } from './ops/health.ts'
import { createLogger } from './ops/logger.ts'
import type { PresenceRequest } from './presence/presence.ts'
import type { PresenceSubscription } from './presence/presence-subscription.ts'
import type { PresenceMember } from './presence/session.ts'
import { CarillonError } from './protocol/errors.ts'
import type { PublishRequest } from './publish/publish-request.ts'
import type { Published } from './publish/publisher.ts'
import type { PurgeOptions } from './publish/purger.ts'
import { redisAddressOf } from './redis/redis-address.ts'
import type { SnapshotRequest } from './snapshots/snapshots.ts'
import type { Address, ListenOptions } from './transport/server.ts'

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
  openDoor(options)
  openAuthenticator(options, { verify: async () => undefined })
  const persisted = await readOperations(options)
  if (persisted !== undefined) new Documents(schemaOf(options), { operations: persisted })
  const database = await openDatabase(options, logger)
  try {
    const server = new CarillonServer({ database, persisted, logger }, options)
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

/** `close` resolves by then, in milliseconds, whatever does not answer. */
const CLOSE_DEADLINE_MS = 9_000

class CarillonServer implements Carillon {
  readonly #assembly: Assembly
  readonly #operations: Operations
  #closing: Promise<void> | undefined

  constructor(opened: Opened, options: CarillonOptions) {
    this.#assembly = assemble(opened, options, () => this.#closing !== undefined)
    this.#operations = this.#assembly.operations
  }

  get schema(): GraphQLSchema {
    return this.#assembly.schema
  }

  get database(): Carillon['database'] {
    return this.#assembly.database
  }

  get bus(): Carillon['bus'] {
    return this.#assembly.messaging.bus
  }

  get auth(): Carillon['auth'] {
    return this.#assembly.isOpen ? 'open' : 'required'
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
    if (this.auth === 'required') await this.#assembly.whoMay.revocations.start()
  }

  revoke(request: RevocationRequest): Promise<Revocation> {
    this.#ensureOpen()
    return this.#assembly.whoMay.revocations.revoke(request)
  }

  createApiKey(request: ApiKeyRequest): Promise<CreatedApiKey> {
    this.#ensureOpen()
    return this.#assembly.whoMay.apiKeys.create(request)
  }

  apiKeys(): Promise<readonly ApiKey[]> {
    this.#ensureOpen()
    return this.#assembly.whoMay.apiKeys.list()
  }

  revokeApiKey(id: string): Promise<boolean> {
    this.#ensureOpen()
    return this.#assembly.whoMay.apiKeys.revoke(id)
  }

  async reauthorize(userId?: string): Promise<void> {
    await this.#assembly.whoMay.access.reauthorize(userId)
  }

  use<Name extends OperationName>(
    middleware: Middleware<Name>,
    options: OperationMiddleware<Name> = {},
  ): void {
    this.#assembly.middlewares.use(middleware, options)
  }

  async applyRetention(): Promise<RetentionReport> {
    this.#ensureOpen()
    return this.#assembly.messaging.retention.apply()
  }

  async fetch(request: Request): Promise<Response> {
    return this.#assembly.transports.http.fetch(request)
  }

  attach(server: Server): void {
    this.#assembly.transports.server.attach(server)
  }

  listen(options: ListenOptions = {}): Promise<Address> {
    return this.#assembly.transports.server.listen(options)
  }

  health(): Promise<Health> {
    return this.#assembly.health()
  }

  metrics(): Promise<string> {
    return this.#assembly.metrics.text()
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** A part that is not closed in time, such as a database that does not answer, is left behind. */
  async #close(): Promise<void> {
    const tooLate = delay(CLOSE_DEADLINE_MS, undefined, { ref: false })
    await Promise.race([disassemble(this.#assembly), tooLate])
  }

  async #open(request: SubscribeRequest, options: SubscribeOptions): Promise<Subscription> {
    this.#ensureOpen()
    options.signal?.throwIfAborted()
    return this.#operations.subscribe(request, callerOf(options.as, options.signal), options)
  }

  #ensureOpen(): void {
    if (this.#closing !== undefined) throw new CarillonError('SHUTTING_DOWN')
  }
}

function callerOf(as: Identity | undefined, signal?: AbortSignal): Caller {
  return { viewer: viewerOf(as), signal }
}

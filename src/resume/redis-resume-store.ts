import { createHash } from 'node:crypto'
import { EventEmitter, once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import type { Cluster, Redis, Result } from 'ioredis'
import type { Baseline } from '../core/resume.ts'
import type { Epoch, Position, Sequence } from '../core/sequence.ts'
import type { TopicName, TopicWildcard } from '../core/topic-name.ts'
import type { RedisAddress } from '../redis/redis-address.ts'
import { connectionsTo, type RedisConnections } from '../redis/redis-connection.ts'
import { MemoryResumeStore } from './memory-resume-store.ts'
import { mergePlaces } from './merge-places.ts'
import type {
  Advance,
  AdvanceOutcome,
  OwnedRecord,
  ResumeKey,
  ResumeRecord,
  ResumeStore,
} from './resume-store.ts'

declare module 'ioredis' {
  interface RedisCommander<Context> {
    carillonResumeAdvance(
      key: string,
      owner: string,
      keepMs: number,
      ...fields: string[]
    ): Result<number, Context>
    carillonResumeRemove(key: string, owner: string): Result<number, Context>
  }
}

export interface RedisResumeStoreOptions {
  readonly address: RedisAddress
  readonly onFault: (error: unknown) => void
}

const PREFIX = 'carillon:resume:'
const BASELINE_PREFIX = 'carillon:baseline:'

/** How long a command may take, in milliseconds; then this instance's own memory has to do. */
const COMMAND_TIMEOUT_MS = 1_000

/** How long someone waits who may have a record in a Redis that is away, in milliseconds. */
const PATIENCE_MS = 2_000

/** How long after a failed command a connection that was cut knows it, in milliseconds. */
const SETTLE_MS = 50

/** How long other instances are given to put again what a Redis has lost, in milliseconds. */
const OTHERS_MS = 300

/** Fields of a hash: those with a topic have this in front. */
const TOPIC = 't:'

/** Lua takes a bounded number of arguments at once. */
const FIELDS_AT_ONCE = 2_000

/** Topics of a pattern whose heads are shared with other instances; of more, each record has its own topics only. */
const MAX_BASELINE = 50_000

const ADVANCE = `
  local owner = redis.call('HGET', KEYS[1], 'owner')
  if not owner then return 0 end
  if owner ~= ARGV[1] then return -1 end
  if #ARGV > 2 then redis.call('HSET', KEYS[1], unpack(ARGV, 3)) end
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  return 1`

const REMOVE = `
  if redis.call('HGET', KEYS[1], 'owner') == ARGV[1] then return redis.call('DEL', KEYS[1]) end
  return 0`

/**
 * For several instances. Each also remembers in its own memory: a client that comes back to the same
 * instance goes on while Redis is away, or has lost what it had.
 */
export class RedisResumeStore implements ResumeStore {
  readonly #own = new MemoryResumeStore()
  readonly #connections: RedisConnections
  readonly #redis: Redis | Cluster
  readonly #onFault: (error: unknown) => void
  readonly #events = new EventEmitter().setMaxListeners(0)
  #isWhole = false
  #isClosed = false
  #isAway = false

  constructor({ address, onFault }: RedisResumeStoreOptions) {
    this.#onFault = onFault
    this.#connections = connectionsTo(address, () => {}) // the bus tells of the same faults
    this.#redis = this.#connections.openForKeys()
    this.#redis.on('error', () => {})
    this.#redis.on('ready', () => void this.#onReady())
    this.#redis.on('close', () => {
      this.#isWhole = false
    })
    this.#redis.defineCommand('carillonResumeAdvance', { numberOfKeys: 1, lua: ADVANCE })
    this.#redis.defineCommand('carillonResumeRemove', { numberOfKeys: 1, lua: REMOVE })
  }

  /** Both have only what is certain: in each topic the later is. */
  async find(key: ResumeKey): Promise<ResumeRecord | undefined> {
    const own = await this.#own.find(key)
    if (own === undefined) return this.#findShared(key)
    const shared = await this.#try(() => this.#read(key), undefined)
    if (shared === undefined) return own
    if (own.digest !== shared.digest) return shared
    return { digest: shared.digest, places: mergePlaces(shared.places, own.places) }
  }

  async put(record: OwnedRecord, keepMs: number): Promise<void> {
    await this.#own.put(record, keepMs)
    await this.#try(() => this.#put(record, keepMs), undefined)
  }

  async advance(advances: readonly Advance[], keepMs: number): Promise<readonly AdvanceOutcome[]> {
    const own = await this.#own.advance(advances, keepMs)
    return Promise.all(
      advances.map((advance, index) =>
        this.#try(() => this.#advance(advance, keepMs), own[index] ?? 'missing'),
      ),
    )
  }

  async remove(key: ResumeKey, owner: string): Promise<void> {
    await this.#own.remove(key, owner)
    await this.#try(() => this.#redis.carillonResumeRemove(nameOf(key), owner), undefined)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true
    this.#redis.disconnect()
    this.#connections.close()
    await this.#own[Symbol.asyncDispose]()
  }

  /** Where nobody knows here: that Redis goes away meanwhile does not say that there is no record. */
  async #findShared(key: ResumeKey): Promise<ResumeRecord | undefined> {
    await this.#whole()
    const found = await this.#try<ResumeRecord | undefined | 'failed'>(
      () => this.#read(key),
      'failed',
    )
    if (found !== 'failed') return found
    await delay(SETTLE_MS, undefined, { ref: false }) // until the connection knows that it is cut
    await this.#whole()
    return this.#try(() => this.#read(key), undefined)
  }

  /** Redis may have come back without what it had: everyone puts again what they know. */
  async #onReady(): Promise<void> {
    const isFirst = this.#own.isEmpty
    for (const { record, leftMs } of this.#own.records()) {
      await this.#try(() => this.#putIfMissing(record, Math.ceil(leftMs)), undefined)
    }
    if (!isFirst) await delay(OTHERS_MS, undefined, { ref: false })
    this.#isWhole = this.#redis.status === 'ready' && !this.#isClosed
    this.#events.emit('whole')
  }

  /** Waits a moment for a Redis that is away, or that others are still putting into. */
  async #whole(): Promise<void> {
    if (this.#isWhole) return
    const signal = AbortSignal.timeout(PATIENCE_MS)
    await once(this.#events, 'whole', { signal }).catch(() => undefined) // too late: it does without
  }

  /** Where Redis has the record, it may be of a newer owner. */
  async #putIfMissing(record: OwnedRecord, keepMs: number): Promise<void> {
    if ((await this.#redis.exists(nameOf(record.key))) === 0) await this.#put(record, keepMs)
  }

  async #read(key: ResumeKey): Promise<ResumeRecord | undefined> {
    const fields = await this.#redis.hgetall(nameOf(key))
    const { digest, baselines: ids } = fields
    if (digest === undefined || ids === undefined) return undefined
    const topics = new Map<TopicName, Position>()
    for (const [field, text] of Object.entries(fields)) {
      if (field.startsWith(TOPIC)) topics.set(field.slice(2) as TopicName, positionOf(text))
    }
    const baselines = new Map<TopicWildcard, Baseline>()
    for (const [wildcard, id] of JSON.parse(ids) as [TopicWildcard, string][]) {
      const heads = await this.#readBaseline(id)
      if (heads === undefined) return undefined // without it, what is new cannot be told
      baselines.set(wildcard, { id, heads })
    }
    return { digest, places: { topics, baselines } }
  }

  async #put({ key, owner, digest, places }: OwnedRecord, keepMs: number): Promise<void> {
    const ids: [TopicWildcard, string][] = []
    for (const [wildcard, baseline] of places.baselines) {
      if (baseline.heads.size > MAX_BASELINE) return
      await this.#putBaseline(baseline, keepMs)
      ids.push([wildcard, baseline.id])
    }
    const name = nameOf(key)
    const put = this.#redis.multi().del(name) // a record without its positions would lose messages
    put.hset(name, { owner, digest, baselines: JSON.stringify(ids) })
    for (const fields of inChunks(fieldsOf(places.topics))) put.hset(name, ...fields)
    for (const [error] of (await put.pexpire(name, keepMs).exec()) ?? []) if (error) throw error
  }

  async #advance({ key, owner, topics }: Advance, keepMs: number): Promise<AdvanceOutcome> {
    let outcome = 1
    const chunks = topics.size === 0 ? [[]] : inChunks(fieldsOf(topics))
    for (const fields of chunks) {
      outcome = await this.#redis.carillonResumeAdvance(nameOf(key), owner, keepMs, ...fields)
      if (outcome !== 1) break
    }
    return outcome === 1 ? 'kept' : outcome === 0 ? 'missing' : 'superseded'
  }

  async #readBaseline(id: string): Promise<Baseline['heads'] | undefined> {
    const text = await this.#redis.get(BASELINE_PREFIX + id)
    if (text === null) return undefined
    const heads = JSON.parse(text) as [TopicName, string][]
    return new Map(heads.map(([topic, at]) => [topic, positionOf(at)]))
  }

  /** Written once, and kept for longer than the records that name it. */
  async #putBaseline({ id, heads }: Baseline, keepMs: number): Promise<void> {
    const name = BASELINE_PREFIX + id
    if ((await this.#redis.pexpire(name, 2 * keepMs)) === 1) return
    const text = JSON.stringify([...heads].map(([topic, at]) => [topic, textOf(at)]))
    await this.#redis.set(name, text, 'PX', 2 * keepMs)
  }

  /** What Redis answers, in time; else what the memory here has. Tells of a fault when it begins. */
  async #try<T>(work: () => Promise<T>, otherwise: T): Promise<T> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(
        () => reject(new Error('Redis did not answer in time.')),
        COMMAND_TIMEOUT_MS,
      )
    })
    try {
      const answer = await Promise.race([work(), late])
      this.#isAway = false
      return answer
    } catch (error) {
      if (!this.#isAway) this.#onFault(error)
      this.#isAway = true
      return otherwise
    } finally {
      clearTimeout(timer)
    }
  }
}

/** Names may be long and hold anything; a hash is neither. */
function nameOf({ userId, clientId, operationId }: ResumeKey): string {
  const text = JSON.stringify([userId, clientId, operationId])
  return PREFIX + createHash('sha256').update(text).digest('base64url')
}

/** Names of fields and their values, by turns. */
function fieldsOf(topics: ReadonlyMap<TopicName, Position>): string[] {
  return [...topics].flatMap(([topic, position]) => [TOPIC + topic, textOf(position)])
}

function* inChunks(fields: readonly string[]): Generator<readonly string[]> {
  for (let start = 0; start < fields.length; start += FIELDS_AT_ONCE) {
    yield fields.slice(start, start + FIELDS_AT_ONCE)
  }
}

function textOf({ epoch, sequence }: Position): string {
  return `${sequence} ${epoch}`
}

function positionOf(text: string): Position {
  const space = text.indexOf(' ')
  return {
    sequence: Number(text.slice(0, space)) as Sequence,
    epoch: text.slice(space + 1) as Epoch,
  }
}

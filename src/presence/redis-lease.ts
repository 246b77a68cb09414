import { randomUUID } from 'node:crypto'
import type { Cluster, Redis } from 'ioredis'
import type { TopicName } from '../core/topic-name.ts'
import { DATASET, LEASES, READY, sweepOf, topicsOf } from './presence-wire.ts'

/** Names in one command. */
const AT_ONCE = 1_000

/** How long an instance has to take away the sessions of a dead one, until another one tries, in milliseconds. */
const SWEEP_MS = 10_000

/** How much later than its time a renewal may come, as a part of the interval. */
const PUNCTUAL = 1.5

export interface LeaseNews {
  /** Whether this instance had its lease all the time. */
  readonly isHeld: boolean
  /** Whether Redis has lost what it had. */
  readonly isDatasetNew: boolean
  /** Instances whose lease has run out. */
  readonly expired: readonly string[]
}

/**
 * An instance's word that it is alive, which it gives again and again: one command, however many sessions it
 * has. Each time that the word is broken, the instance goes on under another name.
 */
export class RedisLease {
  /** What the names of this instance begin with; no other instance's do. */
  readonly owner = `${randomUUID()}.`
  readonly #redis: Redis | Cluster
  readonly #leaseMs: number
  #generation = 0
  #dataset: string | undefined
  #renewedAt = Number.NEGATIVE_INFINITY
  #punctualSince = Number.POSITIVE_INFINITY
  #nextMs = -1
  #others: ReadonlySet<string> = new Set()
  /** Where Redis knows that this instance has sessions. */
  #topics = new Set<TopicName>()

  constructor(redis: Redis | Cluster, leaseMs: number) {
    this.#redis = redis
    this.#leaseMs = leaseMs
  }

  /** Whether it has ever had one. */
  get hasBegun(): boolean {
    return this.#generation > 0
  }

  /** The name of this instance until the lease is broken. */
  get name(): string {
    return `${this.owner}${this.#generation}.`
  }

  get intervalMs(): number {
    return this.#leaseMs / 3
  }

  /** When to look again, in milliseconds: the next lease of another instance may run out before the own interval. */
  get nextMs(): number {
    const { intervalMs } = this
    return this.#nextMs < 0 ? intervalMs : Math.min(intervalMs, this.#nextMs + 1)
  }

  /** Whether the lease cannot have run out: by the own clock, which goes on while the process is stopped. */
  get isSure(): boolean {
    return performance.now() - this.#renewedAt < this.#leaseMs / 2
  }

  /**
   * Whether others may be held for dead: not while it may be Redis, or this instance, that was away, and the
   * others had no time yet to say that they are alive.
   */
  get isSteady(): boolean {
    return performance.now() - this.#punctualSince >= this.#leaseMs
  }

  isAlive(instance: string): boolean {
    return instance === this.name || this.#others.has(instance)
  }

  /** Whether this is, or was, a name of this instance. */
  isMine(instance: string): boolean {
    return instance.startsWith(this.owner)
  }

  /** Asks Redis whether an instance has a lease, or had one that nobody has cleared away yet. */
  async isKnown(instance: string): Promise<boolean> {
    return (await this.#redis.zscore(LEASES, instance)) !== null
  }

  /** Asks whether Redis has lost what it had since this instance last heard of it. */
  async isDatasetNew(): Promise<boolean> {
    return this.#dataset !== undefined && (await this.#redis.get(DATASET)) !== this.#dataset
  }

  /** Begins a new lease under a new name. */
  async begin(): Promise<LeaseNews> {
    this.#generation++
    this.#topics = new Set()
    return this.#renew('1')
  }

  renew(): Promise<LeaseNews> {
    return this.#renew('0')
  }

  /** To be called before the first session of a topic. */
  async enter(topics: readonly TopicName[]): Promise<void> {
    const missing = topics.filter((topic) => !this.#topics.has(topic))
    for (let start = 0; start < missing.length; start += AT_ONCE) {
      const some = missing.slice(start, start + AT_ONCE)
      const members = some.flatMap((topic) => ['0', topic])
      const name = topicsOf(this.name)
      const known = this.#topics
      await this.#redis.zadd(name, ...members)
      for (const topic of some) known.add(topic)
    }
  }

  /** To be called after the last session of a topic. */
  async leave(topic: TopicName): Promise<void> {
    if (this.#topics.delete(topic)) await this.#redis.zrem(topicsOf(this.name), topic)
  }

  /** Says that all sessions of this instance are there. */
  async ready(): Promise<void> {
    await this.#redis.sadd(READY, this.name)
  }

  async readyOwners(): Promise<ReadonlySet<string>> {
    return new Set((await this.#redis.smembers(READY)).map(ownerOf))
  }

  /** Where instances have sessions, of those topics that begin so. */
  async topicsWith(prefix: string): Promise<ReadonlySet<TopicName>> {
    const found = new Set<TopicName>()
    for (const instance of await this.#redis.zrange(LEASES, '0', '-1')) {
      for await (const topic of this.#topicsOf(instance, prefix)) found.add(topic)
    }
    return found
  }

  /**
   * Takes away what is left of another instance, or of this one under an older name.
   * @param evict takes its sessions in some topics away
   * @returns whether it was done, and not by another instance meanwhile
   */
  async sweep(
    instance: string,
    evict: (topics: readonly TopicName[]) => Promise<void>,
  ): Promise<boolean> {
    const claim = await this.#redis.set(sweepOf(instance), this.name, 'PX', SWEEP_MS, 'NX')
    if (claim === null) return false
    let page: TopicName[] = []
    for await (const topic of this.#topicsOf(instance, '')) {
      page.push(topic)
      if (page.length === AT_ONCE) {
        await evict(page)
        page = []
      }
    }
    if (page.length > 0) await evict(page)
    await this.#redis.del(topicsOf(instance))
    await this.#redis.srem(READY, instance)
    const removed = await this.#redis.zrem(LEASES, instance)
    await this.#redis.del(sweepOf(instance))
    return removed > 0
  }

  /** Lets the lease run out after so long. */
  async end(afterMs: number): Promise<void> {
    await this.#redis.carillonPresenceExpire(LEASES, this.name, Math.ceil(afterMs))
  }

  async #renew(isNew: '0' | '1'): Promise<LeaseNews> {
    const askedAt = performance.now()
    const [isHeld, dataset, nextMs, expired, others] = await this.#redis.carillonPresenceRenew(
      ...([LEASES, DATASET, this.name, this.#leaseMs, isNew, randomUUID()] as const),
    )
    if (askedAt - this.#renewedAt > PUNCTUAL * this.intervalMs) this.#punctualSince = askedAt
    if (isHeld === 1) this.#renewedAt = askedAt
    const isDatasetNew = this.#dataset !== undefined && this.#dataset !== dataset
    this.#dataset = dataset
    this.#nextMs = nextMs
    this.#others = new Set(others)
    return {
      isHeld: isHeld === 1 && !isDatasetNew,
      isDatasetNew,
      expired: expired.filter((instance) => instance !== this.name),
    }
  }

  async *#topicsOf(instance: string, prefix: string): AsyncGenerator<TopicName, undefined> {
    const key = topicsOf(instance)
    const end = prefix === '' ? '+' : `[${prefix}~` // behind all characters that names have
    let from = prefix === '' ? '-' : `[${prefix}`
    for (;;) {
      const page = await this.#redis.zrangebylex(key, from, end, 'LIMIT', 0, AT_ONCE)
      for (const topic of page) yield topic as TopicName
      const last = page.at(-1)
      if (last === undefined || page.length < AT_ONCE) return undefined
      from = `(${last}`
    }
  }
}

/** Whose name this is, whichever of its leases it is of. */
export function ownerOf(instance: string): string {
  return instance.slice(0, instance.indexOf('.') + 1)
}

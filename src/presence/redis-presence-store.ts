import { randomUUID } from 'node:crypto'
import { EventEmitter, once } from 'node:events'
import type { Cluster, Redis } from 'ioredis'
import type { TopicName, TopicPattern } from '../core/topic-name.ts'
import type { RedisAddress } from '../redis/redis-address.ts'
import { connectionsTo, type RedisConnections } from '../redis/redis-connection.ts'
import { definePresenceScripts } from './presence-scripts.ts'
import type { PresenceListener, PresenceStore, StoreCounts, Watching } from './presence-store.ts'
import {
  channelOf,
  fieldsOf,
  keyOfTopic,
  READY_CHANNEL,
  type RosterPlace,
  type SharedRoster,
  type SharedSession,
} from './presence-wire.ts'
import { type LeaseNews, ownerOf, RedisLease } from './redis-lease.ts'
import { RedisRosters } from './redis-rosters.ts'
import { Roster, type RosterChange } from './roster.ts'
import type { PresenceStep, Session } from './session.ts'

export interface RedisPresenceStoreOptions {
  readonly address: RedisAddress
  /** How long the sessions of an instance that gives no sign of life stay, in milliseconds. */
  readonly leaseMs: number
  readonly onFault: (error: unknown) => void
}

/** How long a command may take, in milliseconds; then it is as if Redis were away. */
const COMMAND_TIMEOUT_MS = 1_000

/** The pause before Redis is tried again that answers, but not as it should, in milliseconds. */
const RETRY_MS = 500

/** Topics that are put into Redis again side by side. */
const TOPICS_AT_ONCE = 100

/** How long the first watchers wait for the connection, in milliseconds. */
const FIRST_CONNECTION_MS = 1_000

/**
 * For several instances. Each keeps the sessions of its own clients in memory, too: they are what it puts into Redis
 * again when that was away, and what its watchers go on with until then.
 */
export class RedisPresenceStore implements PresenceStore {
  readonly kind = 'redis'
  readonly #connections: RedisConnections
  readonly #redis: Redis | Cluster
  readonly #rosters: RedisRosters
  readonly #lease: RedisLease
  readonly #leaseMs: number
  readonly #onFault: (error: unknown) => void
  readonly #own = new Map<TopicName, Roster>()
  /** Topics in which Redis may have other sessions of this instance than there are. */
  readonly #unsent = new Set<TopicName>()
  /** Redis has all sessions of this instance, and no others of it. */
  #isWhole = false
  readonly #events = new EventEmitter()
  #recovering: Promise<void> | undefined
  #first: Promise<unknown> | undefined
  #sweeping: Promise<void> | undefined
  #timer: NodeJS.Timeout | undefined
  #comparedAt = performance.now()
  /** Until when sessions that Redis has lost are kept, on the clock of `performance.now()`. */
  #returnsUntil = 0
  #expiredLeases = 0
  #isFaultTold = false
  #isClosed = false

  constructor({ address, leaseMs, onFault }: RedisPresenceStoreOptions) {
    this.#onFault = onFault
    this.#leaseMs = leaseMs
    this.#connections = connectionsTo(address, () => {}) // the bus tells of the same faults
    this.#redis = this.#connections.openForKeys()
    this.#redis.on('error', () => {})
    this.#redis.on('close', () => this.#lose())
    this.#redis.on('ready', () => this.#begin(this.#recover()))
    definePresenceScripts(this.#redis)
    this.#lease = new RedisLease(this.#redis, leaseMs)
    this.#rosters = new RedisRosters({
      redis: this.#redis,
      subscriber: this.#connections.open({ enableOfflineQueue: true }),
      host: {
        own: (topic) => [...(this.#own.get(topic)?.sessions() ?? [])].map((it) => this.#stamp(it)),
        ownTopics: () => this.#own.keys(),
        topicsWith: (prefix) => this.#lease.topicsWith(prefix),
        mayReturn: () => this.#mayReturn(),
        onChanges: (topic, changes) => this.#onChanges(topic, changes),
        onRead: (topic, roster) => this.#onRead(topic, roster),
        onReady: (instance) => this.#rosters.dropUnconfirmed(ownerOf(instance)),
        attempt: (work) => this.#attempt(work),
        onFault,
      },
    })
    this.#schedule(this.#lease.intervalMs)
  }

  get counts(): StoreCounts {
    let sessions = 0
    for (const roster of this.#own.values()) sessions += roster.size
    return { sessions, expiredLeases: this.#expiredLeases }
  }

  async apply(topic: TopicName, step: PresenceStep): Promise<void> {
    if (this.#isClosed) return
    this.#note(topic, step)
    await this.#connected()
    if (this.#isWhole) {
      const place = await this.#attempt(() => this.#send(topic, step))
      if (place !== undefined) return this.#rosters.see(topic, place)
    }
    this.#unsent.add(topic)
    const { kind, session } = step
    const change = kind === 'leave' ? 'remove' : 'put'
    this.#rosters.applyHere(topic, { kind: change, session: this.#stamp(session) })
  }

  async watch(pattern: TopicPattern, listener: PresenceListener): Promise<Watching> {
    await this.#connected()
    return this.#rosters.watch(pattern, listener)
  }

  roster(topic: TopicName): Roster | undefined {
    return this.#rosters.get(topic)
  }

  async read(topic: TopicName): Promise<Roster> {
    await this.#connected()
    const read = this.#isWhole ? await this.#attempt(() => this.#rosters.read(topic)) : undefined
    if (read !== undefined) {
      this.#evictGhosts(topic, read.sessions)
      return new Roster(read.sessions)
    }
    const known = this.#rosters.get(topic) ?? this.#own.get(topic)
    return new Roster(known?.sessions())
  }

  async close(graceMs: number): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    clearTimeout(this.#timer)
    const isNeeded = this.#isWhole && this.#lease.isSure
    if (isNeeded) await this.#attempt(() => this.#lease.end(this.#own.size > 0 ? graceMs : 0))
    this.#rosters.close()
    this.#redis.disconnect()
    this.#connections.close()
  }

  /** What is sent in the same turn of the event loop goes out together. */
  async #send(topic: TopicName, step: PresenceStep): Promise<RosterPlace> {
    if (!this.#lease.isSure) this.#hear(await this.#lease.renew())
    if (!this.#isWhole) throw new Error('The lease was lost.')
    if (step.kind === 'enter') await this.#lease.enter([topic])
    const [seat, value] = fieldsOf(this.#stamp(step.session))
    const [incarnation, revision] = await this.#redis.carillonPresenceStep(
      ...([keyOfTopic(topic), channelOf(topic), randomUUID(), step.kind, seat, value] as const),
    )
    if (!this.#own.has(topic)) await this.#lease.leave(topic)
    return { incarnation, revision }
  }

  /** A session of another instance stays one of that. */
  #stamp(session: Session): SharedSession {
    const isOwn = !('instance' in session) || this.#lease.isMine(String(session.instance))
    return isOwn ? { ...session, instance: this.#lease.name } : (session as SharedSession)
  }

  /** Remembers what is to be in Redis of this instance. */
  #note(topic: TopicName, { kind, session }: PresenceStep): void {
    const own = this.#own.get(topic) ?? new Roster()
    if (kind === 'enter' || (kind === 'say' && own.has(session))) own.put(session)
    if (kind === 'leave') own.remove(session)
    if (own.size === 0) this.#own.delete(topic)
    else this.#own.set(topic, own)
  }

  /** What others have done to sessions of this instance. */
  #onChanges(topic: TopicName, changes: readonly RosterChange[]): void {
    for (const { kind, session } of changes) {
      const own = this.#own.get(topic)?.at(session)
      if (own === undefined) continue
      if (own.id !== session.id) {
        // Its client is elsewhere now; an older one is about to find out that it is not.
        if (kind === 'put') this.#note(topic, { kind: 'leave', session: own })
      } else if (kind === 'put') this.#note(topic, { kind: 'say', session })
      else this.#begin(this.apply(topic, { kind: 'enter', session: own })) // held for dead
    }
  }

  /** Takes away what is of no instance any more, and puts back what is missing of this one. */
  #onRead(topic: TopicName, { sessions }: SharedRoster): void {
    const present = new Set(sessions.map(({ id }) => id))
    for (const own of this.#own.get(topic)?.sessions() ?? []) {
      if (!present.has(own.id) && this.#isWhole)
        this.#begin(this.apply(topic, { kind: 'enter', session: own }))
    }
    this.#evictGhosts(topic, sessions)
  }

  /**
   * Sessions of an instance that has no lease, and that nobody would clear away: it died after Redis had lost the
   * lease, and before it found out.
   */
  #evictGhosts(topic: TopicName, sessions: Iterable<Session>): void {
    if (!this.#isWhole || !this.#lease.isSteady) return
    const ghosts = new Set<string>()
    for (const session of sessions) {
      const { instance } = session as SharedSession
      if (!this.#lease.isAlive(instance)) ghosts.add(instance)
    }
    for (const instance of ghosts) {
      this.#begin(this.#attempt(() => this.#evictUnknown(topic, instance)))
    }
  }

  async #evictUnknown(topic: TopicName, instance: string): Promise<void> {
    if (!(await this.#lease.isKnown(instance))) await this.#reconcile(topic, instance, [])
  }

  async #mayReturn(): Promise<(session: SharedSession) => boolean> {
    if (performance.now() >= this.#returnsUntil) return () => false
    const ready = await this.#lease.readyOwners()
    return ({ instance }) => !ready.has(ownerOf(instance)) && !this.#lease.isMine(instance)
  }

  /** Makes the sessions of some instances, whose names begin so, those that are given. */
  async #reconcile(topic: TopicName, instances: string, sessions: readonly Session[]) {
    const fields = sessions.flatMap((session) => fieldsOf(this.#stamp(session)))
    await this.#redis.carillonPresenceReconcile(
      ...([keyOfTopic(topic), channelOf(topic), randomUUID(), instances] as const),
      ...fields,
    )
  }

  /** Redis is away, or not what it was. */
  #lose(): void {
    if (this.#isWhole) this.#schedule(RETRY_MS)
    this.#isWhole = false
    for (const topic of this.#own.keys()) this.#unsent.add(topic)
  }

  /** Puts all sessions of this instance into Redis, under a new name, then reads what others have. */
  #recover(): Promise<void> {
    if (this.#isClosed || this.#redis.status !== 'ready') return Promise.resolve()
    this.#recovering ??= this.#tryToRecover().finally(() => {
      this.#recovering = undefined
    })
    return this.#recovering
  }

  async #tryToRecover(): Promise<void> {
    this.#lose()
    const oldName = this.#lease.name
    const done = await this.#attempt(async () => {
      this.#hearOfDataset(await this.#lease.begin())
      return true
    })
    const isSent = done === true && (await this.#attempt(() => this.#sendAll(), 30_000)) === true
    if (!isSent) return this.#schedule(RETRY_MS)
    this.#isWhole = true
    const resynced = this.#rosters.resyncAll()
    this.#events.emit('whole')
    await this.#attempt(async () => {
      await this.#lease.ready()
      await this.#redis.publish(READY_CHANNEL, this.#lease.name)
      await this.#lease.sweep(oldName, (topics) => this.#evict(topics, oldName))
    }, 30_000)
    await resynced
  }

  /** Also what happens meanwhile. */
  async #sendAll(): Promise<true> {
    while (this.#unsent.size > 0) {
      const topics = [...this.#unsent].slice(0, TOPICS_AT_ONCE)
      for (const topic of topics) this.#unsent.delete(topic)
      await this.#lease.enter(topics.filter((topic) => this.#own.has(topic)))
      await Promise.all(
        topics.map((topic) => {
          const sessions = [...(this.#own.get(topic)?.sessions() ?? [])]
          return this.#reconcile(topic, this.#lease.owner, sessions)
        }),
      )
    }
    return true
  }

  #hear(news: LeaseNews): void {
    this.#hearOfDataset(news)
    if (!news.isHeld) {
      this.#lose()
      this.#begin(this.#recover())
    } else if (this.#lease.isSteady && news.expired.length > 0) this.#sweep(news.expired)
  }

  /** Where Redis has lost what it had, others are given the time of a lease to put it there again. */
  #hearOfDataset({ isDatasetNew }: LeaseNews): void {
    if (!isDatasetNew) return
    this.#returnsUntil = performance.now() + this.#leaseMs
    setTimeout(() => {
      if (performance.now() >= this.#returnsUntil - 1) this.#rosters.dropUnconfirmed()
    }, this.#leaseMs).unref()
  }

  #sweep(expired: readonly string[]): void {
    this.#sweeping ??= this.#sweepAll(expired).finally(() => {
      this.#sweeping = undefined
    })
  }

  async #sweepAll(expired: readonly string[]): Promise<void> {
    for (const instance of expired) {
      const evict = (topics: readonly TopicName[]) => this.#evict(topics, instance)
      const isDone = await this.#attempt(() => this.#lease.sweep(instance, evict), 30_000)
      if (isDone === true) this.#expiredLeases++
    }
  }

  async #evict(topics: readonly TopicName[], instance: string): Promise<void> {
    await Promise.all(topics.map((topic) => this.#reconcile(topic, instance, [])))
  }

  #begin(work: Promise<unknown>): void {
    work.catch((error: unknown) => this.#onFault(error))
  }

  #schedule(afterMs: number): void {
    clearTimeout(this.#timer)
    if (this.#isClosed) return
    this.#timer = setTimeout(() => this.#begin(this.#tick()), afterMs)
    this.#timer.unref()
  }

  async #tick(): Promise<void> {
    if (this.#redis.status === 'ready') {
      if (!this.#isWhole) await this.#recover()
      else {
        const news = await this.#attempt(() => this.#lease.renew())
        if (news !== undefined) this.#hear(news)
      }
      if (performance.now() - this.#comparedAt > this.#leaseMs) {
        this.#comparedAt = performance.now()
        this.#begin(this.#rosters.compare())
        for (const [topic, roster] of this.#rosters.known()) {
          this.#evictGhosts(topic, roster.sessions())
        }
      }
    }
    this.#schedule(this.#isWhole ? this.#lease.nextMs : RETRY_MS)
  }

  /** The very first callers wait a moment for the connection. */
  #connected(): Promise<unknown> {
    this.#first ??= this.#isWhole ? Promise.resolve() : this.#whole()
    return this.#first
  }

  #whole(): Promise<unknown> {
    const signal = AbortSignal.timeout(FIRST_CONNECTION_MS)
    return once(this.#events, 'whole', { signal }).catch(() => undefined) // too late: it does without
  }

  /** What Redis answers, in time; undefined where it does not. Tells of a fault when it begins. */
  async #attempt<T>(work: () => Promise<T>, withinMs = COMMAND_TIMEOUT_MS): Promise<T | undefined> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => reject(new Error('Redis did not answer in time.')), withinMs)
    })
    try {
      const answer = await Promise.race([work(), late])
      this.#isFaultTold = false
      return answer
    } catch (error) {
      if (this.#isClosed) return undefined
      if (!this.#isFaultTold && this.#redis.status === 'ready') this.#onFault(error)
      this.#isFaultTold = true
      this.#lose()
      return undefined
    } finally {
      clearTimeout(timer)
    }
  }
}

import { randomUUID } from 'node:crypto'
import { EventEmitter, once } from 'node:events'
import type { Cluster, Redis } from 'ioredis'
import type { TopicName, TopicPattern } from '../core/topic-name.ts'
import type { RedisAddress } from '../redis/redis-address.ts'
import { connectionsTo, type RedisConnections } from '../redis/redis-connection.ts'
import { OwnSessions } from './own-sessions.ts'
import { definePresenceScripts } from './presence-scripts.ts'
import type { PresenceListener, PresenceStore, StoreCounts, Watching } from './presence-store.ts'
import {
  channelOf,
  fieldsOf,
  keyOfTopic,
  READY_CHANNEL,
  type RosterPlace,
  type SharedSession,
} from './presence-wire.ts'
import { FAILED, RedisAttempts } from './redis-attempts.ts'
import { type LeaseNews, ownerOf, RedisLease } from './redis-lease.ts'
import { RedisRosters } from './redis-rosters.ts'
import { Roster, type RosterChange } from './roster.ts'
import type { PresenceStep, Session } from './session.ts'

/** Instances whose sessions are to go. */
interface Gone {
  /** What their names begin with; empty for nobody. */
  readonly instances: string
  readonly except?: string
}

const NOBODY: Gone = { instances: '' }

export interface RedisPresenceStoreOptions {
  readonly address: RedisAddress
  /** How long the sessions of an instance that gives no sign of life stay, in milliseconds. */
  readonly leaseMs: number
  readonly onFault: (error: unknown) => void
}

/** The pause before Redis is tried again that answers, but not as it should, in milliseconds. */
const RETRY_MS = 500

/** How long putting everything into Redis again may take, in milliseconds. */
const RECOVERY_MS = 60_000

/** Topics that are put into Redis again side by side. */
const TOPICS_AT_ONCE = 100

/** Sessions of one topic that are put into Redis at once: others get them in one message. */
const STEPS_AT_ONCE = 500

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
  readonly #attempts: RedisAttempts
  readonly #own = new OwnSessions()
  /** Redis has all sessions of this instance, and no others of it. */
  #isWhole = false
  readonly #events = new EventEmitter()
  #isRecovering = false
  #first: Promise<unknown> | undefined
  #sweeping: Promise<void> | undefined
  #timer: NodeJS.Timeout | undefined
  #comparedAt = performance.now()
  /** Until when sessions that Redis has lost are kept, on the clock of `performance.now()`. */
  #returnsUntil = 0
  #expiredLeases = 0
  #returns: NodeJS.Timeout | undefined
  #isClosed = false

  constructor({ address, leaseMs, onFault }: RedisPresenceStoreOptions) {
    this.#onFault = onFault
    this.#attempts = new RedisAttempts((error) => {
      if (!this.#isClosed && this.#redis.status === 'ready') onFault(error)
    })
    this.#leaseMs = leaseMs
    this.#connections = connectionsTo(address, () => {}) // the bus tells of the same faults
    this.#redis = this.#connections.openForKeys()
    this.#redis.on('error', () => {})
    this.#redis.on('close', () => this.#lose())
    this.#redis.on('ready', () => this.#recover())
    definePresenceScripts(this.#redis)
    this.#lease = new RedisLease(this.#redis, leaseMs)
    this.#rosters = new RedisRosters({
      redis: this.#redis,
      subscriber: this.#connections.open({ enableOfflineQueue: true }),
      host: {
        own: (topic) => this.#own.in(topic).map((it) => this.#stamp(it)),
        held: (topic, session) => {
          const own = this.#own.at(topic, session)
          return own?.id === session.id ? this.#stamp(own) : undefined
        },
        ownTopics: () => this.#own.topics(),
        topicsWith: (prefix) => this.#lease.topicsWith(prefix),
        mayReturn: () => this.#mayReturn(),
        onChanges: (topic, changes) => this.#onChanges(topic, changes),
        onRead: (topic, roster) => this.#onRead(topic, roster),
        onReady: (instance) => this.#rosters.dropUnconfirmed(ownerOf(instance)),
        read: (work, withinMs) => this.#read(work, withinMs),
        isMine: (session) => this.#isMine(session),
        isWhole: () => this.#isWhole,
        onFault,
      },
    })
    this.#schedule(this.#lease.intervalMs)
  }

  get counts(): StoreCounts {
    return { sessions: this.#own.count, expiredLeases: this.#expiredLeases }
  }

  async apply(topic: TopicName, step: PresenceStep): Promise<boolean> {
    if (this.#isClosed) return false
    this.#own.note(topic, step)
    await this.#connected()
    if (this.#isWhole) {
      const place = await this.#attempt(() => this.#send(topic, step))
      if (place !== undefined) return this.#see(topic, place)
    }
    // What a session of another instance says would be known here only, and be lost.
    if (step.kind === 'say' && !this.#own.holds(topic, step.session)) return false
    this.#own.keepUnsent(topic, step)
    const change = step.kind === 'leave' ? 'remove' : 'put'
    this.#rosters.applyHere(topic, { kind: change, session: this.#stamp(step.session) })
    return true
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
    const read = this.#isWhole ? await this.#read(() => this.#rosters.read(topic)) : undefined
    if (read !== undefined) {
      const roster = new Roster(read.sessions)
      this.#evictGhosts(topic, roster)
      return roster
    }
    return new Roster(this.#rosters.get(topic)?.sessions() ?? this.#own.in(topic))
  }

  async close(graceMs: number): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    clearTimeout(this.#timer)
    clearTimeout(this.#returns)
    const isNeeded = this.#isWhole && this.#lease.isSure
    if (isNeeded) await this.#attempt(() => this.#lease.end(this.#own.count > 0 ? graceMs : 0))
    this.#rosters.close()
    this.#redis.disconnect()
    this.#connections.close()
  }

  async #see(topic: TopicName, place: RosterPlace): Promise<boolean> {
    const isChange = place.incarnation !== ''
    if (isChange) await this.#rosters.see(topic, place)
    return isChange
  }

  /** What is sent in the same turn of the event loop goes out together. Undefined where nothing was sent. */
  async #send(topic: TopicName, step: PresenceStep): Promise<RosterPlace | undefined> {
    if (!this.#lease.isSure) this.#hear(await this.#lease.renew())
    if (!this.#isWhole) return undefined
    if (step.kind === 'enter') await this.#lease.enter([topic])
    const place = await this.#step(topic, this.#current(topic, step))
    if (!this.#own.has(topic)) await this.#lease.leave(topic)
    return place
  }

  /** One that enters may have said something since, or have left: that was sent before it. */
  #current(topic: TopicName, { kind, session }: PresenceStep): readonly PresenceStep[] {
    if (kind !== 'enter') return [{ kind, session }]
    const own = this.#own.at(topic, session)
    return own?.id === session.id ? [{ kind, session: own }] : []
  }

  /** @param gone whose sessions go: those of instances whose names begin so, but for one of them */
  async #step(
    topic: TopicName,
    steps: readonly PresenceStep[],
    gone: Gone = NOBODY,
  ): Promise<RosterPlace> {
    const fields = steps.flatMap(({ kind, session }) => [kind, ...fieldsOf(this.#stamp(session))])
    const { instances, except = '' } = gone
    const [incarnation, revision] = await this.#redis.carillonPresenceStep(
      ...([keyOfTopic(topic), channelOf(topic), randomUUID(), instances, except] as const),
      ...fields,
    )
    return { incarnation, revision }
  }

  /** A session of another instance stays one of that. */
  #stamp(session: Session): SharedSession {
    const isOwn = !('instance' in session) || this.#lease.isMine(String(session.instance))
    return isOwn ? { ...session, instance: this.#lease.name } : (session as SharedSession)
  }

  /** What has happened to sessions of this instance, by this one or by others. */
  #onChanges(topic: TopicName, changes: readonly RosterChange[]): void {
    for (const { kind, session } of changes) {
      const own = this.#own.at(topic, session)
      if (own === undefined) {
        if (kind === 'put' && this.#isMine(session)) this.#undo(topic, session)
      } else if (own.id === session.id) {
        if (kind === 'remove')
          this.#redo(topic, own) // held for dead
        else if (session.saidAt > own.saidAt) this.#own.note(topic, { kind: 'say', session })
      } else if (kind === 'put') this.#compare(topic, own, session)
    }
  }

  /** Takes away what is of no instance any more, and puts back what is missing of this one. */
  #onRead(topic: TopicName, roster: Roster): void {
    for (const own of this.#own.in(topic)) {
      const there = roster.at(own)
      if (there === undefined) this.#redo(topic, own)
      else if (there.id !== own.id) this.#compare(topic, own, there)
    }
    this.#evictGhosts(topic, roster)
  }

  /** A client that has come later, to another instance, is there now; one that came before has moved here. */
  #compare(topic: TopicName, own: Session, other: Session): void {
    if (other.enteredAt < own.enteredAt) this.#redo(topic, own)
    else this.#own.note(topic, { kind: 'leave', session: own })
  }

  #redo(topic: TopicName, session: Session): void {
    if (this.#isWhole) this.#begin(this.apply(topic, { kind: 'enter', session }))
  }

  /** It has left while it was on its way. */
  #undo(topic: TopicName, session: Session): void {
    if (this.#isWhole) this.#begin(this.apply(topic, { kind: 'leave', session }))
  }

  #isMine(session: Session): boolean {
    return 'instance' in session && this.#lease.isMine(String(session.instance))
  }

  /**
   * Sessions of an instance that has no lease, and that nobody would clear away: it died after Redis had lost the
   * lease, and before it found out.
   */
  #evictGhosts(topic: TopicName, roster: Roster): void {
    if (!this.#isWhole || !this.#lease.isSteady) return
    for (const instance of roster.instances()) {
      if (this.#lease.isAlive(instance)) continue
      this.#begin(this.#read(() => this.#evictUnknown(topic, instance)))
    }
  }

  async #evictUnknown(topic: TopicName, instance: string): Promise<void> {
    if (!(await this.#lease.isKnown(instance))) await this.#step(topic, [], { instances: instance })
  }

  async #mayReturn(): Promise<(session: SharedSession) => boolean> {
    // The connection that listens may be there again before the other one, and before anyone has put anything back.
    if (await this.#lease.isDatasetNew()) this.#waitForOthers()
    if (performance.now() >= this.#returnsUntil) return () => false
    const ready = await this.#lease.readyOwners()
    return ({ instance }) => !ready.has(ownerOf(instance)) && !this.#lease.isMine(instance)
  }

  /** Redis is away, or not what it was. */
  #lose(): void {
    if (!this.#isWhole) return
    this.#isWhole = false
    this.#schedule(RETRY_MS)
    this.#own.markAllUnsent()
  }

  /** Puts all sessions of this instance into Redis, under a new name, then reads what others have. */
  #recover(): void {
    if (this.#isClosed || this.#isRecovering || this.#redis.status !== 'ready') return
    this.#isRecovering = true
    const recovered = this.#tryToRecover().finally(() => {
      this.#isRecovering = false
    })
    this.#begin(recovered)
  }

  async #tryToRecover(): Promise<void> {
    this.#lose()
    this.#own.markAllUnsent() // an attempt before this one may have sent a part, under another name
    const { hasBegun, name: oldName } = this.#lease
    const begun = await this.#attempt(() => this.#lease.begin())
    if (begun === undefined) return // the next tick tries again
    this.#hearOfDataset(begun)
    if ((await this.#attempt(() => this.#sendAll(), RECOVERY_MS)) === undefined) return
    this.#begin(this.#rosters.resyncAll())
    await this.#attempt(async () => {
      await this.#lease.ready()
      await this.#redis.publish(READY_CHANNEL, this.#lease.name)
      if (hasBegun) await this.#lease.sweep(oldName, (topics) => this.#evict(topics, oldName))
    }, RECOVERY_MS)
  }

  /** Also what happens meanwhile. */
  async #sendAll(): Promise<true> {
    while (!this.#own.isAllSent) {
      const some = this.#own.takeUnsent(TOPICS_AT_ONCE)
      try {
        const topics = some.map(([topic]) => topic)
        await this.#lease.enter(topics.filter((topic) => this.#own.has(topic)))
        await Promise.all(some.map(([topic, left]) => this.#sendTopic(topic, left)))
      } catch (error) {
        this.#own.giveBack(some)
        throw error
      }
    }
    this.#isWhole = true
    this.#events.emit('whole')
    return true
  }

  /** First those who are there, under the new name; then away with those who have left. */
  async #sendTopic(topic: TopicName, left: readonly Session[]): Promise<void> {
    const own = this.#own.in(topic)
    const steps: PresenceStep[] = [
      ...own.map((session) => ({ kind: 'enter', session }) as const),
      ...left.map((session) => ({ kind: 'leave', session }) as const),
    ]
    let start = 0
    for (; steps.length - start > STEPS_AT_ONCE; start += STEPS_AT_ONCE) {
      await this.#step(topic, steps.slice(start, start + STEPS_AT_ONCE))
    }
    const { owner, name } = this.#lease
    await this.#step(topic, steps.slice(start), { instances: owner, except: name })
  }

  #hear(news: LeaseNews): void {
    this.#hearOfDataset(news)
    if (!news.isHeld) {
      this.#lose()
      this.#recover()
    } else if (this.#lease.isSteady && news.expired.length > 0) this.#sweep(news.expired)
  }

  /** Where Redis has lost what it had, others are given the time of a lease to put it there again. */
  #hearOfDataset({ isDatasetNew }: LeaseNews): void {
    if (isDatasetNew) this.#waitForOthers()
  }

  #waitForOthers(): void {
    this.#returnsUntil = performance.now() + this.#leaseMs
    clearTimeout(this.#returns)
    this.#returns = setTimeout(() => this.#rosters.dropUnconfirmed(), this.#leaseMs)
    this.#returns.unref()
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
      if (isDone === true && !this.#lease.isMine(instance)) this.#expiredLeases++
    }
  }

  async #evict(topics: readonly TopicName[], instance: string): Promise<void> {
    await Promise.all(topics.map((topic) => this.#step(topic, [], { instances: instance })))
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

  /** The lease is renewed also while everything is put into Redis again. */
  async #tick(): Promise<void> {
    if (this.#redis.status === 'ready') {
      const news = this.#lease.hasBegun ? await this.#attempt(() => this.#lease.renew()) : undefined
      if (!this.#isWhole) this.#recover()
      else if (news !== undefined) this.#hear(news)
      if (this.#isWhole) this.#lookAtAll()
    }
    this.#schedule(this.#isWhole ? this.#lease.nextMs : RETRY_MS)
  }

  /** Once a lease: what nobody was told of. */
  #lookAtAll(): void {
    if (performance.now() - this.#comparedAt <= this.#leaseMs) return
    this.#comparedAt = performance.now()
    this.#begin(this.#rosters.compare())
    for (const [topic, roster] of this.#rosters.known()) {
      this.#evictGhosts(topic, roster)
    }
  }

  /** The very first callers wait a moment for the connection. */
  #connected(): Promise<unknown> {
    this.#first ??= this.#isWhole ? Promise.resolve() : this.#firstConnection()
    return this.#first
  }

  async #firstConnection(): Promise<void> {
    const signal = AbortSignal.timeout(FIRST_CONNECTION_MS)
    await once(this.#events, 'whole', { signal }).catch(() => undefined) // too late: it does without
  }

  /** A write: where it fails, Redis counts as away. */
  async #attempt<T>(work: () => Promise<T>, withinMs?: number): Promise<T | undefined> {
    const outcome = await this.#attempts.make(work, withinMs)
    if (outcome === FAILED && !this.#isClosed) this.#lose()
    return outcome === FAILED ? undefined : outcome
  }

  async #read<T>(work: () => Promise<T>, withinMs?: number): Promise<T | undefined> {
    const outcome = await this.#attempts.make(work, withinMs)
    return outcome === FAILED ? undefined : outcome
  }
}

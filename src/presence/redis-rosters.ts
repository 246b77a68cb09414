import type { Cluster, Redis } from 'ioredis'
import {
  isWildcard,
  prefixOf,
  type TopicName,
  type TopicPattern,
  type TopicWildcard,
} from '../core/topic-name.ts'
import type { PresenceListener, Watching } from './presence-store.ts'
import {
  decodeRoster,
  decodeStep,
  keyOfTopic,
  type RosterPlace,
  type SharedRoster,
  type SharedSession,
  type SharedStep,
} from './presence-wire.ts'
import { RedisFeed } from './redis-feed.ts'
import type { Roster, RosterChange } from './roster.ts'
import type { Session } from './session.ts'
import { TrackedRoster } from './tracked-roster.ts'
import { matching, Watches } from './watches.ts'

/** How long a step that Redis has taken may be on its way to here while no other one comes, in milliseconds. */
const ARRIVAL_MS = 500

/** Topics that are read side by side. */
const READS_AT_ONCE = 50

/** How long finding the topics under a prefix may take, in milliseconds: there may be many. */
const FIND_MS = 30_000

/** The pause before a topic is read again that could not be read, in milliseconds. */
const RETRY_MS = 500

/** What rosters ask of whom they belong to. */
export interface RostersHost {
  /** Sessions of this instance in a topic. */
  own(topic: TopicName): readonly SharedSession[]
  /** The same session, where it is one of this instance and still there. */
  held(topic: TopicName, session: Session): SharedSession | undefined
  ownTopics(): Iterable<TopicName>
  /** Topics that begin so and have sessions, of any instance. */
  topicsWith(prefix: string): Promise<Iterable<TopicName>>
  /** Whether a session that Redis has lost may still be there, in an instance that has not said so yet. */
  mayReturn(): Promise<(session: SharedSession) => boolean>
  /** Told what others, and this instance, have done to a topic. */
  onChanges(topic: TopicName, changes: readonly RosterChange[]): void
  /** Told what is in a topic as a whole. */
  onRead(topic: TopicName, roster: Roster): void
  /** Whether this is a session of this instance, or was. */
  isMine(session: Session): boolean
  /** Whether Redis has what this instance knows: else everything is read anew when it has. */
  isWhole(): boolean
  /** All sessions of an instance are there again. */
  onReady(instance: string): void
  /** Limits the time of a read; tells of what goes wrong. Undefined where it did. */
  read<T>(work: () => Promise<T>, withinMs?: number): Promise<T | undefined>
  /** Told of what nobody expected. */
  onFault(error: unknown): void
}

export interface RedisRostersOptions {
  readonly redis: Redis | Cluster
  /** For pub/sub alone. */
  readonly subscriber: Redis
  readonly host: RostersHost
}

/** The rosters of the topics that are watched on this instance. */
export class RedisRosters {
  readonly #redis: Redis | Cluster
  readonly #host: RostersHost
  readonly #feed: RedisFeed
  readonly #watches = new Watches()
  readonly #tracked = new Map<TopicName, TrackedRoster>()
  readonly #opening = new Map<TopicPattern, Promise<void>>()
  readonly #opened = new WeakSet<PresenceListener>()
  readonly #reading = new Map<TopicName, Promise<void>>()
  readonly #next = new Map<TopicName, Promise<void>>()
  /** Watched by patterns only, and empty: forgotten where nobody has come until the next look. */
  #empty = new Set<TopicName>()

  constructor({ redis, subscriber, host }: RedisRostersOptions) {
    this.#redis = redis
    this.#host = host
    this.#feed = new RedisFeed(subscriber, {
      onStep: (topic, text) => this.#onStep(topic, text),
      onReady: (instance) => host.onReady(instance),
      onFault: (error) => host.onFault(error),
      onGap: () => this.#begin(this.resyncAll()),
    })
  }

  /** Undefined also while it is read for the first time. */
  get(topic: TopicName): Roster | undefined {
    const tracked = this.#tracked.get(topic)
    return tracked?.isKnown === true ? tracked.roster : undefined
  }

  async watch(pattern: TopicPattern, listener: PresenceListener): Promise<Watching> {
    if (this.#watches.add(pattern, listener)) this.#opening.set(pattern, this.#open(pattern))
    try {
      await this.#opening.get(pattern)
      this.#opened.add(listener)
    } catch (error) {
      this.#unwatch(pattern, listener)
      throw error
    }
    return {
      topics: () => matching(this.#inhabited(), pattern),
      unwatch: () => this.#unwatch(pattern, listener),
    }
  }

  /** Applies a change that other instances will learn of later. */
  applyHere(topic: TopicName, change: RosterChange): void {
    const tracked = this.#tracked.get(topic) ?? this.#trackWatched(topic)
    if (tracked === undefined) return
    tracked.roster.apply(change)
    this.#tellChange(topic, [change])
  }

  /** Resolves when a step of this instance has come back to it; reads anew where it does not come. */
  async see(topic: TopicName, place: RosterPlace): Promise<void> {
    const tracked = this.#tracked.get(topic) ?? this.#trackWatched(topic)
    if (tracked === undefined) return
    for (let before: RosterPlace | undefined; before !== tracked.place; ) {
      before = tracked.place
      if (await tracked.reached(place, ARRIVAL_MS)) return
      // Where others have arrived meanwhile, it is late, and not lost: everybody is busy.
    }
    if (this.#tracked.get(topic) === tracked) await this.#resync(topic)
  }

  async read(topic: TopicName): Promise<SharedRoster> {
    return decodeRoster(await this.#redis.hgetall(keyOfTopic(topic)))
  }

  /** Reads all of them anew. */
  async resyncAll(): Promise<void> {
    const known = [...this.#tracked.keys()]
    const wildcards = this.#watches.wildcards()
    await inGroups(known, (topic) => this.#resync(topic))
    for (const wildcard of wildcards) {
      await inGroups(await this.#find(wildcard), (topic) => this.#resync(topic))
    }
  }

  /** The rosters that are known here. */
  *known(): Generator<[TopicName, Roster], undefined> {
    for (const [topic, { roster }] of this.#tracked) yield [topic, roster]
    return undefined
  }

  /** Finds what was lost on its way, also in topics in which nothing happens. */
  async compare(): Promise<void> {
    const quiet = [...this.#tracked].filter(([, { isReading }]) => !isReading)
    for (const some of inParts(quiet)) {
      const known = some.map(([, { place }]) => place)
      const places = await this.#host.read(() => this.#placesOf(some.map(([topic]) => topic)))
      if (places === undefined) return
      await Promise.all(
        some.map(([topic], index) => this.#compare(topic, known[index], places[index])),
      )
    }
    this.#empty = new Set([...this.#tracked.keys()].filter((topic) => this.#isEmpty(topic)))
  }

  /** Takes sessions away that did not return, of one instance or of all. */
  dropUnconfirmed(owner?: string): void {
    for (const [topic, tracked] of this.#tracked) {
      const userIds = tracked.dropUnconfirmed(owner)
      if (userIds.length > 0) this.#tell(topic, userIds)
    }
  }

  close(): void {
    this.#feed.close()
    this.#tracked.clear()
  }

  async #open(pattern: TopicPattern): Promise<void> {
    if (!isWildcard(pattern)) this.#track(pattern)
    await this.#feed.subscribe(pattern)
    if (!isWildcard(pattern)) await this.#resync(pattern)
    else {
      await inGroups(await this.#find(pattern), (topic) => this.#resync(topic))
      // What others are just reading belongs to what is here.
      const topics = [...matching(this.#tracked.keys(), pattern)]
      await Promise.all(topics.map((topic) => this.#next.get(topic) ?? this.#reading.get(topic)))
    }
  }

  #unwatch(pattern: TopicPattern, listener: PresenceListener): void {
    if (!this.#watches.remove(pattern, listener)) return
    this.#opening.delete(pattern)
    this.#feed.unsubscribe(pattern)
    const topics = isWildcard(pattern) ? matching(this.#tracked.keys(), pattern) : [pattern]
    for (const topic of topics) if (!this.#watches.has(topic)) this.#tracked.delete(topic)
  }

  /** Tracks the topics under a pattern that have sessions; answers which were not tracked. */
  async #find(wildcard: TopicWildcard): Promise<readonly TopicName[]> {
    const prefix = prefixOf(wildcard)
    const found = await this.#host.read(() => this.#host.topicsWith(prefix), FIND_MS)
    const all = new Set([...(found ?? []), ...this.#host.ownTopics()])
    const fresh = [...matching(all, wildcard)].filter((topic) => !this.#tracked.has(topic))
    for (const topic of fresh) this.#track(topic)
    return fresh
  }

  #track(topic: TopicName): TrackedRoster {
    const tracked = this.#tracked.get(topic) ?? new TrackedRoster()
    this.#tracked.set(topic, tracked)
    return tracked
  }

  #trackWatched(topic: TopicName): TrackedRoster | undefined {
    if (!this.#watches.has(topic)) return undefined
    const tracked = this.#track(topic)
    tracked.giveUpReading() // nobody was there until now
    return tracked
  }

  /** Reads a roster, and once more where it is being read already: that may have begun too early. */
  #load(topic: TopicName): Promise<void> {
    const reading = this.#reading.get(topic)
    if (reading === undefined) return this.#beginReading(topic)
    const next =
      this.#next.get(topic) ??
      reading
        .catch(() => undefined) // told to those who wait for it
        .then(() => {
          this.#next.delete(topic)
          return this.#beginReading(topic)
        })
    this.#next.set(topic, next)
    return next
  }

  #beginReading(topic: TopicName): Promise<void> {
    const reading = this.#read(topic).finally(() => this.#reading.delete(topic))
    this.#reading.set(topic, reading)
    return reading
  }

  async #resync(topic: TopicName): Promise<void> {
    await this.#load(topic)
    for (const listener of this.#listenersTo(topic)) listener.onSync(topic)
  }

  async #read(topic: TopicName): Promise<void> {
    const tracked = this.#tracked.get(topic)
    if (tracked === undefined) return
    for (let isWhole = false; !isWhole; ) {
      // Until Redis has what this instance knows, it may have nothing at all: all is read when it has.
      if (!this.#host.isWhole()) return this.#doWithout(topic, tracked)
      tracked.beginReading()
      const mayReturn = await this.#host.read(() => this.#host.mayReturn())
      const read = await this.#host.read(() => this.read(topic))
      if (mayReturn === undefined || read === undefined) return this.#doWithout(topic, tracked)
      isWhole = tracked.load(read, mayReturn)
      this.#layOwnOver(topic, tracked.roster)
    }
    this.#host.onRead(topic, tracked.roster)
  }

  /** Sessions of this instance are as they are here, whatever Redis knows of them by now. */
  #layOwnOver(topic: TopicName, roster: Roster): void {
    const own = this.#host.own(topic)
    for (const session of own) {
      const there = roster.at(session)
      if (there === undefined || there.enteredAt < session.enteredAt) roster.put(session)
    }
    const ids = new Set(own.map(({ id }) => id))
    for (const session of [...roster.sessions()]) {
      if (this.#host.isMine(session) && !ids.has(session.id)) roster.remove(session)
    }
  }

  /** While Redis is away: what was known, and what is here. */
  #doWithout(topic: TopicName, tracked: TrackedRoster): void {
    tracked.giveUpReading()
    this.#layOwnOver(topic, tracked.roster)
    if (!this.#host.isWhole()) return
    setTimeout(() => {
      if (this.#tracked.get(topic) === tracked) this.#begin(this.#resync(topic))
    }, RETRY_MS).unref()
  }

  #onStep(topic: TopicName, text: string): void {
    const tracked = this.#tracked.get(topic) ?? this.#trackWatched(topic)
    if (tracked === undefined) return
    const step = this.#decode(text)
    const outcome = step === undefined ? 'gap' : tracked.receive(step)
    if (outcome === 'gap') this.#begin(this.#resync(topic))
    if (step === undefined || outcome !== 'applied') return
    this.#keepHeld(topic, tracked.roster, step.changes)
    this.#host.onChanges(topic, step.changes)
    this.#tellChange(topic, step.changes)
  }

  /** Who is held for dead elsewhere, and is here, does not leave: they are put back where they are missing. */
  #keepHeld(topic: TopicName, roster: Roster, changes: readonly RosterChange[]): void {
    for (const { kind, session } of changes) {
      const held = kind === 'remove' ? this.#host.held(topic, session) : undefined
      if (held !== undefined && roster.at(held) === undefined) roster.put(held)
    }
  }

  /** Undefined where an instance of another version writes otherwise. */
  #decode(text: string): SharedStep | undefined {
    try {
      return decodeStep(text)
    } catch (error) {
      this.#host.onFault(error)
      return undefined
    }
  }

  #tellChange(topic: TopicName, changes: readonly RosterChange[]): void {
    this.#tell(topic, new Set(changes.map(({ session }) => session.userId)))
  }

  #tell(topic: TopicName, userIds: Iterable<string>): void {
    for (const listener of this.#listenersTo(topic)) listener.onChange(topic, userIds)
  }

  /** Whoever is still opening will look at what is there. */
  #listenersTo(topic: TopicName): readonly PresenceListener[] {
    return [...this.#watches.of(topic)].filter((listener) => this.#opened.has(listener))
  }

  #begin(work: Promise<void>): void {
    work.catch((error: unknown) => this.#host.onFault(error))
  }

  *#inhabited(): Generator<TopicName, undefined> {
    for (const [topic, { roster }] of this.#tracked) if (roster.size > 0) yield topic
    return undefined
  }

  async #compare(
    topic: TopicName,
    known: RosterPlace | undefined,
    actual: RosterPlace | undefined,
  ): Promise<void> {
    if (known === undefined || actual === undefined) return
    const { incarnation, revision } = actual
    const wentBack = incarnation === known.incarnation && revision < known.revision
    if (wentBack)
      await this.#resync(topic) // a replica without the last steps took over
    else await this.see(topic, actual)
    this.#forgetEmpty(topic)
  }

  /** By one command, where all topics are on one server. */
  async #placesOf(topics: readonly TopicName[]): Promise<readonly RosterPlace[]> {
    const keys = topics.map(keyOfTopic)
    const replies = this.#redis.isCluster
      ? (await Promise.all(keys.map((key) => this.#redis.carillonPresencePlaces(1, key)))).flat()
      : await this.#redis.carillonPresencePlaces(keys.length, ...keys)
    return replies.map(([incarnation, revision]) => ({ incarnation, revision }))
  }

  #isEmpty(topic: TopicName): boolean {
    const tracked = this.#tracked.get(topic)
    const isNamed = this.#opening.has(topic)
    return !isNamed && tracked?.isReading === false && tracked.roster.size === 0
  }

  #forgetEmpty(topic: TopicName): void {
    if (this.#empty.has(topic) && this.#isEmpty(topic)) this.#tracked.delete(topic)
  }
}

async function inGroups<T>(
  items: readonly T[],
  work: (item: T) => Promise<unknown>,
): Promise<void> {
  for (const some of inParts(items)) await Promise.all(some.map(work))
}

function* inParts<T>(items: readonly T[]): Generator<readonly T[], undefined> {
  for (let start = 0; start < items.length; start += READS_AT_ONCE) {
    yield items.slice(start, start + READS_AT_ONCE)
  }
  return undefined
}

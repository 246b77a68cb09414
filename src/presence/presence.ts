import { randomUUID } from 'node:crypto'
import type { Limits } from '../access/limits.ts'
import type { Viewer } from '../access/viewer.ts'
import { encodeJson, type JsonText } from '../core/json.ts'
import {
  isWildcard,
  matchesPattern,
  parseTopicName,
  parseTopicPattern,
  type TopicName,
  type TopicPattern,
  wildcardsOf,
} from '../core/topic-name.ts'
import { CarillonError } from '../protocol/errors.ts'
import type { PresenceEvent } from './presence-event.ts'
import type { PresenceListener, PresenceStore, Watching } from './presence-store.ts'
import { PresenceSubscription } from './presence-subscription.ts'
import type { PresenceMember, Session } from './session.ts'
import { Stay } from './stay.ts'
import { TopicView } from './topic-view.ts'

/** What to watch, and whether to be there oneself. */
export interface PresenceRequest {
  /** 1 to 100 topics and patterns; with `enter`, topics only. */
  readonly topics: readonly string[]
  /** Be present in the topics, for as long as the subscription lives. */
  readonly enter?: PresenceEntry | null | undefined
}

export interface PresenceEntry {
  /** Any JSON value; at most 4 KiB encoded. */
  readonly state?: unknown
}

/** What is known of the connection over which someone enters. */
export interface PresenceConnection {
  /** The client's name where it has none itself. */
  readonly id: string
  /** The id that the client gave to the operation. */
  readonly operationId: string
  /** Whether the connection ended, and not the client's wish: it may come back. */
  readonly isLost: () => boolean
}

export interface PresenceBounds {
  /** How long a client whose connection is gone counts as present, in milliseconds. */
  readonly graceMs: number
  /** How long the sessions of an instance that gives no sign of life stay, in milliseconds. */
  readonly leaseMs: number
  /** Changes within so long reach watchers together, in milliseconds. */
  readonly windowMs: number
}

export const DEFAULT_PRESENCE_BOUNDS: PresenceBounds = {
  graceMs: 5_000,
  leaseMs: 30_000,
  windowMs: 50,
}

export interface PresenceParts {
  readonly store: PresenceStore
  readonly limits: Limits
  readonly bounds: PresenceBounds
}

/** What has happened on this instance. */
export interface PresenceStats {
  /** Clients of this instance that are present, each once for each topic. */
  readonly members: number
  readonly joins: number
  readonly leaves: number
  /** Leases of other instances that this one found run out. */
  readonly expiredLeases: number
}

/** A pattern, or a topic by its name, and who watches it. */
interface Watched {
  readonly watching: Promise<Watching>
  readonly subscriptions: Set<PresenceSubscription>
  /** Those that have been told who is there. */
  readonly begun: Set<PresenceSubscription>
}

/** Who is where. */
export class Presence {
  readonly #store: PresenceStore
  readonly #limits: Limits
  readonly #bounds: PresenceBounds
  readonly #watched = new Map<TopicPattern, Watched>()
  readonly #views = new Map<TopicName, TopicView>()
  readonly #stays = new Set<Stay>()
  /** The stays of a client in a topic. */
  readonly #byClient = new Map<string, Set<Stay>>()
  readonly #listener: PresenceListener
  #joins = 0
  #leaves = 0
  #isClosed = false

  constructor({ store, limits, bounds }: PresenceParts) {
    this.#store = store
    this.#limits = limits
    this.#bounds = bounds
    this.#listener = {
      onChange: (topic, userIds) => this.#view(topic)?.change(userIds),
      onSync: (topic) => this.#view(topic)?.resync(),
    }
  }

  get stats(): PresenceStats {
    const { sessions, expiredLeases } = this.#store.counts
    return { members: sessions, joins: this.#joins, leaves: this.#leaves, expiredLeases }
  }

  /**
   * Watches topics, and enters them where that is asked for.
   * @throws CarillonError INVALID_TOPIC_PATTERN, INVALID_TOPIC_NAME, INVALID_INPUT, PAYLOAD_TOO_LARGE,
   * SHUTTING_DOWN
   */
  async open(
    { topics, enter }: PresenceRequest,
    viewer: Viewer,
    connection: PresenceConnection = local(),
  ): Promise<PresenceSubscription> {
    if (this.#isClosed) throw new CarillonError('SHUTTING_DOWN')
    const patterns = this.#parsePatterns(topics)
    const entered = enter == null ? undefined : parseNames(patterns)
    const state = this.#encodeState(enter?.state)
    const stays: Stay[] = []
    const subscription = new PresenceSubscription({
      sync: (topic) => this.#syncOf(topic),
      onClose: () => {
        for (const pattern of patterns) this.#unwatch(pattern, subscription)
        for (const stay of stays) {
          if (connection.isLost()) stay.lose()
          else void stay.leave()
        }
      },
    })
    const watchings = await Promise.all(patterns.map((it) => this.#watch(it, subscription)))
    for (const topic of entered ?? []) {
      stays.push(this.#stay(topic, { viewer, connection, state }))
    }
    await Promise.all(stays.map((stay) => stay.enter()))
    if (subscription.isClosed) for (const stay of stays) void stay.leave()
    else {
      for (const [index, pattern] of patterns.entries()) {
        this.#begin(pattern, subscription, watchings[index])
      }
    }
    return subscription
  }

  /**
   * Says another state of a client that is present.
   * @throws CarillonError INVALID_TOPIC_NAME, INVALID_INPUT where it is not present, PAYLOAD_TOO_LARGE
   */
  async update(
    { topic: name, state }: { readonly topic: string; readonly state?: unknown },
    viewer: Viewer,
    connectionId?: string,
  ): Promise<PresenceMember> {
    const topic = parseTopicName(name)
    const text = this.#encodeState(state)
    const clientId = viewer.clientId ?? connectionId
    if (clientId === undefined) throw new CarillonError('INVALID_INPUT', UNNAMED)
    const { userId } = viewer
    const stays = this.#byClient.get(clientKey({ userId, clientId, topic }))
    if (stays === undefined) await this.#sayElsewhere(topic, { userId, clientId, state: text })
    else await Promise.all([...stays].map((stay) => stay.say(text)))
    const roster = this.#store.roster(topic) ?? (await this.#store.read(topic))
    const member = roster.member(userId)
    if (member === undefined) throw new CarillonError('INVALID_INPUT', NOT_PRESENT)
    return member
  }

  /**
   * Who is in a topic now, in the order of their user ids.
   * @throws CarillonError INVALID_TOPIC_NAME
   */
  async members(name: string): Promise<readonly PresenceMember[]> {
    const topic = parseTopicName(name)
    const roster = this.#store.roster(topic) ?? (await this.#store.read(topic))
    return [...roster.members()].sort(byUserId)
  }

  /** Clients that are present keep so long to take their seats on another instance. Idempotent. */
  async close(): Promise<void> {
    this.#isClosed = true
    for (const stay of this.#stays) stay.forget()
    const subscriptions = [...this.#watched.values()].flatMap((it) => [...it.subscriptions])
    for (const subscription of subscriptions) subscription.close()
    for (const view of this.#views.values()) view.close()
    this.#views.clear()
    await this.#store.close(this.#bounds.graceMs)
  }

  #parsePatterns(topics: readonly string[]): readonly TopicPattern[] {
    const { subscriptionTopics: max } = this.#limits
    if (!Array.isArray(topics) || topics.length < 1 || topics.length > max) {
      throw new CarillonError('INVALID_INPUT', `A subscription takes 1 to ${max} topics.`)
    }
    return [...new Set(topics.map(parseTopicPattern))]
  }

  #encodeState(state: unknown): JsonText | null {
    if (state === undefined || state === null) return null
    const { presenceStateBytes: maxBytes, jsonDepth: maxDepth } = this.#limits
    const encoded = encodeJson(state, { maxBytes, maxDepth })
    if (encoded.kind === 'encoded') return encoded.text
    if (encoded.fault === 'too-large') {
      throw new CarillonError('PAYLOAD_TOO_LARGE', `The state is larger than ${maxBytes} bytes.`)
    }
    throw new CarillonError(
      'INVALID_INPUT',
      `The state is not a JSON value, or nested deeper than ${maxDepth} levels.`,
    )
  }

  #watch(pattern: TopicPattern, subscription: PresenceSubscription): Promise<Watching> {
    const watched = this.#watched.get(pattern) ?? {
      watching: this.#store.watch(pattern, this.#listener),
      subscriptions: new Set(),
      begun: new Set(),
    }
    this.#watched.set(pattern, watched)
    watched.subscriptions.add(subscription)
    return watched.watching
  }

  #unwatch(pattern: TopicPattern, subscription: PresenceSubscription): void {
    const watched = this.#watched.get(pattern)
    if (watched?.subscriptions.delete(subscription) !== true) return
    watched.begun.delete(subscription)
    for (const [topic, view] of this.#views) {
      if (matchesPattern(topic, pattern)) view.remove(subscription.watcher(topic))
    }
    if (watched.subscriptions.size > 0) return
    this.#watched.delete(pattern)
    void watched.watching.then((watching) => watching.unwatch())
    for (const topic of this.#views.keys()) {
      if (matchesPattern(topic, pattern) && !this.#isWatched(topic)) this.#closeView(topic)
    }
  }

  /** Tells a new subscription who is there. */
  #begin(
    pattern: TopicPattern,
    subscription: PresenceSubscription,
    watching: Watching | undefined,
  ): void {
    if (!isWildcard(pattern)) this.#viewOf(pattern).add(subscription.watcher(pattern))
    else {
      for (const topic of watching?.topics() ?? []) {
        this.#viewOf(topic).add(subscription.watcher(topic))
      }
      for (const [topic, view] of this.#views) {
        if (matchesPattern(topic, pattern)) view.addToEmpty(subscription.watcher(topic))
      }
    }
    this.#watched.get(pattern)?.begun.add(subscription)
  }

  /** The view of a topic in which something changes, if anyone has been told what was there before. */
  #view(topic: TopicName): TopicView | undefined {
    const known = this.#views.get(topic)
    return known ?? (this.#watchersByPattern(topic).length > 0 ? this.#viewOf(topic) : undefined)
  }

  #viewOf(topic: TopicName): TopicView {
    const known = this.#views.get(topic)
    if (known !== undefined) return known
    // Had anyone been there, those who watch patterns would have been told, by a view.
    const watchers = this.#watchersByPattern(topic)
    const view = new TopicView({
      topic,
      isEmpty: watchers.length > 0,
      windowMs: this.#bounds.windowMs,
      roster: () => this.#store.roster(topic),
      onEmpty: () => {
        if (!this.#watched.has(topic)) this.#closeView(topic)
      },
    })
    this.#views.set(topic, view)
    for (const subscription of watchers) view.addToEmpty(subscription.watcher(topic))
    return view
  }

  #watchersByPattern(topic: TopicName): readonly PresenceSubscription[] {
    return [...wildcardsOf(topic)].flatMap((it) => [...(this.#watched.get(it)?.begun ?? [])])
  }

  #isWatched(topic: TopicName): boolean {
    if (this.#watched.has(topic)) return true
    for (const wildcard of wildcardsOf(topic)) if (this.#watched.has(wildcard)) return true
    return false
  }

  #closeView(topic: TopicName): void {
    this.#views.get(topic)?.close()
    this.#views.delete(topic)
  }

  #syncOf(topic: TopicName): PresenceEvent {
    return this.#views.get(topic)?.sync() ?? { type: 'SYNC', topic, members: [] }
  }

  /** A client that comes back as it entered before still says what it said last. */
  #stay(topic: TopicName, { viewer, connection, state }: Entrance): Stay {
    const now = Date.now()
    const roster = this.#store.roster(topic)
    const ofUser = roster?.sessionsOf(viewer.userId) ?? []
    const entered: Session = {
      userId: viewer.userId,
      clientId: viewer.clientId ?? connection.id,
      operationId: connection.operationId,
      id: randomUUID(),
      enteredAt: now,
      enteredState: state,
      state,
      saidAt: now,
      joinedAt: Math.min(now, ...ofUser.map(({ joinedAt }) => joinedAt)),
    }
    const before = roster?.at(entered)
    const session =
      before === undefined || before.enteredState !== state
        ? entered
        : { ...entered, state: before.state, saidAt: before.saidAt }
    return this.#addStay(topic, session)
  }

  #addStay(topic: TopicName, session: Session): Stay {
    const key = clientKey({ ...session, topic })
    const stays = this.#byClient.get(key) ?? new Set<Stay>()
    const stay = new Stay({
      store: this.#store,
      topic,
      session,
      graceMs: this.#bounds.graceMs,
      onEnd: () => {
        this.#leaves++
        this.#stays.delete(stay)
        stays.delete(stay)
        if (stays.size === 0 && this.#byClient.get(key) === stays) this.#byClient.delete(key)
      },
    })
    this.#joins++
    this.#stays.add(stay)
    stays.add(stay)
    this.#byClient.set(key, stays)
    return stay
  }

  /** The client is present by a connection to another instance, or not at all. */
  async #sayElsewhere(
    topic: TopicName,
    { userId, clientId, state }: { userId: string; clientId: string; state: JsonText | null },
  ): Promise<void> {
    const roster = await this.#store.read(topic)
    const sessions = roster.sessionsOf(userId).filter((it) => it.clientId === clientId)
    if (sessions.length === 0) throw new CarillonError('INVALID_INPUT', NOT_PRESENT)
    const saidAt = Math.max(Date.now(), 1 + Math.max(...sessions.map((it) => it.saidAt)))
    await Promise.all(
      sessions.map((session) =>
        this.#store.apply(topic, { kind: 'say', session: { ...session, state, saidAt } }),
      ),
    )
  }
}

interface Entrance {
  readonly viewer: Viewer
  readonly connection: PresenceConnection
  readonly state: JsonText | null
}

const UNNAMED = 'Only a client that names itself, or whose connection is known, can be present.'
const NOT_PRESENT = 'This client is not present in the topic: enter it first.'

/** Of a caller in this process: it ends its subscriptions itself. */
function local(): PresenceConnection {
  return { id: randomUUID(), operationId: randomUUID(), isLost: () => false }
}

/** @throws CarillonError INVALID_TOPIC_NAME */
function parseNames(patterns: readonly TopicPattern[]): readonly TopicName[] {
  const names = patterns.filter((pattern) => !isWildcard(pattern))
  if (names.length === patterns.length) return names as TopicName[]
  throw new CarillonError(
    'INVALID_TOPIC_NAME',
    'A client is present in topics that it names: no patterns together with `enter`.',
  )
}

function clientKey(client: {
  readonly userId: string
  readonly clientId: string
  readonly topic: TopicName
}): string {
  return JSON.stringify([client.userId, client.clientId, client.topic])
}

function byUserId(a: PresenceMember, b: PresenceMember): number {
  return a.userId < b.userId ? -1 : 1
}

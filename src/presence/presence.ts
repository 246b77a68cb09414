import { randomUUID } from 'node:crypto'
import type { Limits } from '../access/limits.ts'
import type { Viewer } from '../access/viewer.ts'
import type { JsonText } from '../core/json.ts'
import { encodeState } from '../core/state.ts'
import {
  isWildcard,
  parseTopicName,
  parseTopicPattern,
  type TopicName,
  type TopicPattern,
} from '../core/topic-name.ts'
import { CarillonError } from '../protocol/errors.ts'
import type { PresenceStore } from './presence-store.ts'
import { PresenceSubscription } from './presence-subscription.ts'
import type { PresenceMember, Session } from './session.ts'
import { Stay } from './stay.ts'
import { TopicViews } from './topic-views.ts'

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

/** Who is where. */
export class Presence {
  readonly #store: PresenceStore
  readonly #limits: Limits
  readonly #bounds: PresenceBounds
  readonly #views: TopicViews
  readonly #stays = new Set<Stay>()
  /** The stays of a client in a topic. */
  readonly #byClient = new Map<string, Set<Stay>>()
  #joins = 0
  #leaves = 0
  #isClosed = false

  constructor({ store, limits, bounds }: PresenceParts) {
    this.#store = store
    this.#limits = limits
    this.#bounds = bounds
    this.#views = new TopicViews(store, bounds.windowMs)
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
      sync: (topic) => this.#views.sync(topic),
      onClose: (hasFailed) => {
        for (const pattern of patterns) this.#views.unwatch(pattern, subscription)
        for (const stay of stays) {
          if (connection.isLost() && !hasFailed) stay.lose()
          else void stay.leave()
        }
      },
    })
    try {
      await Promise.all(patterns.map((it) => this.#views.watch(it, subscription)))
    } catch (error) {
      subscription.close()
      throw error
    }
    for (const topic of entered ?? []) {
      stays.push(this.#stay(topic, { viewer, connection, state }))
    }
    await Promise.all(stays.map((stay) => stay.enter()))
    if (subscription.isClosed) for (const stay of stays) void stay.leave()
    else for (const pattern of patterns) this.#views.begin(pattern, subscription)
    return subscription
  }

  /**
   * Says another state of a client that is present.
   * @throws CarillonError INVALID_TOPIC_NAME, INVALID_INPUT where it is not present, PAYLOAD_TOO_LARGE,
   * SERVICE_UNAVAILABLE where it is present on another instance, which is not reached
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
    const client = { userId, clientId, topic }
    if (!(await this.#sayHere(client, text))) await this.#sayElsewhere(client, text)
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
    this.#views.close()
    await this.#store.close(this.#bounds.graceMs)
  }

  #parsePatterns(topics: readonly string[]): readonly TopicPattern[] {
    const { subscriptionTopics: max } = this.#limits
    if (!Array.isArray(topics) || topics.length < 1 || topics.length > max) {
      throw new CarillonError('INVALID_INPUT', `A subscription takes 1 to ${max} topics.`, {
        limit: 'subscriptionTopics',
      })
    }
    return [...new Set(topics.map(parseTopicPattern))]
  }

  #encodeState(state: unknown): JsonText | null {
    if (state === undefined || state === null) return null
    const { presenceStateBytes: maxBytes, jsonDepth: maxDepth } = this.#limits
    return encodeState(state, { maxBytes, maxDepth, limit: 'presenceStateBytes' })
  }

  /** A client that comes back as it entered before still says what it said last. */
  #stay(topic: TopicName, { viewer, connection, state }: Entrance): Stay {
    const now = Date.now()
    const roster = this.#store.roster(topic)
    const ofUser = roster?.sessionsOf(viewer.userId) ?? []
    const seat = {
      userId: viewer.userId,
      clientId: viewer.clientId ?? connection.id,
      operationId: connection.operationId,
    }
    const before = roster?.at(seat)
    const isBack = before !== undefined && before.enteredState === state
    return this.#addStay(topic, {
      ...seat,
      id: randomUUID(),
      enteredAt: Math.max(now, 1 + (before?.enteredAt ?? 0)),
      enteredState: state,
      state: isBack ? before.state : state,
      saidAt: isBack ? before.saidAt : this.#after(topic, viewer.userId),
      joinedAt: ofUser.reduce((least, { joinedAt }) => Math.min(least, joinedAt), now),
    })
  }

  /** What a user says now is the last that the user has said, also where another clock is ahead. */
  #after(topic: TopicName, userId: string): number {
    const ofUser = this.#store.roster(topic)?.sessionsOf(userId) ?? []
    return later(ofUser.map(({ saidAt }) => saidAt))
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

  /** Answers whether the client is present by a connection to this instance. */
  async #sayHere(client: PresentClient, state: JsonText | null): Promise<boolean> {
    const stays = [...(this.#byClient.get(clientKey(client)) ?? [])]
    const saidAt = this.#after(client.topic, client.userId)
    return (await Promise.all(stays.map((stay) => stay.say(state, saidAt)))).includes(true)
  }

  /** The client is present by a connection to another instance, or not at all. */
  async #sayElsewhere({ topic, ...client }: PresentClient, state: JsonText | null): Promise<void> {
    const roster = await this.#store.read(topic)
    const ofUser = roster.sessionsOf(client.userId)
    const sessions = ofUser.filter(({ clientId }) => clientId === client.clientId)
    if (sessions.length === 0) throw new CarillonError('INVALID_INPUT', NOT_PRESENT)
    const saidAt = later(ofUser.map((it) => it.saidAt))
    const said = await Promise.all(
      sessions.map((session) =>
        this.#store.apply(topic, { kind: 'say', session: { ...session, state, saidAt } }),
      ),
    )
    if (!said.includes(true)) throw new CarillonError('SERVICE_UNAVAILABLE')
  }
}

/** A client in a topic. */
interface PresentClient {
  readonly userId: string
  readonly clientId: string
  readonly topic: TopicName
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

function clientKey({ userId, clientId, topic }: PresentClient): string {
  return JSON.stringify([userId, clientId, topic])
}

/** Now, or right behind all of these. */
function later(times: readonly number[]): number {
  return times.reduce((latest, time) => Math.max(latest, time + 1), Date.now())
}

function byUserId(a: PresenceMember, b: PresenceMember): number {
  return a.userId < b.userId ? -1 : 1
}

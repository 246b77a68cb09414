import type { TopicName } from '../core/topic-name.ts'
import type { RosterChange } from './roster.ts'
import { keyOf, type SeatKey, type Session } from './session.ts'

/** A session as instances keep it in common. */
export interface SharedSession extends Session {
  /** The instance that keeps it. */
  readonly instance: string
}

/** Where a roster stands: steps of one incarnation are numbered without holes. */
export interface RosterPlace {
  /** Empty where nobody is there. */
  readonly incarnation: string
  readonly revision: number
}

/** Changes of one topic that happened together. */
export interface SharedStep extends RosterPlace {
  /** Whether nobody is there any more: the next step is of another incarnation. */
  readonly isOver: boolean
  readonly changes: readonly RosterChange[]
}

export interface SharedRoster extends RosterPlace {
  readonly sessions: readonly SharedSession[]
}

const PREFIX = 'carillon:presence:'

/** In braces: a Cluster keeps all that is of one topic in one place. */
export const keyOfTopic = (topic: TopicName) => `${PREFIX}{${topic}}`
/** By itself: a Cluster takes channels anywhere. */
export const channelOf = (pattern: string) => `${PREFIX}steps:${pattern}`
/** Where instances say that all of their sessions are there again. */
export const READY_CHANNEL = `${PREFIX}ready`
const INSTANCES = `${PREFIX}{instances}`
/** The instances, with the time until which each is alive. */
export const LEASES = `${INSTANCES}:leases`
/** A name for what Redis has: another one where it has lost that. */
export const DATASET = `${INSTANCES}:dataset`
/** The instances whose sessions are all there. */
export const READY = `${INSTANCES}:ready`
/** Where an instance has sessions. */
export const topicsOf = (instance: string) => `${INSTANCES}:topics:${instance}`
/** Who takes the sessions of a dead instance away. */
export const sweepOf = (instance: string) => `${INSTANCES}:sweep:${instance}`

export function topicOfChannel(channel: string): TopicName {
  return channel.slice(channelOf('').length) as TopicName
}

export function encodeSession(session: SharedSession): string {
  const { id, enteredAt, instance, enteredState, state, saidAt, joinedAt } = session
  const rest = JSON.stringify([saidAt, joinedAt, enteredState, state])
  return `${id} ${enteredAt} ${instance} ${rest}`
}

type Rest = [
  saidAt: number,
  joinedAt: number,
  enteredState: Session['enteredState'],
  state: Session['state'],
]

export function decodeSession(seat: string, value: string): SharedSession {
  const [userId, clientId, operationId] = JSON.parse(seat) as [string, string, string]
  const [id = '', enteredAt = '', instance = ''] = value.split(' ', 3)
  const start = id.length + enteredAt.length + instance.length + 3
  const [saidAt, joinedAt, enteredState, state] = JSON.parse(value.slice(start)) as Rest
  return {
    ...{ userId, clientId, operationId, id, instance },
    ...{ enteredAt: Number(enteredAt), enteredState, state, saidAt, joinedAt },
  }
}

/** The arguments of a session in a script. */
export function fieldsOf(session: SharedSession): [seat: SeatKey, value: string] {
  return [keyOf(session), encodeSession(session)]
}

type WireStep = [
  incarnation: string,
  revision: number,
  isOver: boolean,
  changes: [kind: 'put' | 'remove', seat: string, value: string][],
]

export function decodeStep(text: string): SharedStep {
  const [incarnation, revision, isOver, changes] = JSON.parse(text) as WireStep
  return {
    incarnation,
    revision,
    isOver,
    changes: changes.map(([kind, seat, value]) => ({ kind, session: decodeSession(seat, value) })),
  }
}

export function decodeRoster(fields: Readonly<Record<string, string>>): SharedRoster {
  const { '#incarnation': incarnation = '', '#revision': revision = '0', ...seats } = fields
  const sessions = Object.entries(seats).map(([seat, value]) => decodeSession(seat, value))
  return { incarnation, revision: Number(revision), sessions }
}

import type { JsonText } from '../core/json.ts'
import { Message } from '../core/message.ts'
import { BEFORE_ALL, type Epoch, type Sequence } from '../core/sequence.ts'
import type { TopicName } from '../core/topic-name.ts'
import { Prisma } from '../generated/prisma/client.ts'
import type { TopicState } from './log.ts'

/** A topic's columns, as TOPIC_COLUMNS names them. */
export interface TopicRow {
  readonly name: TopicName
  readonly epoch: Epoch
  readonly head: Sequence
  /** The oldest sequence kept, or head + 1. */
  readonly tail: Sequence
}

/** A message's columns, as MESSAGE_COLUMNS names them. */
export interface MessageRow {
  readonly sequence: Sequence
  readonly type: string
  readonly payload: JsonText
  readonly metadata: JsonText | null
  readonly encrypted: boolean
  readonly from_user: string
  readonly client_id: string | null
  readonly to_users: readonly string[] | null
  readonly idempotency_key: string | null
  readonly published_at: number
  readonly expires_at: number | null
}

/**
 * Sequences as float8, which is exact up to 2^53 and no bigint; instants as milliseconds, which
 * no session's time zone can shift; JSON as text, which nobody parses on the way.
 */
export const TOPIC_COLUMNS = Prisma.sql`
  t.name, t.epoch, t.head::float8 AS head, t.tail::float8 AS tail`

export const MESSAGE_COLUMNS = messageColumns('m')

/** The columns of a message in the table with this alias. */
export function messageColumns(alias: 'm' | 'd'): Prisma.Sql {
  const t = Prisma.raw(alias)
  return Prisma.sql`
    ${t}.sequence::float8 AS sequence, ${t}.type, ${t}.payload::text AS payload,
    ${t}.metadata::text AS metadata, ${t}.encrypted, ${t}.from_user, ${t}.client_id, ${t}.to_users,
    ${t}.idempotency_key, (extract(epoch FROM ${t}.published_at) * 1000)::float8 AS published_at,
    (extract(epoch FROM ${t}.expires_at) * 1000)::float8 AS expires_at`
}

export function toTopicState(row: TopicRow): TopicState {
  const { name, epoch, head, tail } = row
  return { name, epoch, head, tail: tail <= head ? tail : BEFORE_ALL }
}

export function toMessage(topic: TopicName, epoch: Epoch, row: MessageRow): Message {
  return new Message({
    topic,
    epoch,
    sequence: row.sequence,
    type: row.type,
    payload: row.payload,
    metadata: row.metadata,
    encrypted: row.encrypted,
    from: row.from_user,
    clientId: row.client_id,
    to: row.to_users,
    idempotencyKey: row.idempotency_key,
    publishedAt: new Date(row.published_at),
    expiresAt: row.expires_at === null ? null : new Date(row.expires_at),
  })
}

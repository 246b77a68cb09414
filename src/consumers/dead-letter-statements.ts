import type { Message } from '../core/message.ts'
import { Prisma } from '../generated/prisma/client.ts'
import type {
  DeadLetterPageQuery,
  DeadLetterSelection,
  Failure,
  Handling,
} from './dead-letter-store.ts'

/** Keeps the message and moves the consumer; nothing where the lease is another's. */
export function buryStatement(
  message: Message,
  handling: Handling,
  { attempts, error }: Failure,
): Prisma.Sql {
  const { userId, name } = handling
  const { payloadText, metadataText, publishedAt, expiresAt, to } = message
  const recipients = to === null ? null : [...to]
  return Prisma.sql`
    WITH held AS (${held(handling)} AND t.epoch = ${message.epoch} FOR SHARE OF l),
    letter AS (
      INSERT INTO carillon.dead_letters AS old
        (user_id, name, topic_id, sequence, attempts, error, failed_at, type, payload, metadata,
         encrypted, from_user, client_id, to_users, idempotency_key, published_at, expires_at)
      SELECT ${userId}, ${name}, h.topic_id, ${message.sequence}::bigint, ${attempts}::int, ${error}, now(),
             ${message.type}, ${payloadText}::json, ${metadataText}::json, ${message.encrypted}::boolean,
             ${message.from}, ${message.clientId}::text, ${recipients}::text[],
             ${message.idempotencyKey}::text, ${instant(publishedAt)}, ${instant(expiresAt)}
      FROM held h
      ON CONFLICT (user_id, topic_id, sequence, name) DO UPDATE
      SET attempts = excluded.attempts, error = excluded.error, failed_at = excluded.failed_at,
          replayed_at = NULL
    ),
    passed AS (
      INSERT INTO carillon.consumers AS old (user_id, name, topic_id, acked, updated_at)
      SELECT ${userId}, ${name}, h.topic_id, ${message.sequence}::bigint, now() FROM held h
      ON CONFLICT (user_id, name, topic_id) DO UPDATE
      SET acked = excluded.acked, updated_at = excluded.updated_at
      WHERE old.acked < excluded.acked
    )
    SELECT true AS done FROM held`
}

export function settleStatement(handling: Handling, sequence: number): Prisma.Sql {
  const { userId, name } = handling
  return Prisma.sql`
    WITH held AS (${held(handling)} FOR SHARE OF l),
    settled AS (
      DELETE FROM carillon.dead_letters d USING held h
      WHERE d.user_id = ${userId} AND d.name = ${name} AND d.topic_id = h.topic_id
        AND d.sequence = ${sequence}::bigint AND d.replayed_at IS NOT NULL
    )
    SELECT true AS done FROM held`
}

/** The lease, locked: nobody takes it before the commit, and one that another has taken is not found. */
function held({ userId, name, topic, holder }: Handling): Prisma.Sql {
  return Prisma.sql`
    SELECT l.topic_id FROM carillon.consumer_leases l JOIN carillon.topics t ON t.id = l.topic_id
    WHERE t.name = ${topic} AND l.user_id = ${userId} AND l.name = ${name} AND l.holder = ${holder}`
}

/** The dead ones `d` of the topic `t`. */
export function deadOf({
  userId,
  topic,
  consumer,
}: Omit<DeadLetterSelection, 'limit'>): Prisma.Sql {
  const named = consumer === undefined ? Prisma.empty : Prisma.sql`AND d.name = ${consumer}`
  return Prisma.sql`
    t.name = ${topic} AND d.user_id = ${userId} AND d.topic_id = t.id AND d.replayed_at IS NULL ${named}`
}

/** The keys of the oldest dead ones, locked: of two who choose at once, each gets others. */
export function chosen(selection: DeadLetterSelection): Prisma.Sql {
  return Prisma.sql`
    SELECT d.user_id, d.topic_id, d.sequence, d.name
    FROM carillon.topics t, carillon.dead_letters d WHERE ${deadOf(selection)}
    ORDER BY d.sequence, d.name LIMIT ${selection.limit} FOR UPDATE OF d SKIP LOCKED`
}

/** A page with all of its last message, and whether there are others. */
export function pageStatement(columns: Prisma.Sql, query: DeadLetterPageQuery): Prisma.Sql {
  const after = query.after?.sequence ?? 0
  return Prisma.sql`
    WITH page AS (
      SELECT ${columns}, d.sequence AS place FROM carillon.topics t, carillon.dead_letters d
      WHERE ${deadOf(query)} AND d.sequence > ${after}::bigint
      ORDER BY d.sequence FETCH FIRST (${query.limit}::bigint) ROWS WITH TIES
    )
    SELECT page.*, ends.* FROM (
      SELECT EXISTS (
        SELECT 1 FROM carillon.topics t, carillon.dead_letters d
        WHERE ${deadOf(query)} AND d.sequence <= ${after}::bigint
      ) AS older, EXISTS (
        SELECT 1 FROM carillon.topics t, carillon.dead_letters d
        WHERE ${deadOf(query)} AND d.sequence > (SELECT max(place) FROM page)
      ) AS newer
    ) ends LEFT JOIN page ON true
    ORDER BY page.place, page.name`
}

function instant(date: Date | null): Prisma.Sql {
  return date === null
    ? Prisma.sql`NULL::timestamptz`
    : Prisma.sql`to_timestamp(${date.getTime()}::float8 / 1000)`
}

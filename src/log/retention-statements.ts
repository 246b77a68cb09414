import type { Epoch, Sequence } from '../core/sequence.ts'
import type { TopicName } from '../core/topic-name.ts'
import { Prisma } from '../generated/prisma/client.ts'
import type { TopicLimits } from './retention-rules.ts'

/** Whoever holds this advisory lock of the database removes; any number that nobody else uses. */
export const RETENTION_LOCK = 72_707_370

/** Messages whose age is looked at when a tail is moved once. */
export const LOOK_AHEAD = 2_000

/**
 * Taken for the one statement that it is part of, and its commit: a lock of the session would stay with a connection of
 * the pool that nobody finds again.
 *
 * The commit does not wait for the disk, with publishers waiting for the lock of the head: what a crash of the
 * database undoes is done again by the next run. It never undoes the move of a tail and keeps what was deleted behind
 * it: they are undone in order.
 */
const LOCK = Prisma.sql`
  lock AS MATERIALIZED (
    SELECT pg_try_advisory_xact_lock(${RETENTION_LOCK}::bigint) AS taken,
           set_config('synchronous_commit', 'off', true)
  )`

/** What a statement answers that did its work only with the lock. */
export interface Locked {
  readonly taken: boolean
}

export interface TopicId {
  readonly id: number
  readonly name: TopicName
}

/** A topic in which something is due. */
export interface DueTopic extends TopicId {
  readonly epoch: Epoch
  readonly tail: Sequence
  /** The oldest sequence that is still stored below the tail, where a removal was cut short; null for none. */
  readonly left: Sequence | null
}

export function topicsStatement(after: string, limit: number): Prisma.Sql {
  return Prisma.sql`
    SELECT t.id, t.name FROM carillon.topics t
    WHERE t.name > ${after} ORDER BY t.name LIMIT ${limit}`
}

/**
 * Which of these topics have something to remove, or a tail that stands on nothing. Looks from where the removal has
 * come to, and from the tail: while an old transaction is open, all that was deleted before has to be passed over.
 */
export function dueStatement(
  topics: readonly (TopicId & { readonly limits: TopicLimits | null })[],
): Prisma.Sql {
  return Prisma.sql`
    SELECT t.id, t.name, t.epoch, t.tail::float8 AS tail, "left".sequence::float8 AS "left"
    FROM unnest(
      ${topics.map(({ id }) => id)}::int[],
      ${topics.map(({ limits }) => limits?.maxAge ?? null)}::float8[],
      ${topics.map(({ limits }) => limits?.maxMessages ?? null)}::bigint[]
    ) AS given(id, max_age, max_messages)
    JOIN carillon.topics t ON t.id = given.id
    LEFT JOIN LATERAL (
      SELECT m.sequence FROM carillon.messages m
      WHERE m.topic_id = t.id AND m.sequence >= t.swept AND m.sequence < t.tail
      ORDER BY m.sequence LIMIT 1
    ) "left" ON true
    LEFT JOIN LATERAL (
      SELECT m.sequence, m.published_at FROM carillon.messages m
      WHERE m.topic_id = t.id AND m.sequence >= t.tail ORDER BY m.sequence LIMIT 1
    ) kept ON true
    WHERE t.swept < t.tail
       OR (t.tail <= t.head AND kept.sequence IS DISTINCT FROM t.tail)
       OR t.head - t.tail >= given.max_messages
       OR kept.published_at < now() - given.max_age * interval '1 second'`
}

/** Where a tail is, and the sequence below which nothing is stored any more. */
export interface MovedRow extends Locked {
  readonly tail: Sequence
  readonly swept: Sequence
}

/**
 * Moves the tail of a topic: over what is too much, over what is too old as far as that is looked at, and
 * to a message that is there. Where to is worked out before the head's row is locked, and
 * what is published meanwhile stands behind it.
 *
 * Notes as well how far the removal has come: to `swept`, or where that is the tail, to the message where the tail
 * finds one.
 */
export function moveTailStatement(
  { id }: Pick<TopicId, 'id'>,
  limits: TopicLimits | null,
  swept: number,
): Prisma.Sql {
  const maxMessages = Prisma.sql`${limits?.maxMessages ?? null}::bigint`
  const maxAge = Prisma.sql`${limits?.maxAge ?? null}::float8`
  return Prisma.sql`
    WITH ${LOCK},
    target AS (
      SELECT t.id, t.epoch, t.tail AS old_tail, t.swept AS old_swept, greatest(
        coalesce(kept.sequence, t.head + 1),
        least(greatest(t.head - ${maxMessages} + 1, young.sequence), unacked.sequence)
      ) AS new_tail,
      CASE WHEN greatest(t.swept, ${swept}::bigint) < t.tail THEN greatest(t.swept, ${swept}::bigint)
           ELSE coalesce(kept.sequence, t.head + 1) END AS new_swept
      FROM carillon.topics t
      LEFT JOIN LATERAL (
        SELECT m.sequence FROM carillon.messages m
        WHERE m.topic_id = t.id AND m.sequence >= t.tail ORDER BY m.sequence LIMIT 1
      ) kept ON true
      LEFT JOIN LATERAL (
        SELECT coalesce(
          min(m.sequence) FILTER (WHERE m.published_at >= now() - ${maxAge} * interval '1 second'),
          max(m.sequence) + 1
        ) AS sequence
        FROM (
          SELECT sequence, published_at FROM carillon.messages
          WHERE topic_id = t.id AND sequence >= t.tail AND ${maxAge} IS NOT NULL
          ORDER BY sequence LIMIT ${LOOK_AHEAD}
        ) m
      ) young ON true
      LEFT JOIN LATERAL (
        SELECT min(c.acked) + 1 AS sequence FROM carillon.consumers c
        WHERE c.topic_id = t.id AND ${limits?.keepUnacked ?? false}::bool
      ) unacked ON true
      WHERE t.id = ${id}
    ),
    moved AS (
      UPDATE carillon.topics t SET tail = target.new_tail, swept = target.new_swept
      FROM target, lock
      WHERE lock.taken AND t.id = target.id AND t.epoch = target.epoch
        AND (t.tail < target.new_tail OR t.swept < target.new_swept)
      RETURNING t.tail, t.swept
    )
    SELECT lock.taken, coalesce(moved.tail, target.old_tail)::float8 AS tail,
           coalesce(moved.swept, target.old_swept)::float8 AS swept
    FROM lock CROSS JOIN target LEFT JOIN moved ON true`
}

export interface RemovedRow extends Locked {
  readonly removed: number
}

/** Deletes messages of a stretch, the end left out: those below the tail, if the numbering is still the same. */
export function removeStatement(
  { id, epoch }: Pick<DueTopic, 'id' | 'epoch'>,
  from: number,
  before: number,
): Prisma.Sql {
  return Prisma.sql`
    WITH ${LOCK},
    gone AS (
      DELETE FROM carillon.messages m USING carillon.topics t, lock
      WHERE lock.taken AND t.id = ${id} AND t.epoch = ${epoch} AND m.topic_id = t.id
        AND m.sequence >= ${from}::bigint AND m.sequence < least(${before}::bigint, t.tail)
      RETURNING 1
    )
    SELECT lock.taken, (SELECT count(*)::int FROM gone) AS removed FROM lock`
}

/**
 * The columns of a topic that lost expired messages; one row with nulls where none did. A topic that was purged
 * has no name under the id of before.
 */
export interface ExpiredRow extends Locked {
  readonly id: number | null
  readonly name: TopicName | null
  readonly removed: number | null
  /** When the last of them expired, in milliseconds since 1970. */
  readonly reached: number | null
}

/**
 * Deletes messages that have expired, those first that did so first, from an instant on: the index
 * would else be read again over all that were deleted before. By the places of the rows: to look each up by its
 * key takes twice as long or more.
 */
export function expireStatement(from: number, limit: number): Prisma.Sql {
  return Prisma.sql`
    WITH ${LOCK},
    gone AS (
      DELETE FROM carillon.messages m USING lock
      WHERE lock.taken AND m.ctid = ANY (ARRAY(
        SELECT ctid FROM carillon.messages
        WHERE expires_at <= now()
          AND expires_at >= to_timestamp(0) + ${from}::float8 * interval '1 millisecond'
        ORDER BY expires_at LIMIT ${limit}
      ))
      RETURNING m.topic_id, m.expires_at
    )
    SELECT lock.taken, t.id, t.name, g.removed,
           (extract(epoch FROM g.reached) * 1000)::float8 AS reached
    FROM lock
    LEFT JOIN (
      SELECT topic_id, count(*)::int AS removed, max(expires_at) AS reached
      FROM gone GROUP BY topic_id
    ) g ON true
    LEFT JOIN carillon.topics t ON t.id = g.topic_id`
}

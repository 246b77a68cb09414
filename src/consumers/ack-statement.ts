import type { Epoch, Sequence } from '../core/sequence.ts'
import { Prisma } from '../generated/prisma/client.ts'
import { CarillonError } from '../protocol/errors.ts'
import type { Ack, AckOutcome } from './consumer-store.ts'

/** A row for each ack; what is about the topic is null where it has no messages yet. */
export interface AckRow {
  readonly outcome: 'acked' | 'empty' | 'other_epoch' | 'past_head' | 'lease_lost'
  readonly epoch: Epoch
  readonly head: Sequence
  readonly acked: Sequence
  readonly lag: number
  readonly updated_at: number
}

/**
 * Acks in one statement: what the heads, epochs and leases are checked against is what is acknowledged.
 * Leases first, then consumers, each in the order of their keys: two of these never wait for one another
 * in a circle.
 */
export function ackStatement(acks: readonly Ack[]): Prisma.Sql {
  return Prisma.sql`
    WITH asked AS (
      SELECT a.*, t.id AS topic_id, t.epoch AS topic_epoch, t.head, t.tail
      FROM unnest(
        ${acks.map(({ userId }) => userId)}::text[], ${acks.map(({ name }) => name)}::text[],
        ${acks.map(({ topic }) => topic)}::text[], ${acks.map(({ sequence }) => sequence)}::bigint[],
        ${acks.map(({ epoch }) => epoch ?? null)}::text[],
        ${acks.map(({ holder }) => holder ?? null)}::text[]
      ) WITH ORDINALITY AS a(user_id, name, topic, sequence, epoch, holder, place)
      LEFT JOIN carillon.topics t ON t.name = a.topic
    ),
    -- Whoever takes a lease waits for this lock; a lease that was taken while this waited is left out.
    held AS (
      SELECT l.user_id, l.name, l.topic_id, l.holder FROM carillon.consumer_leases l
      WHERE (l.user_id, l.name, l.topic_id, l.holder) IN (
        SELECT a.user_id, a.name, a.topic_id, a.holder FROM asked a WHERE a.holder IS NOT NULL
      )
      ORDER BY l.user_id, l.name, l.topic_id
      FOR SHARE
    ),
    judged AS (
      SELECT a.*, CASE
        WHEN a.topic_id IS NULL THEN 'empty'
        WHEN a.epoch <> a.topic_epoch THEN 'other_epoch'
        WHEN a.sequence > a.head THEN 'past_head'
        WHEN a.holder IS NOT NULL AND NOT EXISTS (
          SELECT 1 FROM held h
          WHERE h.user_id = a.user_id AND h.name = a.name AND h.topic_id = a.topic_id
            AND h.holder = a.holder
        ) THEN 'lease_lost'
        ELSE 'acked' END AS outcome
      FROM asked a
    ),
    moved AS (
      INSERT INTO carillon.consumers AS old (user_id, name, topic_id, acked, updated_at)
      SELECT j.user_id, j.name, j.topic_id, max(j.sequence), now() FROM judged j
      WHERE j.outcome = 'acked'
      GROUP BY j.user_id, j.name, j.topic_id
      ORDER BY j.user_id COLLATE "C", j.name COLLATE "C", j.topic_id
      ON CONFLICT (user_id, name, topic_id) DO UPDATE
      SET acked = greatest(old.acked, excluded.acked),
          updated_at = CASE WHEN excluded.acked > old.acked THEN excluded.updated_at
                            ELSE old.updated_at END
      RETURNING *
    )
    SELECT j.outcome, j.topic_epoch AS epoch, j.head::float8 AS head, m.acked::float8 AS acked,
           (j.head - greatest(m.acked, j.tail - 1))::float8 AS lag,
           (extract(epoch FROM m.updated_at) * 1000)::float8 AS updated_at
    FROM judged j
    LEFT JOIN moved m ON m.user_id = j.user_id AND m.name = j.name AND m.topic_id = j.topic_id
    ORDER BY j.place`
}

export function toOutcome(ack: Ack, row: AckRow | undefined): AckOutcome {
  if (row === undefined) throw new Error('The acks were answered with too few rows.')
  const { topic, sequence, userId, name } = ack
  switch (row.outcome) {
    case 'acked': {
      const { epoch, acked, lag, updated_at } = row
      const updatedAt = new Date(updated_at)
      return { kind: 'acked', consumer: { userId, name, topic, epoch, acked, lag, updatedAt } }
    }
    case 'empty':
      return refused(`The topic ${topic} has nothing to acknowledge yet.`)
    case 'past_head':
      return refused(`The head of the topic ${topic} is ${row.head}; ${sequence} is past it.`)
    case 'other_epoch':
      return { kind: 'refused', error: new CarillonError('CURSOR_EXPIRED') }
    case 'lease_lost':
      return { kind: 'leaseLost' }
    default:
      return row.outcome satisfies never
  }
}

function refused(text: string): AckOutcome {
  return { kind: 'refused', error: new CarillonError('INVALID_INPUT', text) }
}

import type { ThrowawayDatabase } from '../support/database.ts'

export const TOPIC = 'bench:history'
/** Sends every 20th message, and never a reaction. */
export const COMMON_SENDER = 'user:1'
/** Sends every 10,000th message. */
export const RARE_SENDER = 'user:rare'

/** Fills a topic in one statement, past the publisher. */
export async function fill({ rows }: ThrowawayDatabase, messages: number): Promise<void> {
  const [topic] = await rows(
    `INSERT INTO carillon.topics (name, epoch, head)
     SELECT $1, epoch, $2 FROM carillon.origin RETURNING id`,
    [TOPIC, messages],
  )
  await rows(
    `INSERT INTO carillon.messages (
       topic_id, sequence, type, payload, encrypted, from_user, idempotency_key, published_at
     )
     SELECT $1, n,
            CASE WHEN n % 10000 = 5000 THEN 'pinned' WHEN n % 5 = 0 THEN 'reaction' ELSE 'message' END,
            json_build_object('number', n, 'text', repeat('lorem ipsum ', 20)), false,
            CASE WHEN n % 10000 = 0 THEN $3 ELSE 'user:' || n % 20 END,
            md5(n::text), now() - ($2 - n) * interval '1 second'
     FROM generate_series(1, $2::int) AS n`,
    [topic?.id, messages, RARE_SENDER],
  )
  await rows('VACUUM ANALYZE carillon.messages')
  await rows('ANALYZE carillon.topics')
}

import type { ThrowawayDatabase } from '../../support/database.ts'

/** The topics that `fill` makes: `backlog:1` and so on. */
export const PATTERN = 'backlog:*'

export function topicOf(number: number): string {
  return `backlog:${number + 1}`
}

/** Spreads so many messages of about 300 bytes over so many topics, past the publisher. */
export async function fill(
  { rows }: ThrowawayDatabase,
  topics: number,
  messages: number,
): Promise<void> {
  const each = Math.ceil(messages / topics)
  const names = Array.from({ length: topics }, (_, number) => topicOf(number))
  await rows('TRUNCATE carillon.messages, carillon.topics, carillon.consumers')
  await rows(
    `INSERT INTO carillon.topics (name, epoch, head)
     SELECT name, epoch, $2 FROM carillon.origin, unnest($1::text[]) AS name`,
    [names, each],
  )
  await rows(
    `INSERT INTO carillon.messages (topic_id, sequence, type, payload, encrypted, from_user, published_at)
     SELECT t.id, n, 'message', json_build_object('number', n, 'text', repeat('lorem ipsum ', 20)),
            false, 'user:' || n % 20, now()
     FROM generate_series(1, $1::int) AS n CROSS JOIN carillon.topics t`,
    [each],
  )
  await rows('VACUUM ANALYZE carillon.messages')
  await rows('CHECKPOINT')
}

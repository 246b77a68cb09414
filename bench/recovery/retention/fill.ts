import { TOPICS, topicOf } from '../../publish/sample.ts'
import type { ThrowawayDatabase } from '../../support/database.ts'

/** Why the messages are to be removed. */
export type Reason = 'expired' | 'too old'

/** Fills all topics of the sample, past the publisher, with messages of about 300 bytes that are due. */
export async function fillWithDue(
  { rows }: ThrowawayDatabase,
  messages: number,
  reason: Reason,
): Promise<void> {
  const each = Math.ceil(messages / TOPICS)
  const names = Array.from({ length: TOPICS }, (_, publisher) => topicOf(publisher))
  await rows(
    `INSERT INTO carillon.topics (name, epoch, head)
     SELECT name, epoch, $2 FROM carillon.origin, unnest($1::text[]) AS name`,
    [names, each],
  )
  // Sequence by sequence, as they would have come: the topics lie mixed in the table.
  await rows(
    `INSERT INTO carillon.messages (
       topic_id, sequence, type, payload, encrypted, from_user, idempotency_key, published_at, expires_at
     )
     SELECT t.id, n, 'message',
            json_build_object('number', n, 'text', repeat('lorem ipsum ', 20)), false,
            'user:' || n % 20, md5(n::text),
            now() - interval '1 day' + n * interval '1 millisecond',
            CASE WHEN $2 THEN now() - interval '1 hour' + n * interval '1 millisecond' END
     FROM generate_series(1, $1::int) AS n CROSS JOIN carillon.topics t`,
    [each, reason === 'expired'],
  )
  await rows('VACUUM ANALYZE carillon.messages')
  await rows('CHECKPOINT')
}

import type { TopicName, TopicPattern } from '../core/topic-name.ts'
import { isWildcard, prefixOf } from '../core/topic-name.ts'
import { Prisma } from '../generated/prisma/client.ts'
import type { Member } from './lease-store.ts'

/** Topics with something to do that one survey names; the next one names the others. */
const MAX_SURVEYED = 1_000

/** Members that are forgotten at once; there is no hurry. */
const MAX_FORGOTTEN = 10

/**
 * Several sessions lock leases in the order of their keys, and members one by one or with SKIP LOCKED:
 * none waits for another in a circle.
 */
export function renewStatement(member: Member): Prisma.Sql {
  const { userId, name, holder } = member
  return Prisma.sql`
    WITH alive AS (
      INSERT INTO carillon.consumer_members AS old (user_id, name, holder, topics, expires_at)
      VALUES (${userId}, ${name}, ${holder}, ${groupOf(member)}, ${expiry(member)})
      ON CONFLICT (user_id, name, holder) DO UPDATE SET expires_at = excluded.expires_at
    ),
    forgotten AS (
      DELETE FROM carillon.consumer_members m WHERE (m.user_id, m.name, m.holder) IN (
        SELECT d.user_id, d.name, d.holder FROM carillon.consumer_members d
        WHERE d.user_id = ${userId} AND d.name = ${name} AND d.holder <> ${holder}
          AND d.expires_at < clock_timestamp() - interval '1 minute'
        LIMIT ${MAX_FORGOTTEN} FOR UPDATE SKIP LOCKED
      )
    ),
    mine AS (
      SELECT l.topic_id FROM carillon.consumer_leases l
      WHERE l.user_id = ${userId} AND l.name = ${name} AND l.holder = ${holder}
      ORDER BY l.topic_id FOR NO KEY UPDATE
    ),
    renewed AS (
      UPDATE carillon.consumer_leases l SET expires_at = ${expiry(member)}
      WHERE l.user_id = ${userId} AND l.name = ${name} AND l.topic_id IN (SELECT topic_id FROM mine)
      RETURNING l.topic_id
    )
    SELECT t.name FROM renewed r JOIN carillon.topics t ON t.id = r.topic_id`
}

export function surveyStatement(member: Member): Prisma.Sql {
  const { userId, name, holder, topics } = member
  const names = topics.filter((pattern) => !isWildcard(pattern))
  const prefixes = topics.filter(isWildcard).map(prefixOf)
  return Prisma.sql`
    WITH matching AS (
      SELECT t.id, t.name, t.head, t.tail FROM carillon.topics t WHERE t.name = ANY (${names}::text[])
      UNION
      -- No topic name has a character as high as "~", so it stands behind all with the prefix.
      SELECT t.id, t.name, t.head, t.tail FROM unnest(${prefixes}::text[]) AS p(prefix)
      JOIN carillon.topics t ON t.name >= p.prefix COLLATE "C" AND t.name < (p.prefix || '~') COLLATE "C"
    ),
    seen AS (
      SELECT m.name,
             l.holder = ${holder} AS is_mine,
             l.expires_at > clock_timestamp() AS is_leased,
             l.expires_at,
             m.head > greatest(coalesce(c.acked, 0), m.tail - 1) OR EXISTS (
               SELECT 1 FROM carillon.dead_letters d
               WHERE d.user_id = ${userId} AND d.name = ${name} AND d.topic_id = m.id
                 AND d.replayed_at IS NOT NULL
             ) AS has_work
      FROM matching m
      LEFT JOIN carillon.consumers c
        ON c.user_id = ${userId} AND c.name = ${name} AND c.topic_id = m.id
      LEFT JOIN carillon.consumer_leases l
        ON l.user_id = ${userId} AND l.name = ${name} AND l.topic_id = m.id
    ),
    counts AS (
      SELECT count(*)::int AS active,
             (extract(epoch FROM min(s.expires_at) FILTER (WHERE s.is_leased AND NOT s.is_mine)
                                 - clock_timestamp()) * 1000)::float8 AS next_expiry,
             (SELECT count(*)::int FROM carillon.consumer_members m
              WHERE m.user_id = ${userId} AND m.name = ${name} AND m.topics = ${groupOf(member)}
                AND (m.expires_at > clock_timestamp() OR m.holder = ${holder})) AS members
      FROM seen s WHERE s.has_work OR s.is_leased
    )
    SELECT counts.*, s.name, coalesce(s.is_mine, false) AS is_mine
    FROM counts LEFT JOIN (
      SELECT w.name, w.is_mine FROM seen w
      WHERE w.has_work AND (w.is_mine OR w.is_leased IS NOT TRUE)
      -- Each member begins elsewhere, so that they do not all reach for the same ones.
      ORDER BY w.is_mine DESC NULLS LAST, md5(w.name || ${holder})
      LIMIT ${MAX_SURVEYED}
    ) s ON true`
}

export function takeStatement(member: Member, topics: readonly TopicName[]): Prisma.Sql {
  const { userId, name, holder } = member
  return Prisma.sql`
    INSERT INTO carillon.consumer_leases AS old (user_id, name, topic_id, holder, expires_at)
    SELECT ${userId}, ${name}, t.id, ${holder}, ${expiry(member)} FROM carillon.topics t
    WHERE t.name = ANY (${[...topics]}::text[])
    ORDER BY t.id
    ON CONFLICT (user_id, name, topic_id) DO UPDATE
    SET holder = excluded.holder, expires_at = excluded.expires_at
    WHERE old.expires_at <= clock_timestamp() OR old.holder = excluded.holder`
}

/** Where the consumer stands in the topics of these that the member has the lease of. */
export function leasedStatement(member: Member, topics: readonly TopicName[]): Prisma.Sql {
  const { userId, name, holder } = member
  return Prisma.sql`
    SELECT t.name, t.epoch, coalesce(c.acked, 0)::float8 AS acked
    FROM carillon.topics t
    JOIN carillon.consumer_leases l
      ON l.user_id = ${userId} AND l.name = ${name} AND l.topic_id = t.id AND l.holder = ${holder}
    LEFT JOIN carillon.consumers c
      ON c.user_id = ${userId} AND c.name = ${name} AND c.topic_id = t.id
    WHERE t.name = ANY (${[...topics]}::text[])`
}

/** Of some topics, or of all. */
export function releaseStatement(
  { userId, name, holder }: Member,
  topics: readonly TopicName[] | undefined,
): Prisma.Sql {
  const some =
    topics === undefined
      ? Prisma.empty
      : Prisma.sql`AND l.topic_id IN (
          SELECT t.id FROM carillon.topics t WHERE t.name = ANY (${[...topics]}::text[]))`
  return Prisma.sql`
    WITH mine AS (
      SELECT l.topic_id FROM carillon.consumer_leases l
      WHERE l.user_id = ${userId} AND l.name = ${name} AND l.holder = ${holder} ${some}
      ORDER BY l.topic_id FOR UPDATE
    )
    DELETE FROM carillon.consumer_leases l
    WHERE l.user_id = ${userId} AND l.name = ${name} AND l.topic_id IN (SELECT topic_id FROM mine)`
}

export function leaveStatement({ userId, name, holder }: Member): Prisma.Sql {
  return Prisma.sql`
    DELETE FROM carillon.consumer_members m
    WHERE m.user_id = ${userId} AND m.name = ${name} AND m.holder = ${holder}`
}

function expiry({ leaseMs }: Member): Prisma.Sql {
  return Prisma.sql`clock_timestamp() + ${leaseMs}::int * interval '1 millisecond'`
}

/** The same for all who share topics; a space is in no pattern. */
function groupOf({ topics }: { readonly topics: readonly TopicPattern[] }): string {
  return [...new Set(topics)].sort().join(' ')
}

import { Prisma } from '../generated/prisma/client.ts'
import type { PageQuery } from './log.ts'
import { MESSAGE_COLUMNS, type MessageRow, TOPIC_COLUMNS, type TopicRow } from './message-rows.ts'

/** The columns of a page; those of the message are null where the page is empty. */
export interface PageRow extends TopicRow, MessageRow {
  /** Whether the filtered set has something at `after` or older. */
  readonly older: boolean
  /** Whether the filtered set has something at `before` or newer. */
  readonly newer: boolean
}

/** A stretch of sequences, both ends left out. */
interface Range {
  readonly after?: number | undefined
  readonly before?: number | undefined
}

/**
 * A page in one statement: the topic on every row, one message more than asked for, and
 * whether anything stands outside of the bounds.
 */
export function pageStatement(query: PageQuery): Prisma.Sql {
  const range = { after: query.after?.sequence, before: query.before?.sequence }
  return Prisma.sql`
    SELECT ${TOPIC_COLUMNS}, ends.older, ends.newer, page.*
    FROM carillon.topics t
    CROSS JOIN LATERAL (
      -- OFFSET 0 keeps the planner from working this out again for every row of the page.
      SELECT ${older(query)} AS older, ${newer(query)} AS newer OFFSET 0
    ) ends
    LEFT JOIN LATERAL (
      SELECT ${MESSAGE_COLUMNS} FROM (${select(query, range, query.limit + 1)}) m
    ) page ON true
    WHERE t.name = ${query.topic}
    ORDER BY page.sequence`
}

function older(query: PageQuery): Prisma.Sql {
  if (query.after === undefined) return Prisma.sql`false`
  const range = { before: query.after.sequence + 1 }
  return finds(select({ ...query, take: 'last' }, range, 1))
}

function newer(query: PageQuery): Prisma.Sql {
  if (query.before === undefined) return Prisma.sql`false`
  const range = { after: query.before.sequence - 1 }
  return finds(select({ ...query, take: 'first' }, range, 1))
}

/** EXISTS would drop the order and the limit, and with them the index: it scanned the whole table. */
function finds(messages: Prisma.Sql): Prisma.Sql {
  return Prisma.sql`(SELECT count(*) > 0 FROM (${messages}) found)`
}

/**
 * The first or last visible messages of the filtered set in a range of the topic `t`. A
 * filter reads one stretch of its index for each of its values, so that a rare value costs no
 * more than a common one.
 */
function select(query: PageQuery, range: Range, limit: number): Prisma.Sql {
  if (query.from !== undefined) return selectEach(query, range, limit, 'from_user', query.from)
  if (query.types !== undefined) return selectEach(query, range, limit, 'type', query.types)
  return Prisma.sql`
    SELECT s.* FROM carillon.messages s
    WHERE ${conditions(query, range)}
    ORDER BY s.sequence ${direction(query)} LIMIT ${limit}`
}

function selectEach(
  query: PageQuery,
  range: Range,
  limit: number,
  column: 'from_user' | 'type',
  values: readonly string[],
): Prisma.Sql {
  return Prisma.sql`
    SELECT each_value.* FROM unnest(${[...new Set(values)]}::text[]) AS wanted(value)
    CROSS JOIN LATERAL (
      SELECT s.* FROM carillon.messages s
      WHERE ${conditions(query, range)} AND s.${Prisma.raw(column)} = wanted.value
      ORDER BY s.sequence ${direction(query)} LIMIT ${limit}
    ) each_value
    ORDER BY each_value.sequence ${direction(query)} LIMIT ${limit}`
}

function conditions(query: PageQuery, { after, before }: Range): Prisma.Sql {
  const { from, types, reader } = query
  // What is below the tail is about to be deleted: nobody sees it any more.
  const all = [Prisma.sql`s.topic_id = t.id AND s.sequence >= t.tail`]
  if (after !== undefined) all.push(Prisma.sql`s.sequence > ${after}::bigint`)
  if (before !== undefined) all.push(Prisma.sql`s.sequence < ${before}::bigint`)
  if (from !== undefined && types !== undefined) {
    all.push(Prisma.sql`s.type = ANY (${[...types]}::text[])`)
  }
  all.push(Prisma.sql`(s.expires_at IS NULL OR s.expires_at > now())`)
  if (reader.kind === 'user') all.push(visibleTo(reader.userId))
  return Prisma.join(all, ' AND ')
}

/** The rule of isVisible in core/message.ts. */
function visibleTo(userId: string): Prisma.Sql {
  return Prisma.sql`(s.to_users IS NULL OR s.from_user = ${userId} OR ${userId} = ANY (s.to_users))`
}

function direction({ take }: PageQuery): Prisma.Sql {
  return take === 'first' ? Prisma.sql`ASC` : Prisma.sql`DESC`
}

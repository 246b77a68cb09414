import type { Draft, Message, Reader } from '../core/message.ts'
import { isVisible } from '../core/message.ts'
import type { Epoch, Position, Sequence } from '../core/sequence.ts'
import type { TopicName } from '../core/topic-name.ts'
import type { Database } from '../database/database.ts'
import { withFaults } from '../database/faults.ts'
import { Prisma, type PrismaClient } from '../generated/prisma/client.ts'
import { GroupCommit, type GroupCommitBounds, type UnitResult } from './group-commit.ts'
import type {
  Appended,
  Log,
  LogSlice,
  Page,
  PageQuery,
  Purged,
  TopicPosition,
  TopicSelection,
  TopicState,
  TopicsPage,
  TopicsQuery,
} from './log.ts'
import {
  MESSAGE_COLUMNS,
  type MessageRow,
  TOPIC_COLUMNS,
  type TopicRow,
  toMessage,
  toTopicState,
} from './message-rows.ts'
import { type PageRow, pageStatement } from './page-statement.ts'
import { type PublishRow, publishStatement, readUnitResults } from './publish-statement.ts'
import { type SliceRow, sliceStatement, toSlice } from './slice-statement.ts'

/** The log in PostgreSQL, real or embedded. */
export class PrismaLog implements Log {
  readonly #prisma: PrismaClient
  readonly #commits: GroupCommit

  constructor(database: Database, bounds: GroupCommitBounds = {}) {
    this.#prisma = database.prisma
    this.#commits = new GroupCommit((units) => this.#commit(units), bounds)
  }

  append(drafts: readonly Draft[]): Promise<readonly Appended[]> {
    if (drafts.length === 0) return Promise.resolve([])
    return this.#commits.add(drafts)
  }

  async page(query: PageQuery): Promise<Page> {
    const rows = await this.#rows<PageRow>(pageStatement(query))
    const [first] = rows
    if (first === undefined) return this.#emptyPage(query.topic)
    const topic = toTopicState(first)
    const found = rows.filter(isMessage).map((row) => toMessage(topic.name, topic.epoch, row))
    const hasMore = found.length > query.limit
    const forward = query.take === 'first'
    return {
      topic,
      messages: forward ? found.slice(0, query.limit) : found.slice(hasMore ? 1 : 0),
      hasNext: first.newer || (forward && hasMore),
      hasPrevious: first.older || (!forward && hasMore),
    }
  }

  async read(topic: TopicName, after: Sequence, limit: number): Promise<LogSlice> {
    const rows = await this.#rows<SliceRow>(sliceStatement(topic, after, limit))
    const [first] = rows
    if (first === undefined) return { topic: await this.topic(topic), messages: [] }
    return toSlice(first, rows.filter(isMessage), { after, limit })
  }

  async message(
    topic: TopicName,
    position: Position,
    reader: Reader,
  ): Promise<Message | undefined> {
    const [row] = await this.#rows<MessageRow>(Prisma.sql`
      SELECT ${MESSAGE_COLUMNS}
      FROM carillon.topics t JOIN carillon.messages m ON m.topic_id = t.id
      WHERE t.name = ${topic} AND t.epoch = ${position.epoch}
        AND m.sequence = ${position.sequence}::bigint AND m.sequence >= t.tail
        AND (m.expires_at IS NULL OR m.expires_at > now())`)
    if (row === undefined) return undefined
    const message = toMessage(topic, position.epoch, row)
    return isVisible(message, reader) ? message : undefined
  }

  async topic(name: TopicName): Promise<TopicState> {
    const [state] = await this.topicStates([name])
    return state ?? raise(new Error('A topic has no state.'))
  }

  async topicStates(names: readonly TopicName[]): Promise<readonly TopicState[]> {
    const rows = await this.#rows<TopicRow>(Prisma.sql`
      SELECT n.name, coalesce(t.epoch, o.epoch) AS epoch,
             coalesce(t.head, 0)::float8 AS head, coalesce(t.tail, 1)::float8 AS tail
      FROM carillon.origin o, unnest(${[...names]}::text[]) WITH ORDINALITY AS n(name, place)
      LEFT JOIN carillon.topics t ON t.name = n.name
      ORDER BY n.place`)
    return rows.map(toTopicState)
  }

  async topics({ prefix, limit, after, within }: TopicsQuery): Promise<TopicsPage> {
    // No topic name has a character as high as "~", so it stands behind all with the prefix.
    const listed = Prisma.sql`
      t.name >= ${prefix} AND t.name < ${`${prefix}~`} AND t.head > 0 ${isWithin(within)}`
    const rows = await this.#rows<TopicRow & { readonly older: boolean }>(Prisma.sql`
      SELECT page.*, ends.older
      FROM (
        SELECT EXISTS (
          SELECT 1 FROM carillon.topics t WHERE ${listed} AND t.name <= ${after ?? ''}
        ) AS older
      ) ends
      LEFT JOIN LATERAL (
        SELECT ${TOPIC_COLUMNS} FROM carillon.topics t
        WHERE ${listed} AND t.name > ${after ?? ''}
        ORDER BY t.name LIMIT ${limit + 1}
      ) page ON true
      ORDER BY page.name`)
    const topics = rows.filter((row) => row.name !== null).map(toTopicState)
    return {
      topics: topics.slice(0, limit),
      hasNext: topics.length > limit,
      hasPrevious: rows[0]?.older === true,
    }
  }

  async purge(topic: TopicName, expectedEpoch?: Epoch): Promise<Purged> {
    const [row] = await this.#rows<{ readonly purged: boolean }>(Prisma.sql`
      SELECT carillon.carillon_purge(${topic}, ${expectedEpoch ?? null}::text) AS purged`)
    return { topic: await this.topic(topic), purged: row?.purged === true }
  }

  async changeEpoch({ name, epoch, head }: TopicPosition): Promise<boolean> {
    // A topic that the restored state never had is as one of its origin's epoch.
    const changed = await this.#rows(Prisma.sql`
      INSERT INTO carillon.topics AS t (name, epoch)
      SELECT ${name}, carillon.carillon_random_epoch() FROM carillon.origin o
      WHERE o.epoch = ${epoch} OR EXISTS (SELECT 1 FROM carillon.topics WHERE name = ${name})
      ON CONFLICT (name) DO UPDATE SET epoch = excluded.epoch
      WHERE t.epoch = ${epoch} AND t.head < ${head}::bigint
      RETURNING 1 AS changed`)
    return changed.length > 0
  }

  async ping(): Promise<void> {
    await this.#rows(Prisma.sql`SELECT 1`)
  }

  close(): Promise<void> {
    return this.#commits.close()
  }

  async #commit(units: readonly (readonly Draft[])[]): Promise<readonly UnitResult[]> {
    return readUnitResults(units, await this.#rows<PublishRow>(publishStatement(units)))
  }

  async #emptyPage(name: TopicName): Promise<Page> {
    const topic = await this.topic(name)
    return { topic, messages: [], hasNext: false, hasPrevious: false }
  }

  #rows<Row>(statement: Prisma.Sql): Promise<Row[]> {
    return withFaults(() => this.#prisma.$queryRaw<Row[]>(statement))
  }
}

/** A row of an outer join that found a message. */
function isMessage<Row extends { readonly sequence: Sequence | null }>(
  row: Row,
): row is Row & { readonly sequence: Sequence } {
  return row.sequence !== null
}

function raise(error: Error): never {
  throw error
}

/** A pattern does not stand for the topic that is its prefix alone. */
function isWithin(selection: TopicSelection | undefined): Prisma.Sql {
  if (selection === undefined) return Prisma.empty
  return Prisma.sql`AND (
    t.name = ANY(${[...selection.names]}::text[]) OR EXISTS (
      SELECT 1 FROM unnest(${[...selection.prefixes]}::text[]) prefix
      WHERE starts_with(t.name, prefix) AND length(t.name) > length(prefix)
    ))`
}

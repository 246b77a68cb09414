import type { Message } from '../core/message.ts'
import type { Epoch, Position, Sequence } from '../core/sequence.ts'
import type { TopicName } from '../core/topic-name.ts'
import type { Database } from '../database/database.ts'
import { withFaults } from '../database/faults.ts'
import { Prisma, type PrismaClient } from '../generated/prisma/client.ts'
import { type MessageRow, messageColumns, toMessage } from '../log/message-rows.ts'
import type { ConsumerKey } from './consumer-store.ts'
import { buryStatement, chosen, pageStatement, settleStatement } from './dead-letter-statements.ts'
import type {
  DeadLetter,
  DeadLetterPage,
  DeadLetterPageQuery,
  DeadLetterSelection,
  DeadLetterStore,
  Failure,
  Handling,
} from './dead-letter-store.ts'

interface LetterRow extends MessageRow {
  readonly topic: TopicName
  readonly epoch: Epoch
  readonly user_id: string
  readonly name: string
  readonly attempts: number
  readonly error: string
  readonly failed_at: number
}

interface PageRow extends Omit<LetterRow, 'name'> {
  /** Null where the page is empty. */
  readonly name: string | null
  readonly older: boolean
  readonly newer: boolean
}

/** The columns of the dead letter `d` in the topic `t`. */
const COLUMNS = Prisma.sql`
  t.name AS topic, t.epoch, d.user_id, d.name, d.attempts, d.error,
  (extract(epoch FROM d.failed_at) * 1000)::float8 AS failed_at, ${messageColumns('d')}`

/** Dead letters in PostgreSQL, real or embedded. */
export class PrismaDeadLetterStore implements DeadLetterStore {
  readonly #prisma: PrismaClient

  constructor(database: Database) {
    this.#prisma = database.prisma
  }

  async bury(message: Message, handling: Handling, failure: Failure): Promise<boolean> {
    return (await this.#rows(buryStatement(message, handling, failure))).length > 0
  }

  async page(query: DeadLetterPageQuery): Promise<DeadLetterPage> {
    const rows = await this.#rows<PageRow>(pageStatement(COLUMNS, query))
    const [first] = rows
    return {
      letters: rows.filter(isLetter).map(toLetter),
      hasNext: first?.newer === true,
      hasPrevious: first?.older === true,
    }
  }

  async letter(key: ConsumerKey, { epoch, sequence }: Position): Promise<DeadLetter | undefined> {
    const [row] = await this.#rows<LetterRow>(Prisma.sql`
      SELECT ${COLUMNS} FROM carillon.topics t JOIN carillon.dead_letters d ON d.topic_id = t.id
      WHERE t.name = ${key.topic} AND t.epoch = ${epoch} AND d.user_id = ${key.userId}
        AND d.name = ${key.name} AND d.sequence = ${sequence}::bigint AND d.replayed_at IS NULL`)
    return row === undefined ? undefined : toLetter(row)
  }

  replay(selection: DeadLetterSelection): Promise<number> {
    return this.#count(Prisma.sql`
      UPDATE carillon.dead_letters l SET replayed_at = now()
      WHERE (l.user_id, l.topic_id, l.sequence, l.name) IN (${chosen(selection)})`)
  }

  discard(selection: DeadLetterSelection): Promise<number> {
    return this.#count(Prisma.sql`
      DELETE FROM carillon.dead_letters l
      WHERE (l.user_id, l.topic_id, l.sequence, l.name) IN (${chosen(selection)})`)
  }

  async waiting(
    { userId, name, topic }: ConsumerKey,
    limit: number,
  ): Promise<readonly DeadLetter[]> {
    const rows = await this.#rows<LetterRow>(Prisma.sql`
      SELECT ${COLUMNS} FROM carillon.topics t JOIN carillon.dead_letters d ON d.topic_id = t.id
      WHERE t.name = ${topic} AND d.user_id = ${userId} AND d.name = ${name}
        AND d.replayed_at IS NOT NULL
      ORDER BY d.sequence LIMIT ${limit}`)
    return rows.map(toLetter)
  }

  async settle(handling: Handling, sequence: Sequence): Promise<boolean> {
    return (await this.#rows(settleStatement(handling, sequence))).length > 0
  }

  #rows<Row = unknown>(statement: Prisma.Sql): Promise<Row[]> {
    return withFaults(() => this.#prisma.$queryRaw<Row[]>(statement))
  }

  #count(statement: Prisma.Sql): Promise<number> {
    return withFaults(() => this.#prisma.$executeRaw(statement))
  }
}

/** A row of an outer join that found a dead letter. */
function isLetter(row: PageRow): row is PageRow & LetterRow {
  return row.name !== null
}

function toLetter(row: LetterRow): DeadLetter {
  return {
    userId: row.user_id,
    consumer: row.name,
    message: toMessage(row.topic, row.epoch, row),
    attempts: row.attempts,
    error: row.error,
    failedAt: new Date(row.failed_at),
  }
}

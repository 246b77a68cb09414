import type { Epoch, Sequence } from '../core/sequence.ts'
import type { TopicName } from '../core/topic-name.ts'
import type { Database } from '../database/database.ts'
import { withFaults } from '../database/faults.ts'
import { Prisma, type PrismaClient } from '../generated/prisma/client.ts'
import { type AckRow, ackStatement, toOutcome } from './ack-statement.ts'
import type {
  Ack,
  AckOutcome,
  Consumer,
  ConsumerKey,
  ConsumerName,
  ConsumerStore,
} from './consumer-store.ts'

interface ConsumerRow {
  readonly epoch: Epoch
  readonly acked: Sequence
  readonly lag: number
  readonly updated_at: number
}

/** The columns of the consumer `c` in the topic `t`. */
const COLUMNS = Prisma.sql`
  t.epoch, c.acked::float8 AS acked,
  (t.head - greatest(c.acked, t.tail - 1))::float8 AS lag,
  (extract(epoch FROM c.updated_at) * 1000)::float8 AS updated_at`

/** Acknowledgements in PostgreSQL, real or embedded. */
export class PrismaConsumerStore implements ConsumerStore {
  readonly #prisma: PrismaClient

  constructor(database: Database) {
    this.#prisma = database.prisma
  }

  async ack(acks: readonly Ack[]): Promise<readonly AckOutcome[]> {
    if (acks.length === 0) return []
    const rows = await withFaults(() => this.#prisma.$queryRaw<AckRow[]>(ackStatement(acks)))
    return acks.map((ack, index) => toOutcome(ack, rows[index]))
  }

  async consumer(key: ConsumerKey): Promise<Consumer | undefined> {
    const [row] = await this.#rows(Prisma.sql`
      SELECT ${COLUMNS}
      FROM carillon.topics t JOIN carillon.consumers c ON c.topic_id = t.id
      WHERE t.name = ${key.topic} AND c.user_id = ${key.userId} AND c.name = ${key.name}`)
    return row === undefined ? undefined : toConsumer(key, row)
  }

  async acked(
    { userId, name }: ConsumerName,
    topics: readonly TopicName[],
  ): Promise<ReadonlyMap<TopicName, Sequence>> {
    const rows = await withFaults(() =>
      this.#prisma.$queryRaw<{ readonly topic: TopicName; readonly acked: Sequence }[]>(Prisma.sql`
        SELECT t.name AS topic, c.acked::float8 AS acked
        FROM carillon.topics t JOIN carillon.consumers c ON c.topic_id = t.id
        WHERE c.user_id = ${userId} AND c.name = ${name} AND t.name = ANY(${[...topics]}::text[])`),
    )
    return new Map(rows.map(({ topic, acked }) => [topic, acked]))
  }

  #rows(statement: Prisma.Sql): Promise<ConsumerRow[]> {
    return withFaults(() => this.#prisma.$queryRaw<ConsumerRow[]>(statement))
  }
}

function toConsumer(key: ConsumerKey, row: ConsumerRow): Consumer {
  const { epoch, acked, lag } = row
  return { ...key, epoch, acked, lag, updatedAt: new Date(row.updated_at) }
}

import type { Epoch, Sequence } from '../core/sequence.ts'
import type { TopicName } from '../core/topic-name.ts'
import type { Database } from '../database/database.ts'
import { withFaults } from '../database/faults.ts'
import { Prisma, type PrismaClient } from '../generated/prisma/client.ts'
import { CarillonError } from '../protocol/errors.ts'
import type { Consumer, ConsumerKey, ConsumerStore } from './consumer-store.ts'

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

  async ack(key: ConsumerKey, sequence: Sequence, epoch: Epoch | undefined): Promise<Consumer> {
    // One statement: what the head and the epoch are checked against is what is acknowledged.
    const [row] = await this.#rows(Prisma.sql`
      WITH t AS (SELECT * FROM carillon.topics WHERE name = ${key.topic}),
      c AS (
        INSERT INTO carillon.consumers AS old (user_id, name, topic_id, acked, updated_at)
        SELECT ${key.userId}, ${key.name}, t.id, ${sequence}::bigint, now() FROM t
        WHERE t.head >= ${sequence}::bigint AND t.epoch = coalesce(${epoch ?? null}::text, t.epoch)
        ON CONFLICT (user_id, name, topic_id) DO UPDATE
        SET acked = greatest(old.acked, excluded.acked),
            updated_at = CASE WHEN excluded.acked > old.acked THEN excluded.updated_at
                              ELSE old.updated_at END
        RETURNING *
      )
      SELECT ${COLUMNS} FROM t, c`)
    return row === undefined ? this.#refuse(key, sequence, epoch) : toConsumer(key, row)
  }

  async consumer(key: ConsumerKey): Promise<Consumer | undefined> {
    const [row] = await this.#rows(Prisma.sql`
      SELECT ${COLUMNS}
      FROM carillon.topics t JOIN carillon.consumers c ON c.topic_id = t.id
      WHERE t.name = ${key.topic} AND c.user_id = ${key.userId} AND c.name = ${key.name}`)
    return row === undefined ? undefined : toConsumer(key, row)
  }

  async acked(
    { userId, name }: Omit<ConsumerKey, 'topic'>,
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

  /** Says why an ack found nothing to move. */
  async #refuse(
    { topic }: ConsumerKey,
    sequence: Sequence,
    epoch: Epoch | undefined,
  ): Promise<never> {
    const [state] = await withFaults(() =>
      this.#prisma.topic.findMany({ where: { name: topic }, select: { epoch: true, head: true } }),
    )
    if (state === undefined) {
      throw new CarillonError('INVALID_INPUT', `The topic ${topic} has nothing to acknowledge yet.`)
    }
    if (epoch !== undefined && state.epoch !== epoch) throw new CarillonError('CURSOR_EXPIRED')
    throw new CarillonError(
      'INVALID_INPUT',
      `The head of the topic ${topic} is ${state.head}; ${sequence} is past it.`,
    )
  }

  #rows(statement: Prisma.Sql): Promise<ConsumerRow[]> {
    return withFaults(() => this.#prisma.$queryRaw<ConsumerRow[]>(statement))
  }
}

function toConsumer(key: ConsumerKey, row: ConsumerRow): Consumer {
  const { epoch, acked, lag } = row
  return { ...key, epoch, acked, lag, updatedAt: new Date(row.updated_at) }
}

import type { JsonText } from '../core/json.ts'
import type { Epoch, Sequence } from '../core/sequence.ts'
import { Snapshot } from '../core/snapshot.ts'
import type { TopicName } from '../core/topic-name.ts'
import type { Database } from '../database/database.ts'
import { withFaults } from '../database/faults.ts'
import { Prisma, type PrismaClient } from '../generated/prisma/client.ts'
import { CarillonError } from '../protocol/errors.ts'
import type { SnapshotDraft, SnapshotStore } from './snapshot-store.ts'

interface SnapshotRow {
  readonly epoch: Epoch
  readonly sequence: Sequence
  readonly state: JsonText
  readonly saved_at: number
}

/** The columns of the snapshot `s` of the topic `t`. */
const COLUMNS = Prisma.sql`
  t.epoch, s.sequence::float8 AS sequence, s.state::text AS state,
  (extract(epoch FROM s.saved_at) * 1000)::float8 AS saved_at`

/** Snapshots in PostgreSQL, real or embedded. */
export class PrismaSnapshotStore implements SnapshotStore {
  readonly #prisma: PrismaClient

  constructor(database: Database) {
    this.#prisma = database.prisma
  }

  async save(draft: SnapshotDraft): Promise<Snapshot> {
    // One statement: the head that is checked is that of the topic whose state is saved.
    const [row] = await this.#rows(Prisma.sql`
      WITH t AS (SELECT * FROM carillon.topics WHERE name = ${draft.topic}),
      s AS (
        INSERT INTO carillon.snapshots AS old (topic_id, sequence, state, saved_at)
        SELECT t.id, ${draft.sequence}::bigint, ${draft.state}::json, now() FROM t
        WHERE t.head >= ${draft.sequence}::bigint
        ON CONFLICT (topic_id) DO UPDATE
        SET sequence = excluded.sequence, state = excluded.state, saved_at = excluded.saved_at
        WHERE old.sequence <= excluded.sequence
        RETURNING *
      )
      SELECT ${COLUMNS} FROM t, s`)
    return row === undefined ? this.#refuse(draft) : toSnapshot(draft.topic, row)
  }

  async snapshot(topic: TopicName): Promise<Snapshot | undefined> {
    const [row] = await this.#rows(Prisma.sql`
      SELECT ${COLUMNS}
      FROM carillon.topics t JOIN carillon.snapshots s ON s.topic_id = t.id
      WHERE t.name = ${topic}`)
    return row === undefined ? undefined : toSnapshot(topic, row)
  }

  async having(topics: readonly TopicName[]): Promise<ReadonlySet<TopicName>> {
    const rows = await withFaults(() =>
      this.#prisma.$queryRaw<{ readonly name: TopicName }[]>(Prisma.sql`
        SELECT t.name FROM carillon.topics t JOIN carillon.snapshots s ON s.topic_id = t.id
        WHERE t.name = ANY(${[...topics]}::text[])`),
    )
    return new Set(rows.map(({ name }) => name))
  }

  /** Says why nothing was saved. */
  async #refuse({ topic, sequence }: SnapshotDraft): Promise<never> {
    const stored = await this.snapshot(topic)
    if (stored !== undefined && stored.sequence > sequence) {
      throw new CarillonError(
        'SEQUENCE_CONFLICT',
        `There is a newer snapshot of the topic ${topic}, as of ${stored.sequence}.`,
      )
    }
    throw new CarillonError(
      'INVALID_INPUT',
      `A snapshot of the topic ${topic} as of ${sequence} is past its head.`,
    )
  }

  #rows(statement: Prisma.Sql): Promise<SnapshotRow[]> {
    return withFaults(() => this.#prisma.$queryRaw<SnapshotRow[]>(statement))
  }
}

function toSnapshot(topic: TopicName, row: SnapshotRow): Snapshot {
  const { epoch, sequence, state } = row
  return new Snapshot({ topic, epoch, sequence, state, savedAt: new Date(row.saved_at) })
}

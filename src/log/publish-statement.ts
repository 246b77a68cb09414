import type { Draft } from '../core/message.ts'
import { Message } from '../core/message.ts'
import type { Epoch, Sequence } from '../core/sequence.ts'
import { Prisma } from '../generated/prisma/client.ts'
import { CarillonError } from '../protocol/errors.ts'
import type { UnitResult } from './group-commit.ts'
import type { Appended } from './log.ts'

/** A row that the database function carillon_publish answers for one draft. */
export interface PublishRow {
  /** 1 for the first draft of the batch. */
  readonly ordinal: number
  readonly outcome: 'new' | 'duplicate' | 'idempotency_conflict' | 'sequence_conflict' | 'aborted'
  readonly epoch: Epoch
  /** The message's sequence; for a sequence conflict the head that was found. */
  readonly sequence: Sequence
  readonly client_id: string | null
  /** Milliseconds since 1970. */
  readonly published_at: number
  readonly expires_at: number | null
}

/** The call that appends units in one round trip. */
export function publishStatement(units: readonly (readonly Draft[])[]): Prisma.Sql {
  const drafts = units.flat()
  return Prisma.sql`
    SELECT ordinal, outcome, epoch, sequence, client_id, published_at, expires_at
    FROM carillon.carillon_publish(
      ${units.flatMap((unit, index) => unit.map(() => index))}::int[],
      ${drafts.map((draft) => draft.topic)}::text[],
      ${drafts.map((draft) => draft.type)}::text[],
      ${drafts.map((draft) => draft.payload)}::text[],
      ${column(drafts, (draft) => draft.metadata)}::text[],
      ${drafts.map((draft) => draft.encrypted)}::bool[],
      ${drafts.map((draft) => draft.from)}::text[],
      ${column(drafts, (draft) => draft.clientId)}::text[],
      ${column(drafts, (draft) => (draft.to === null ? null : JSON.stringify(draft.to)))}::text[],
      ${column(drafts, (draft) => draft.idempotencyKey)}::text[],
      ${column(drafts, (draft) => draft.ttl)}::int[],
      ${column(drafts, (draft) => draft.expectedHead)}::bigint[]
    )`
}

/** One value a draft; null where no draft has one, which the database then need not look at. */
function column<T>(
  drafts: readonly Draft[],
  read: (draft: Draft) => T | null,
): readonly (T | null)[] | null {
  const values = drafts.map(read)
  return values.every((value) => value === null) ? null : values
}

/** Puts the rows of a batch, which come in any order, back to its units. */
export function readUnitResults(
  units: readonly (readonly Draft[])[],
  rows: readonly PublishRow[],
): readonly UnitResult[] {
  const byOrdinal: PublishRow[] = []
  for (const row of rows) byOrdinal[row.ordinal - 1] = row
  let start = 0
  return units.map((drafts) => {
    const unitRows = byOrdinal.slice(start, start + drafts.length)
    start += drafts.length
    return readUnit(drafts, unitRows)
  })
}

function readUnit(drafts: readonly Draft[], rows: readonly PublishRow[]): UnitResult {
  const appended: Appended[] = []
  let refusal: CarillonError | undefined
  drafts.forEach((draft, index) => {
    const row = rows[index]
    if (row === undefined) throw new Error('carillon_publish answered too few rows.')
    switch (row.outcome) {
      case 'new':
      case 'duplicate':
        appended.push({ message: toMessage(draft, row), duplicate: row.outcome === 'duplicate' })
        return
      case 'idempotency_conflict':
        refusal = idempotencyConflict(draft)
        return
      case 'sequence_conflict':
        refusal = sequenceConflict(draft, row)
        return
      case 'aborted':
        return
      default:
        row.outcome satisfies never
    }
  })
  return refusal === undefined
    ? { kind: 'written', answer: appended }
    : { kind: 'refused', error: refusal }
}

/** A duplicate has the content of its draft, or it would be a conflict. */
function toMessage(draft: Draft, row: PublishRow): Message {
  return new Message({
    topic: draft.topic,
    epoch: row.epoch,
    sequence: row.sequence,
    type: draft.type,
    payload: draft.payload,
    metadata: draft.metadata,
    encrypted: draft.encrypted,
    from: draft.from,
    clientId: row.client_id,
    to: draft.to,
    idempotencyKey: draft.idempotencyKey,
    publishedAt: new Date(row.published_at),
    expiresAt: row.expires_at === null ? null : new Date(row.expires_at),
  })
}

function idempotencyConflict(draft: Draft): CarillonError {
  return new CarillonError(
    'IDEMPOTENCY_CONFLICT',
    `The idempotency key ${JSON.stringify(draft.idempotencyKey)} was used in the topic ${draft.topic} for another message.`,
  )
}

function sequenceConflict(draft: Draft, row: PublishRow): CarillonError {
  return new CarillonError(
    'SEQUENCE_CONFLICT',
    `The head of the topic ${draft.topic} is ${row.sequence}, not ${draft.expectedHead}.`,
  )
}

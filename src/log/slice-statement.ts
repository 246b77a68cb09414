import type { Sequence } from '../core/sequence.ts'
import type { TopicName } from '../core/topic-name.ts'
import { Prisma } from '../generated/prisma/client.ts'
import type { LogSlice } from './log.ts'
import {
  MESSAGE_COLUMNS,
  type MessageRow,
  TOPIC_COLUMNS,
  type TopicRow,
  toMessage,
  toTopicState,
} from './message-rows.ts'
import { fillRemoved } from './removed.ts'

/** A slice ends with the message with which its payloads reach this many bytes. */
const MAX_BYTES = 256 * 1024

/** The columns of a slice; those of the message are null where the slice is empty. */
export interface SliceRow extends TopicRow, MessageRow {
  /** The payloads of the slice up to and with this one. */
  readonly bytes: number
}

/** What was asked for. */
interface Wanted {
  readonly after: Sequence
  readonly limit: number
}

/** The rows of the `limit` places behind a sequence, from the tail on. */
export function sliceStatement(topic: TopicName, after: Sequence, limit: number): Prisma.Sql {
  return Prisma.sql`
    SELECT ${TOPIC_COLUMNS}, slice.*
    FROM carillon.topics t
    LEFT JOIN LATERAL (
      SELECT ${MESSAGE_COLUMNS}, m.bytes::float8 AS bytes FROM (
        SELECT s.*, sum(octet_length(s.payload::text)) OVER (ORDER BY s.sequence) AS bytes
        FROM (
          SELECT * FROM carillon.messages
          WHERE topic_id = t.id
            AND sequence > greatest(${after}::bigint, t.tail - 1)
            AND sequence <= greatest(${after}::bigint, t.tail - 1) + ${limit}::bigint
          ORDER BY sequence LIMIT ${limit}
        ) s
      ) m
      WHERE m.bytes - octet_length(m.payload::text) < ${MAX_BYTES}
    ) slice ON true
    WHERE t.name = ${topic}
    ORDER BY slice.sequence`
}

/** A slice without holes, of a topic and the rows of its messages. */
export function toSlice(
  row: TopicRow,
  rows: readonly SliceRow[],
  { after, limit }: Wanted,
): LogSlice {
  const { name, epoch, head, tail } = row
  const messages = rows.map((each) => toMessage(name, epoch, each))
  const last = rows.at(-1)
  const start = Math.max(after, tail - 1)
  const isFull = last !== undefined && last.bytes >= MAX_BYTES
  const to = isFull ? last.sequence : Math.min(head, start + limit)
  return {
    topic: toTopicState(row),
    messages: fillRemoved(messages, { topic: name, epoch, from: start + 1, to }),
  }
}

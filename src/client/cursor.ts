import { decodeBase64url } from './base64url.ts'

/** What a cursor is about. */
export interface CursorParts {
  readonly topic: string
  /** Of which numbering it is: sequences of two epochs do not compare. */
  readonly epoch: string
}

/**
 * A cursor is `<sequence>:<epoch>:<topic>` inside. The client looks into one only to know which of them are of the same numbering: two
 * cursors of one topic would be refused, and without the first one what it stands for would be lost. Undefined for
 * what is none.
 */
export function readCursor(cursor: string | null | undefined): CursorParts | undefined {
  const [, epoch, topic] = /^\d+:([^:]*):(.+)$/.exec(decodeBase64url(cursor ?? '')) ?? []
  return epoch === undefined || topic === undefined ? undefined : { epoch, topic }
}

import { CarillonError } from '../protocol/errors.ts'
import { type Epoch, isSequence, type Position, type Sequence } from './sequence.ts'
import { isTopicName, type TopicName } from './topic-name.ts'

/** An opaque text for a position in one topic. Equal positions have equal cursors. */
export type Cursor = string & { readonly __brand: 'Cursor' }

/** What a cursor says. */
export interface CursorPosition extends Position {
  readonly topic: TopicName
}

const EPOCH = /^[0-9a-f]{12}$/
const SEQUENCE = /^(0|[1-9][0-9]{0,15})$/
/** The longest cursor of the longest name; what is longer is not looked at. */
const MAX_CURSOR_LENGTH = 256

export function isEpoch(value: string): value is Epoch {
  return EPOCH.test(value)
}

export function encodeCursor({ topic, epoch, sequence }: CursorPosition): Cursor {
  return Buffer.from(`${sequence}:${epoch}:${topic}`, 'latin1').toString('base64url') as Cursor
}

/** @throws CarillonError INVALID_CURSOR */
export function decodeCursor(cursor: unknown): CursorPosition {
  const position = typeof cursor === 'string' ? readCursor(cursor) : undefined
  if (position === undefined) throw new CarillonError('INVALID_CURSOR', 'This is not a cursor.')
  return position
}

/**
 * The position of a cursor that has to belong to this topic.
 * @throws CarillonError INVALID_CURSOR
 */
export function decodeCursorOf(topic: TopicName, cursor: unknown): Position {
  const position = decodeCursor(cursor)
  if (position.topic === topic) return position
  throw new CarillonError('INVALID_CURSOR', `This is not a cursor of the topic ${topic}.`)
}

/** The position that a cursor says; undefined where it is not one. */
export function readCursor(cursor: string): CursorPosition | undefined {
  if (cursor.length > MAX_CURSOR_LENGTH) return undefined
  const [digits, epoch, ...name] = Buffer.from(cursor, 'base64url').toString('latin1').split(':')
  const topic = name.join(':')
  if (digits === undefined || epoch === undefined) return undefined
  if (!SEQUENCE.test(digits) || !isEpoch(epoch) || !isTopicName(topic)) return undefined
  const sequence = Number(digits)
  if (!isSequence(sequence)) return undefined
  const position = { topic, epoch, sequence }
  // Base64 has several spellings of the same bytes; only ours is a cursor.
  return encodeCursor(position) === cursor ? position : undefined
}

/** Refuses a position that its topic, as it is now, has not or no longer. */
export function checkPosition(position: Position, head: Position): Sequence {
  if (position.epoch !== head.epoch) {
    throw new CarillonError(
      'CURSOR_EXPIRED',
      'The numbering of the topic started again after this cursor was given out.',
    )
  }
  if (position.sequence > head.sequence) {
    throw new CarillonError('INVALID_CURSOR', 'This cursor is past the head of the topic.')
  }
  return position.sequence
}

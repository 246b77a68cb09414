import { encodeCursor, readCursor } from './cursor.ts'
import type { Epoch, Sequence } from './sequence.ts'
import { isText, MAX_ID_LENGTH } from './text.ts'
import { isTopicName, type TopicName } from './topic-name.ts'

/** What the opaque id of a Relay node stands for. */
export type GlobalId =
  | { readonly kind: 'Topic'; readonly topic: TopicName }
  | {
      readonly kind: 'Message'
      readonly topic: TopicName
      readonly epoch: Epoch
      readonly sequence: Sequence
    }
  | {
      readonly kind: 'Consumer'
      readonly topic: TopicName
      readonly userId: string
      readonly name: string
    }
  | ({ readonly kind: 'DeadLetter' } & DeadLetterKey)

/** Which message which durable reader could not handle. */
export interface DeadLetterKey {
  readonly topic: TopicName
  readonly epoch: Epoch
  readonly sequence: Sequence
  readonly userId: string
  /** Of the consumer. */
  readonly name: string
}

/** One letter in front says the kind; `.` is no letter of base64url. */
const PREFIXES = { Topic: 't.', Message: 'm.', Consumer: 'c.', DeadLetter: 'd.' } as const

export function encodeTopicId(topic: TopicName): string {
  return PREFIXES.Topic + toBase64(topic)
}

export function encodeMessageId(at: {
  readonly topic: TopicName
  readonly epoch: Epoch
  readonly sequence: Sequence
}): string {
  return PREFIXES.Message + encodeCursor(at)
}

export function encodeConsumerId(topic: TopicName, userId: string, name: string): string {
  return PREFIXES.Consumer + toBase64(JSON.stringify([topic, userId, name]))
}

export function encodeDeadLetterId(key: DeadLetterKey): string {
  return PREFIXES.DeadLetter + toBase64(JSON.stringify([encodeCursor(key), key.userId, key.name]))
}

/** Undefined for what is no id of ours: such a node is not there. */
export function decodeGlobalId(id: string): GlobalId | undefined {
  const body = id.slice(2)
  switch (id.slice(0, 2)) {
    case PREFIXES.Topic:
      return decodeTopic(body)
    case PREFIXES.Message:
      return decodeMessage(body)
    case PREFIXES.Consumer:
      return decodeConsumer(body)
    case PREFIXES.DeadLetter:
      return decodeDeadLetter(body)
    default:
      return undefined
  }
}

function decodeTopic(body: string): GlobalId | undefined {
  const topic = fromBase64(body)
  return isTopicName(topic) ? { kind: 'Topic', topic } : undefined
}

function decodeMessage(body: string): GlobalId | undefined {
  const position = readCursor(body)
  return position === undefined ? undefined : { kind: 'Message', ...position }
}

function decodeConsumer(body: string): GlobalId | undefined {
  const parts = parseArray(fromBase64(body))
  const [topic, userId, name] = parts
  if (!isTopicName(topic) || !isText(userId, MAX_ID_LENGTH) || !isText(name, MAX_ID_LENGTH)) {
    return undefined
  }
  return { kind: 'Consumer', topic, userId, name }
}

function decodeDeadLetter(body: string): GlobalId | undefined {
  const [cursor, userId, name] = parseArray(fromBase64(body))
  const position = typeof cursor === 'string' ? readCursor(cursor) : undefined
  if (position === undefined) return undefined
  if (!isText(userId, MAX_ID_LENGTH) || !isText(name, MAX_ID_LENGTH)) return undefined
  return { kind: 'DeadLetter', ...position, userId, name }
}

function parseArray(text: string): unknown[] {
  try {
    const value: unknown = JSON.parse(text)
    return Array.isArray(value) ? value : []
  } catch {
    return []
  }
}

function toBase64(text: string): string {
  return Buffer.from(text, 'utf8').toString('base64url')
}

function fromBase64(text: string): string {
  return Buffer.from(text, 'base64url').toString('utf8')
}

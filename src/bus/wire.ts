import type { JsonText } from '../core/json.ts'
import { Message, type MessageFields } from '../core/message.ts'

/** Messages on their way between instances of other formats than this are not read. */
const VERSION = 1

/** Everything of a message but its JSON, which is carried as it is. */
interface Header extends Omit<MessageFields, 'payload' | 'metadata' | 'publishedAt' | 'expiresAt'> {
  readonly v: number
  /** The instance that publishes. */
  readonly origin: string
  /** Milliseconds since 1970. */
  readonly publishedAt: number
  readonly expiresAt: number | null
  readonly hasMetadata: boolean
}

/** No JSON text has a line feed of its own: three lines are header, payload and metadata. */
const SEPARATOR = '\n'

export interface Received {
  readonly origin: string
  readonly message: Message
}

export function encodeMessage(message: Message, origin: string): Buffer {
  const { payloadText, metadataText } = message
  const header: Header = {
    v: VERSION,
    origin,
    topic: message.topic,
    epoch: message.epoch,
    sequence: message.sequence,
    type: message.type,
    encrypted: message.encrypted,
    from: message.from,
    clientId: message.clientId,
    to: message.to,
    idempotencyKey: message.idempotencyKey,
    publishedAt: message.publishedAt.getTime(),
    expiresAt: message.expiresAt === null ? null : message.expiresAt.getTime(),
    hasMetadata: metadataText !== null,
  }
  return Buffer.from([JSON.stringify(header), payloadText, metadataText ?? ''].join(SEPARATOR))
}

/** Undefined for what is not of this version: who needs the message reads it from the log. */
export function decodeMessage(buffer: Buffer): Received | undefined {
  const [head, payload, metadata] = buffer.toString('utf8').split(SEPARATOR)
  if (head === undefined || payload === undefined || metadata === undefined) return undefined
  const header = parseHeader(head)
  if (header === undefined) return undefined
  const { origin, publishedAt, expiresAt, hasMetadata } = header
  const message = new Message({
    ...header,
    payload: payload as JsonText,
    metadata: hasMetadata ? (metadata as JsonText) : null,
    publishedAt: new Date(publishedAt),
    expiresAt: expiresAt === null ? null : new Date(expiresAt),
  })
  return { origin, message }
}

function parseHeader(text: string): Header | undefined {
  try {
    const header = JSON.parse(text) as Header
    return header.v === VERSION ? header : undefined
  } catch {
    return undefined // not ours: another program uses the same channel
  }
}

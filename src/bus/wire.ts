import { isEpoch } from '../core/cursor.ts'
import type { JsonText } from '../core/json.ts'
import {
  type AnyMessage,
  type EphemeralFields,
  EphemeralMessage,
  Message,
  type MessageFields,
} from '../core/message.ts'
import { isTopicName } from '../core/topic-name.ts'
import type { EpochChange } from './bus.ts'

/** Messages on their way between instances of other formats than this are not read. */
const VERSION = 2

/** What is carried in another way than as a field of the header. */
type Apart = 'payload' | 'metadata' | 'publishedAt' | 'expiresAt'

/** Where a message stands, or the id of one that stands nowhere. */
type Place =
  | ({ readonly ephemeral: false } & Pick<MessageFields, 'epoch' | 'sequence' | 'idempotencyKey'>)
  | ({ readonly ephemeral: true } & Pick<EphemeralFields, 'id'>)

/** Everything of a message but its JSON, which is carried as it is. */
interface Header extends Omit<EphemeralFields, Apart | 'id'> {
  readonly v: number
  readonly place: Place
  /** The instance that publishes. */
  readonly origin: string
  /** Milliseconds since 1970. */
  readonly publishedAt: number
  readonly expiresAt: number | null
  readonly hasMetadata: boolean
}

/** No JSON text has a line feed of its own: three lines are header, payload and metadata. */
const SEPARATOR = '\n'

/** What came from an instance. */
export type Received = { readonly origin: string } & (
  | { readonly kind: 'message'; readonly message: AnyMessage }
  | { readonly kind: 'epochChange'; readonly change: EpochChange }
)

export function encodeMessage(message: AnyMessage, origin: string): Buffer {
  const { payloadText, metadataText } = message
  const header: Header = {
    v: VERSION,
    origin,
    place: placeOf(message),
    topic: message.topic,
    type: message.type,
    encrypted: message.encrypted,
    from: message.from,
    clientId: message.clientId,
    to: message.to,
    publishedAt: message.publishedAt.getTime(),
    expiresAt: message.expiresAt === null ? null : message.expiresAt.getTime(),
    hasMetadata: metadataText !== null,
  }
  return Buffer.from([JSON.stringify(header), payloadText, metadataText ?? ''].join(SEPARATOR))
}

/** One line: servers that do not know of these take it for no message of theirs. */
export function encodeEpochChange({ topic, epoch }: EpochChange, origin: string): Buffer {
  const line: ChangeLine = { v: VERSION, origin, changed: { topic, epoch } }
  return Buffer.from(JSON.stringify(line))
}

/** Undefined for what is not of this version: who needs it finds it in the log. */
export function decode(buffer: Buffer): Received | undefined {
  const [head, payload, metadata] = buffer.toString('utf8').split(SEPARATOR)
  if (head === undefined) return undefined
  if (payload === undefined || metadata === undefined) return parseChange(head)
  const header = parseHeader(head)
  if (header === undefined) return undefined
  const { origin, publishedAt, expiresAt, hasMetadata, place } = header
  const fields = {
    ...header,
    payload: payload as JsonText,
    metadata: hasMetadata ? (metadata as JsonText) : null,
    publishedAt: new Date(publishedAt),
    expiresAt: expiresAt === null ? null : new Date(expiresAt),
  }
  const message = place.ephemeral
    ? new EphemeralMessage({ ...fields, id: place.id })
    : new Message({ ...fields, ...place })
  return { kind: 'message', origin, message }
}

function placeOf(message: AnyMessage): Place {
  if (message.ephemeral) return { ephemeral: true, id: message.id }
  const { epoch, sequence, idempotencyKey } = message
  return { ephemeral: false, epoch, sequence, idempotencyKey }
}

/** All of what says that a topic has a new epoch. */
interface ChangeLine {
  readonly v: number
  readonly origin: string
  readonly changed: EpochChange
}

function parseChange(text: string): Received | undefined {
  try {
    const { v, origin, changed } = JSON.parse(text) as ChangeLine
    const { topic, epoch } = changed
    if (v !== VERSION || !isTopicName(topic) || !isEpoch(epoch)) return undefined
    return { kind: 'epochChange', origin, change: { topic, epoch } }
  } catch {
    return undefined // not ours
  }
}

function parseHeader(text: string): Header | undefined {
  try {
    const header = JSON.parse(text) as Header
    const isOurs = header.v === VERSION && isTopicName(header.topic)
    return isOurs && typeof header.place?.ephemeral === 'boolean' ? header : undefined
  } catch {
    return undefined // not ours: another program uses the same channel
  }
}

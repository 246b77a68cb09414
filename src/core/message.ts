import { type Cursor, encodeCursor } from './cursor.ts'
import { encodeMessageId } from './global-id.ts'
import type { JsonText, JsonValue } from './json.ts'
import type { Epoch, Sequence } from './sequence.ts'
import type { TopicName } from './topic-name.ts'

/** What a publisher decides about a message; validated, and not yet in the log. */
export interface Draft {
  readonly topic: TopicName
  readonly type: string
  readonly payload: JsonText
  readonly metadata: JsonText | null
  readonly encrypted: boolean
  /** The user that publishes. */
  readonly from: string
  /** The client that publishes, where it named itself. */
  readonly clientId: string | null
  /** The only users that may see it; null for every subscriber. */
  readonly to: readonly string[] | null
  readonly idempotencyKey: string | null
  /** Seconds until it expires. */
  readonly ttl: number | null
  /** Append only if the topic's head is this. */
  readonly expectedHead: Sequence | null
}

/** What a message is made of. */
export interface MessageFields {
  readonly topic: TopicName
  readonly epoch: Epoch
  readonly sequence: Sequence
  readonly type: string
  readonly payload: JsonText
  readonly metadata: JsonText | null
  readonly encrypted: boolean
  readonly from: string
  readonly clientId: string | null
  readonly to: readonly string[] | null
  readonly idempotencyKey: string | null
  readonly publishedAt: Date
  readonly expiresAt: Date | null
}

/** A message with its place in the log. Immutable, and shared by everyone that it is delivered to. */
export class Message {
  readonly topic: TopicName
  readonly epoch: Epoch
  /** 1, 2, 3, … without holes. */
  readonly sequence: Sequence
  /** What kind of event this is; `message` where the publisher named none. */
  readonly type: string
  /** True where the publisher says that the payload is end-to-end encrypted. */
  readonly encrypted: boolean
  /** The user that published it, as authenticated. */
  readonly from: string
  /** The client that published it, where it named itself. */
  readonly clientId: string | null
  /** The only users that may see it; null for every subscriber of the topic. */
  readonly to: readonly string[] | null
  readonly idempotencyKey: string | null
  readonly publishedAt: Date
  /** After this instant it is neither delivered nor returned by history. */
  readonly expiresAt: Date | null
  readonly #payload: LazyJson
  readonly #metadata: LazyJson | null

  constructor(fields: MessageFields) {
    this.topic = fields.topic
    this.epoch = fields.epoch
    this.sequence = fields.sequence
    this.type = fields.type
    this.encrypted = fields.encrypted
    this.from = fields.from
    this.clientId = fields.clientId
    this.to = fields.to
    this.idempotencyKey = fields.idempotencyKey
    this.publishedAt = fields.publishedAt
    this.expiresAt = fields.expiresAt
    this.#payload = new LazyJson(fields.payload)
    this.#metadata = fields.metadata === null ? null : new LazyJson(fields.metadata)
  }

  /** Opaque, and unique over all topics. */
  get id(): string {
    return encodeMessageId(this)
  }

  /** The position right at this message. */
  get cursor(): Cursor {
    return encodeCursor(this)
  }

  /** What was published. Shared: do not change it. */
  get payload(): JsonValue {
    return this.#payload.value
  }

  /** What was published along with the payload. Shared: do not change it. */
  get metadata(): JsonValue | null {
    return this.#metadata === null ? null : this.#metadata.value
  }

  get payloadText(): JsonText {
    return this.#payload.text
  }

  get metadataText(): JsonText | null {
    return this.#metadata === null ? null : this.#metadata.text
  }

  /** The fields that GraphQL clients see, under the same names, and the epoch. */
  toJSON(): object {
    const { id, cursor, payload, metadata } = this
    return Object.assign({ id, cursor }, this, { payload, metadata })
  }
}

/** Most messages are handed on as text: they are parsed when someone looks. */
class LazyJson {
  readonly text: JsonText
  #value: JsonValue | undefined

  constructor(text: JsonText) {
    this.text = text
  }

  get value(): JsonValue {
    this.#value ??= JSON.parse(this.text) as JsonValue
    return this.#value
  }
}

/** The texts of a message that can be long. */
type Texts = Pick<
  Draft,
  'payload' | 'metadata' | 'to' | 'type' | 'from' | 'clientId' | 'idempotencyKey'
>

/** How many bytes of text a message or draft has, as UTF-8. */
export function bytesOf(texts: Texts): number {
  const { payload, metadata, to, type, from, clientId, idempotencyKey } = texts
  let bytes = Buffer.byteLength(payload)
  for (const text of [metadata, type, from, clientId, idempotencyKey]) {
    if (text !== null) bytes += Buffer.byteLength(text)
  }
  for (const user of to ?? []) bytes += Buffer.byteLength(user)
  return bytes
}

/** Who looks at messages: a user, or a backend that sees everything. */
export interface Reader {
  readonly kind: 'user' | 'backend'
  readonly userId: string
}

/** Whether a reader may see a message. The log applies the same rule in SQL. */
export function isVisible(message: Message, reader: Reader): boolean {
  return (
    message.to === null ||
    reader.kind === 'backend' ||
    message.from === reader.userId ||
    message.to.includes(reader.userId)
  )
}

export function isExpired(message: Message, now: number): boolean {
  return message.expiresAt !== null && message.expiresAt.getTime() <= now
}

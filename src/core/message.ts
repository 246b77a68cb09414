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

/** What every message is made of. */
interface CommonFields {
  readonly topic: TopicName
  readonly type: string
  readonly payload: JsonText
  readonly metadata: JsonText | null
  readonly encrypted: boolean
  readonly from: string
  readonly clientId: string | null
  readonly to: readonly string[] | null
  readonly publishedAt: Date
  readonly expiresAt: Date | null
}

/** What a message of the log is made of. */
export interface MessageFields extends CommonFields {
  readonly epoch: Epoch
  readonly sequence: Sequence
  readonly idempotencyKey: string | null
}

/** What an ephemeral message is made of. */
export interface EphemeralFields extends CommonFields {
  readonly id: string
}

abstract class CommonMessage {
  readonly topic: TopicName
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
  readonly publishedAt: Date
  /** After this instant it is neither delivered nor returned by history. */
  readonly expiresAt: Date | null
  readonly #payload: LazyJson
  readonly #metadata: LazyJson | null

  constructor(fields: CommonFields) {
    this.topic = fields.topic
    this.type = fields.type
    this.encrypted = fields.encrypted
    this.from = fields.from
    this.clientId = fields.clientId
    this.to = fields.to
    this.publishedAt = fields.publishedAt
    this.expiresAt = fields.expiresAt
    this.#payload = new LazyJson(fields.payload)
    this.#metadata = fields.metadata === null ? null : new LazyJson(fields.metadata)
  }

  /** Opaque, and unique over all topics. */
  abstract readonly id: string
  /** The position right at this message. */
  abstract readonly cursor: Cursor | null

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

/** What can be changed about a message on the way to a subscriber. */
export interface MessageChanges {
  readonly topic?: TopicName
  readonly type?: string
  /** Any JSON value but null. */
  readonly payload?: JsonValue
  /** Any JSON value. */
  readonly metadata?: JsonValue | null
}

/** A message with its place in the log. Immutable, and shared by everyone that it is delivered to. */
export class Message extends CommonMessage {
  readonly ephemeral = false
  readonly epoch: Epoch
  /** 1, 2, 3, … without holes. */
  readonly sequence: Sequence
  readonly idempotencyKey: string | null

  constructor(fields: MessageFields) {
    super(fields)
    this.epoch = fields.epoch
    this.sequence = fields.sequence
    this.idempotencyKey = fields.idempotencyKey
  }

  /** Another one that differs in this; its id and its cursor follow its topic. */
  with(changes: MessageChanges): Message {
    return new Message({ ...fieldsOf(this), ...this, ...changed(changes) })
  }

  get id(): string {
    return encodeMessageId(this)
  }

  get cursor(): Cursor {
    return encodeCursor(this)
  }
}

/** A message that is fanned out and not stored: it has no place in the log. */
export class EphemeralMessage extends CommonMessage {
  readonly ephemeral = true
  readonly epoch = null
  readonly sequence = null
  readonly cursor = null
  readonly idempotencyKey = null
  /** Random. */
  readonly id: string

  constructor(fields: EphemeralFields) {
    super(fields)
    this.id = fields.id
  }

  /** Another one that differs in this. */
  with(changes: MessageChanges): EphemeralMessage {
    return new EphemeralMessage({ ...fieldsOf(this), ...this, ...changed(changes) })
  }
}

function fieldsOf({ payloadText, metadataText }: CommonMessage) {
  return { payload: payloadText, metadata: metadataText }
}

/** In the form of the fields. */
function changed({ topic, type, payload, metadata }: MessageChanges) {
  return {
    ...(topic === undefined ? {} : { topic }),
    ...(type === undefined ? {} : { type }),
    ...(payload === undefined ? {} : { payload: JSON.stringify(payload) as JsonText }),
    ...(metadata === undefined
      ? {}
      : { metadata: metadata === null ? null : (JSON.stringify(metadata) as JsonText) }),
  }
}

/** What subscribers get: look at `ephemeral`, or whether `sequence` is null, to tell which it is. */
export type AnyMessage = Message | EphemeralMessage

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
export function isVisible(message: AnyMessage, reader: Reader): boolean {
  return (
    message.to === null ||
    reader.kind === 'backend' ||
    message.from === reader.userId ||
    message.to.includes(reader.userId)
  )
}

export function isExpired(message: AnyMessage, now: number): boolean {
  return message.expiresAt !== null && message.expiresAt.getTime() <= now
}

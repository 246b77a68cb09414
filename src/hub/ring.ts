import { bytesOf, type Message } from '../core/message.ts'

/** What a message takes in memory besides its texts, roughly. */
const OVERHEAD_BYTES = 400

/**
 * The newest messages of one topic, without holes, bounded in bytes: the oldest leave first. The
 * newest one always stays.
 */
export class Ring {
  readonly #maxBytes: number
  #messages: Message[] = []
  /** Where the oldest message stands in the array; what is before it has left. */
  #start = 0
  #bytes = 0

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /** Adds the message that follows the newest one; one that does not begins anew. */
  push(message: Message): void {
    const newest = this.#messages.at(-1)
    if (newest !== undefined && message.sequence !== newest.sequence + 1) this.clear()
    this.#messages.push(message)
    this.#bytes += sizeOf(message)
    while (this.#bytes > this.#maxBytes && this.#messages.length - this.#start > 1) this.#shift()
    if (this.#start > 64 && this.#start * 2 > this.#messages.length) this.#compact()
  }

  /** The message with this sequence; undefined where it has left or never came. */
  get(sequence: number): Message | undefined {
    const oldest = this.#messages[this.#start]
    if (oldest === undefined || sequence < oldest.sequence) return undefined
    return this.#messages[this.#start + sequence - oldest.sequence]
  }

  clear(): void {
    this.#messages = []
    this.#start = 0
    this.#bytes = 0
  }

  #shift(): void {
    const oldest = this.#messages[this.#start]
    if (oldest !== undefined) this.#bytes -= sizeOf(oldest)
    this.#start++
  }

  #compact(): void {
    this.#messages = this.#messages.slice(this.#start)
    this.#start = 0
  }
}

function sizeOf(message: Message): number {
  const { payloadText: payload, metadataText: metadata } = message
  const { type, from, clientId, idempotencyKey, to } = message
  const texts = { payload, metadata, type, from, clientId, idempotencyKey, to }
  return OVERHEAD_BYTES + 2 * bytesOf(texts)
}

import { LRUCache } from 'lru-cache'
import { bytesOf, type Message } from '../core/message.ts'
import type { Position, Sequence } from '../core/sequence.ts'
import type { TopicName } from '../core/topic-name.ts'
import type { Log, LogSlice } from '../log/log.ts'

/** Messages read from the log at once; fewer if large. */
const READ_LIMIT = 500

/** How long what was read may be shared with who comes later, in milliseconds. */
const SHARED_MS = 1_000

/** What is kept for that, in bytes. */
const MAX_BYTES = 16 * 1024 * 1024

/** What a message takes in memory besides its texts, roughly, in bytes. */
const OVERHEAD_BYTES = 400

/**
 * Reads of the log by subscribers that are behind. When many come back at once they want the same
 * messages: those are read once, and shared for a moment.
 */
export class SharedReads {
  readonly #log: Pick<Log, 'read'>
  readonly #underWay = new Map<string, Promise<LogSlice>>()
  readonly #done = new LRUCache<string, LogSlice>({
    maxSize: MAX_BYTES,
    ttl: SHARED_MS,
    sizeCalculation: ({ messages }) => 1 + messages.reduce((sum, one) => sum + sizeOf(one), 0),
  })

  constructor(log: Pick<Log, 'read'>) {
    this.#log = log
  }

  /**
   * The messages behind a sequence, as `Log.read`. Of a subscriber that is far behind, `lag` messages, they may
   * begin before that: at a place where those of others begin, too. They are those of the topic's epoch
   * in the log, which is to be compared.
   */
  async read(
    topic: TopicName,
    { epoch, sequence: after }: Position,
    lag: number,
  ): Promise<LogSlice> {
    const aligned = lag > READ_LIMIT ? ((after - (after % READ_LIMIT)) as Sequence) : after
    const slice = await this.#readAt(topic, { epoch, sequence: aligned })
    if (slice.topic.epoch !== epoch) return slice
    const last = slice.messages.at(-1)
    // Large messages fill a slice before the place is reached; what is shared may end before it.
    const isReached = last !== undefined && last.sequence > after
    return isReached ? slice : this.#log.read(topic, after, READ_LIMIT)
  }

  #readAt(topic: TopicName, { epoch, sequence: after }: Position): Promise<LogSlice> {
    const key = `${epoch} ${after} ${topic}`
    const done = this.#done.get(key)
    if (done !== undefined) return Promise.resolve(done)
    const underWay = this.#underWay.get(key)
    if (underWay !== undefined) return underWay
    const reading = this.#log.read(topic, after, READ_LIMIT)
    this.#underWay.set(key, reading)
    void reading.then(
      (slice) => {
        this.#underWay.delete(key)
        if (slice.topic.epoch === epoch) this.#done.set(key, slice)
      },
      () => this.#underWay.delete(key), // told to those who wait for it
    )
    return reading
  }
}

function sizeOf({ payloadText: payload, metadataText: metadata, ...message }: Message): number {
  const { type, from, clientId, idempotencyKey, to } = message
  return (
    OVERHEAD_BYTES + 2 * bytesOf({ payload, metadata, type, from, clientId, idempotencyKey, to })
  )
}

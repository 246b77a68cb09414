import { decodeCursorOf } from '../core/cursor.ts'
import { GroupWrites } from '../core/group-writes.ts'
import { type Epoch, parseSequence, type Sequence } from '../core/sequence.ts'
import { MAX_ID_LENGTH, parseText } from '../core/text.ts'
import { parseTopicName, type TopicName } from '../core/topic-name.ts'
import { CarillonError } from '../protocol/errors.ts'
import type { Ack, AckOutcome, Consumer, ConsumerName, ConsumerStore } from './consumer-store.ts'

/** What a reader acknowledges: everything up to a sequence or a cursor. */
export interface AckRequest {
  readonly topic: string
  /** The name of the durable reader: 1 to 128 characters. It belongs to the user. */
  readonly consumer: string
  /** Give one of the two. */
  readonly sequence?: number | null | undefined
  readonly cursor?: string | null | undefined
}

interface Acked {
  readonly sequence: Sequence
  /** Known where a cursor said it. */
  readonly epoch: Epoch | undefined
}

export interface AcksBounds {
  /** Acks that may wait for a write. Default 10,000. */
  readonly maxQueued: number
  /** Acks in one write at most. Default 500. */
  readonly maxBatch: number
  /** How long an ack may take before it is answered with SERVICE_UNAVAILABLE. Default 4500 ms. */
  readonly deadlineMs: number
}

const DEFAULT_BOUNDS: AcksBounds = { maxQueued: 10_000, maxBatch: 500, deadlineMs: 4_500 }

/**
 * Validates acknowledgements, and looks consumers up. Those that arrive while a write is under way go
 * together in the next one.
 */
export class Acks {
  readonly #store: ConsumerStore
  readonly #writes: GroupWrites<Ack, AckOutcome>

  constructor(store: ConsumerStore, bounds: Partial<AcksBounds> = {}) {
    const { maxQueued, maxBatch, deadlineMs } = { ...DEFAULT_BOUNDS, ...bounds }
    this.#store = store
    this.#writes = new GroupWrites({
      write: async (acks) => {
        const outcomes = await store.ack(acks)
        return outcomes.map((answer) => ({ kind: 'written', answer }))
      },
      weigh: () => ({ rows: 1, bytes: 0 }),
      maxQueuedRows: maxQueued,
      maxQueuedBytes: 0, // an ack is small, and bounded
      maxBatch,
      deadlineMs,
      queueFull: 'Too many acknowledgements are waiting for the database.',
      tooLate: 'The database did not answer in time. The acknowledgement may have been stored.',
    })
  }

  /**
   * Never moves a consumer back.
   * @throws CarillonError INVALID_TOPIC_NAME, INVALID_INPUT, INVALID_CURSOR, CURSOR_EXPIRED,
   * SERVICE_UNAVAILABLE, SHUTTING_DOWN
   */
  async ack(request: AckRequest, userId: string): Promise<Consumer> {
    const topic = parseTopicName(request.topic)
    const name = parseConsumerName(request.consumer)
    const outcome = await this.write({ userId, name, topic, ...parseAcked(topic, request) })
    switch (outcome.kind) {
      case 'acked':
        return outcome.consumer
      case 'refused':
        throw outcome.error
      case 'leaseLost':
        throw new Error('An ack without a lease cannot lose it.')
      default:
        return outcome satisfies never
    }
  }

  /**
   * Writes an ack along with others.
   * @throws CarillonError SERVICE_UNAVAILABLE, SHUTTING_DOWN
   */
  write(ack: Ack): Promise<AckOutcome> {
    return this.#writes.add(ack)
  }

  /** What a consumer has acknowledged in each of these topics; those without any are left out. */
  acked(
    consumer: ConsumerName,
    topics: readonly TopicName[],
  ): Promise<ReadonlyMap<TopicName, Sequence>> {
    return this.#store.acked(consumer, topics)
  }

  consumer(topic: TopicName, name: string, userId: string): Promise<Consumer | undefined> {
    return this.#store.consumer({ userId, name: parseConsumerName(name), topic })
  }

  /** Refuses new acks and resolves once those that are accepted are answered. Idempotent. */
  close(): Promise<void> {
    return this.#writes.close()
  }
}

/** @throws CarillonError INVALID_INPUT */
export function parseConsumerName(name: unknown): string {
  return parseText(name, 'The name of a consumer', MAX_ID_LENGTH)
}

function parseAcked(topic: TopicName, { sequence, cursor }: AckRequest): Acked {
  if ((sequence == null) === (cursor == null)) {
    throw new CarillonError('INVALID_INPUT', 'Acknowledge either a sequence or a cursor.')
  }
  if (sequence != null) return { sequence: parseSequence(sequence), epoch: undefined }
  return decodeCursorOf(topic, cursor)
}

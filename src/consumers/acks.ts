import { decodeCursorOf } from '../core/cursor.ts'
import { type Epoch, parseSequence, type Sequence } from '../core/sequence.ts'
import { MAX_ID_LENGTH, parseText } from '../core/text.ts'
import { parseTopicName, type TopicName } from '../core/topic-name.ts'
import { CarillonError } from '../protocol/errors.ts'
import type { Consumer, ConsumerKey, ConsumerStore } from './consumer-store.ts'

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

/** Validates acknowledgements and looks consumers up. */
export class Acks {
  readonly #store: ConsumerStore

  constructor(store: ConsumerStore) {
    this.#store = store
  }

  /**
   * Never moves a consumer back.
   * @throws CarillonError INVALID_TOPIC_NAME, INVALID_INPUT, INVALID_CURSOR, CURSOR_EXPIRED,
   * SERVICE_UNAVAILABLE
   */
  async ack(request: AckRequest, userId: string): Promise<Consumer> {
    const topic = parseTopicName(request.topic)
    const name = parseConsumerName(request.consumer)
    const { sequence, epoch } = parseAcked(topic, request)
    return this.#store.ack({ userId, name, topic }, sequence, epoch)
  }

  /** What a consumer has acknowledged in each of these topics; those without any are left out. */
  acked(
    consumer: Omit<ConsumerKey, 'topic'>,
    topics: readonly TopicName[],
  ): Promise<ReadonlyMap<TopicName, Sequence>> {
    return this.#store.acked(consumer, topics)
  }

  consumer(topic: TopicName, name: string, userId: string): Promise<Consumer | undefined> {
    return this.#store.consumer({ userId, name: parseConsumerName(name), topic })
  }
}

function parseConsumerName(name: unknown): string {
  return parseText(name, 'The name of a consumer', MAX_ID_LENGTH)
}

function parseAcked(topic: TopicName, { sequence, cursor }: AckRequest): Acked {
  if ((sequence == null) === (cursor == null)) {
    throw new CarillonError('INVALID_INPUT', 'Acknowledge either a sequence or a cursor.')
  }
  if (sequence != null) return { sequence: parseSequence(sequence), epoch: undefined }
  return decodeCursorOf(topic, cursor)
}

import { decodeCursorOf } from '../core/cursor.ts'
import type { Position } from '../core/sequence.ts'
import { parseTopicName } from '../core/topic-name.ts'
import { CarillonError } from '../protocol/errors.ts'
import { parseConsumerName } from './acks.ts'
import type { ConsumerKey } from './consumer-store.ts'
import type {
  DeadLetter,
  DeadLetterPage,
  DeadLetterSelection,
  DeadLetterStore,
} from './dead-letter-store.ts'

/** Which dead letters of a user. Null and undefined both stand for "not given". */
export interface DeadLetterRequest {
  readonly topic: string
  /** Only those of this consumer. */
  readonly consumer?: string | null | undefined
}

export interface DeadLetterPageRequest extends DeadLetterRequest {
  /** 1 to 1000. Default 25. */
  readonly first?: number | null | undefined
  /** Only those of messages behind this cursor. */
  readonly after?: string | null | undefined
}

export interface DeadLetterActionRequest extends DeadLetterRequest {
  /** At most so many, oldest messages first: 1 to 1000. Default 100. */
  readonly limit?: number | null | undefined
}

export interface DeadLettersParts {
  readonly store: DeadLetterStore
  /** Called when dead letters of a user wait to be handled again. */
  readonly onReplay: (userId: string) => void
  readonly limits: { readonly page: number }
}

const DEFAULT_PAGE = 25
const DEFAULT_ACTION = 100

/** What consumers could not handle: validates what is asked for. */
export class DeadLetters {
  readonly #parts: DeadLettersParts

  constructor(parts: DeadLettersParts) {
    this.#parts = parts
  }

  /**
   * By sequence.
   * @throws CarillonError INVALID_TOPIC_NAME, INVALID_LIMIT, INVALID_CURSOR, INVALID_INPUT,
   * SERVICE_UNAVAILABLE
   */
  async page(request: DeadLetterPageRequest, userId: string): Promise<DeadLetterPage> {
    const { first, after } = request
    const selection = this.#selection(request, userId, first ?? DEFAULT_PAGE)
    const position = after == null ? undefined : decodeCursorOf(selection.topic, after)
    return this.#parts.store.page({ ...selection, after: position })
  }

  /** Undefined where there is none, or where it was put back. */
  letter(key: ConsumerKey, position: Position): Promise<DeadLetter | undefined> {
    return this.#parts.store.letter(key, position)
  }

  /**
   * Puts dead letters back to their consumers, which handle them again; answers how many.
   * @throws CarillonError INVALID_TOPIC_NAME, INVALID_LIMIT, INVALID_INPUT, SERVICE_UNAVAILABLE
   */
  async replay(request: DeadLetterActionRequest, userId: string): Promise<number> {
    const selection = this.#selection(request, userId, request.limit ?? DEFAULT_ACTION)
    const count = await this.#parts.store.replay(selection)
    if (count > 0) this.#parts.onReplay(userId)
    return count
  }

  /**
   * Deletes dead letters; answers how many.
   * @throws CarillonError INVALID_TOPIC_NAME, INVALID_LIMIT, INVALID_INPUT, SERVICE_UNAVAILABLE
   */
  async discard(request: DeadLetterActionRequest, userId: string): Promise<number> {
    const limit = request.limit ?? DEFAULT_ACTION
    return this.#parts.store.discard(this.#selection(request, userId, limit))
  }

  #selection(request: DeadLetterRequest, userId: string, limit: number): DeadLetterSelection {
    const max = this.#parts.limits.page
    if (!Number.isInteger(limit) || limit < 1 || limit > max) {
      throw new CarillonError('INVALID_LIMIT', `A limit is 1 to ${max}.`, { limit: 'page' })
    }
    const { consumer } = request
    return {
      userId,
      topic: parseTopicName(request.topic),
      consumer: consumer == null ? undefined : parseConsumerName(consumer),
      limit,
    }
  }
}

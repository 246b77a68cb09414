import { checkPosition, decodeCursorOf } from '../core/cursor.ts'
import type { Reader } from '../core/message.ts'
import type { Position } from '../core/sequence.ts'
import { parseFilter } from '../core/text.ts'
import { parseTopicName, type TopicName } from '../core/topic-name.ts'
import { CarillonError } from '../protocol/errors.ts'
import type { Log, Page, PageQuery } from './log.ts'

/** What a reader asks of a topic's history. Null and undefined both stand for "not given". */
export interface HistoryRequest {
  readonly topic: string
  /** The oldest so many of what is asked for: 1 to 1000. */
  readonly first?: number | null | undefined
  /** Only messages behind this cursor. Not together with `before`. */
  readonly after?: string | null | undefined
  /** The newest so many of what is asked for: 1 to 1000. Not together with `first`. */
  readonly last?: number | null | undefined
  /** Only messages before this cursor. */
  readonly before?: string | null | undefined
  /** Only messages from these users. */
  readonly from?: readonly string[] | null | undefined
  /** Only messages of these types. */
  readonly types?: readonly string[] | null | undefined
}

export interface HistoryLimits {
  /** Messages of a page. */
  readonly page: number
  /** Values in one filter. */
  readonly filterValues: number
}

/** Messages of a page where neither `first` nor `last` says how many. */
export const DEFAULT_PAGE = 25

/** The log's pages for readers: validates what they ask for. */
export class History {
  readonly #log: Log
  readonly #limits: HistoryLimits

  constructor(log: Log, limits: HistoryLimits) {
    this.#log = log
    this.#limits = limits
  }

  /**
   * A page, oldest first. With neither `first` nor `last`: the newest 25, or with `after` the 25
   * that follow it.
   * @throws CarillonError INVALID_TOPIC_NAME, INVALID_LIMIT, INVALID_HISTORY_OPTS, INVALID_CURSOR,
   * CURSOR_EXPIRED, INVALID_INPUT, SERVICE_UNAVAILABLE
   */
  async page(request: HistoryRequest, reader: Reader): Promise<Page> {
    const query = parse(request, reader, this.#limits)
    const page = await this.#log.page(query)
    const { epoch, head: sequence } = page.topic
    if (query.after !== undefined) checkPosition(query.after, { epoch, sequence })
    if (query.before !== undefined) checkPosition(query.before, { epoch, sequence })
    return page
  }
}

function parse(request: HistoryRequest, reader: Reader, limits: HistoryLimits): PageQuery {
  const topic = parseTopicName(request.topic)
  const { first, last } = request
  if (first != null && last != null) {
    throw new CarillonError('INVALID_HISTORY_OPTS', 'Give `first` or `last`, not both.')
  }
  if (request.after != null && request.before != null) {
    throw new CarillonError('INVALID_HISTORY_OPTS', 'Give `after` or `before`, not both.')
  }
  const forward = first != null || (last == null && request.after != null)
  return {
    topic,
    take: forward ? 'first' : 'last',
    limit: parseLimit(first ?? last, limits.page),
    after: parseCursor(topic, request.after),
    before: parseCursor(topic, request.before),
    from: parseFilter('from', request.from, limits.filterValues),
    types: parseFilter('types', request.types, limits.filterValues),
    reader,
  }
}

/**
 * How many entries a page takes; 25 where nothing says it.
 * @throws CarillonError INVALID_LIMIT
 */
export function parseLimit(limit: number | null | undefined, max: number): number {
  if (limit == null) return Math.min(DEFAULT_PAGE, max)
  if (Number.isInteger(limit) && limit >= 1 && limit <= max) return limit
  throw new CarillonError('INVALID_LIMIT', `A limit is 1 to ${max}.`, { limit: 'page' })
}

function parseCursor(topic: TopicName, cursor: string | null | undefined): Position | undefined {
  return cursor == null ? undefined : decodeCursorOf(topic, cursor)
}

import type { Access } from '../access/access.ts'
import type { Viewer } from '../access/viewer.ts'
import { type Cursor, decodeCursor, encodeCursor } from '../core/cursor.ts'
import { BEFORE_ALL } from '../core/sequence.ts'
import { parseTopicPrefix, type TopicName } from '../core/topic-name.ts'
import { parseLimit } from '../log/history.ts'
import type { TopicState, TopicsPage, TopicsQuery } from '../log/log.ts'
import { CarillonError } from '../protocol/errors.ts'
import type { TopicsRequest } from './operation.ts'

/** Pages that are looked through for one page of topics that `authorize` lets a caller see. */
const MAX_PAGES = 10

/** Topics of such a page, but for the first, at least: of many, a caller may see few. */
const MIN_LOOKED_THROUGH = 100

/** @throws CarillonError INVALID_TOPIC_NAME, INVALID_LIMIT, INVALID_CURSOR */
export function parseTopics(
  { prefix, first, after, within }: TopicsRequest,
  maxPage: number,
): TopicsQuery {
  return {
    prefix: parseTopicPrefix(prefix ?? ''),
    limit: parseLimit(first, maxPage),
    after: after == null ? undefined : nameOf(after),
    within,
  }
}

/** In a list of topics, a cursor stands for the name: its position is that before all messages. */
export function listCursor({ name, epoch }: TopicState): Cursor {
  return encodeCursor({ topic: name, epoch, sequence: BEFORE_ALL })
}

/** The topics that the capabilities of a caller cover. */
export function readable({ capabilities }: Viewer): Pick<TopicsRequest, 'within'> {
  const within = capabilities.where('HISTORY')
  return within === 'everywhere' ? {} : { within }
}

export interface Listing {
  readonly access: Access
  readonly viewer: Viewer
  /** Topics of a page. */
  readonly limit: number
  /** Topics of any page at most. */
  readonly maxPage: number
  readonly page: (request: TopicsRequest) => Promise<TopicsPage>
}

/**
 * Those of the topics that `authorize` lets a caller see: a page may be shorter than it could be. That there are
 * others is told of those only that the caller may see; whether there are any before it is not told.
 */
export async function authorizedTopics(
  request: TopicsRequest,
  { access, viewer, limit, maxPage, page: read }: Listing,
): Promise<TopicsPage> {
  const topics: TopicState[] = []
  const first = Math.min(maxPage, Math.max(limit, MIN_LOOKED_THROUGH))
  let page = await read(request)
  for (let count = 1; ; count++) {
    for (const topic of page.topics) {
      if (topics.length > limit) break
      if (await access.allows(viewer, { action: 'HISTORY', topics: topic.name })) topics.push(topic)
    }
    const last = page.topics.at(-1)
    const isEnough = topics.length > limit || count === MAX_PAGES
    if (isEnough || !page.hasNext || last === undefined) break
    page = await read({ ...request, first, after: listCursor(last) })
  }
  const hasNext = topics.length > limit
  return { topics: topics.slice(0, limit), hasNext, hasPrevious: request.after != null }
}

function nameOf(cursor: string): TopicName {
  const { topic, sequence } = decodeCursor(cursor)
  if (sequence === BEFORE_ALL) return topic
  throw new CarillonError('INVALID_CURSOR', 'This is the cursor of a message, not of a topic.')
}

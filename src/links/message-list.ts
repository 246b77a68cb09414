import { readCursor } from '../client/cursor.ts'
import { merged, withItem } from '../client/in-order.ts'
import { mergedPageInfo, type PageArgs, type PageInfo, type Span } from './page-info.ts'

/** A message in a list, by whatever a cache keeps of it. */
export interface Entry<Node> {
  readonly node: Node
  readonly sequence: number
  /** Null where it was not asked for. */
  readonly cursor: string | null
}

/** Messages of one topic, ordered by sequence, without doubles; and what is known about the ends. */
export interface MessageList<Node> {
  readonly entries: readonly Entry<Node>[]
  readonly pageInfo: PageInfo
}

const sequenceOf = ({ sequence }: Entry<unknown>) => sequence

/**
 * A list and one more page of it. The page takes the place of the list where both cannot be one: where it is of another epoch, and
 * where it was asked for without a cursor and does not touch the list, so that there would be a hole.
 */
export function withPage<Node>(
  list: MessageList<Node>,
  page: MessageList<Node>,
  args: PageArgs,
): MessageList<Node> {
  if (isOfOtherEpoch(list, page) || startsOver(list, page, args)) return page
  return {
    entries: merged(list.entries, page.entries, sequenceOf),
    pageInfo: mergedPageInfo(partOf(list), partOf(page), args),
  }
}

/**
 * A list and a message that was delivered live. Unchanged where there are messages between them which are still to be paged
 * through: the message comes with those.
 */
export function withLive<Node>(list: MessageList<Node>, entry: Entry<Node>): MessageList<Node> {
  const { entries, pageInfo } = list
  const alone = { entries: [entry], pageInfo: pageInfoOf(entry, pageInfo) }
  if (isOfOtherEpoch(list, alone)) return alone
  const span = spanOf(entries)
  if (span === undefined) return pageInfo.hasNextPage === true ? list : withFirst(list, entry)
  if (entry.sequence < span.first) return list
  if (entry.sequence > span.last && pageInfo.hasNextPage === true) return list
  const cursor = entry.sequence > span.last ? entry.cursor : null
  return {
    entries: withItem(entries, entry, sequenceOf),
    pageInfo: cursor === null ? pageInfo : { ...pageInfo, endCursor: cursor },
  }
}

function withFirst<Node>({ pageInfo }: MessageList<Node>, entry: Entry<Node>): MessageList<Node> {
  const { cursor } = entry
  const ends = cursor === null ? {} : { startCursor: cursor, endCursor: cursor }
  return { entries: [entry], pageInfo: { ...pageInfo, ...ends } }
}

/** Of a list that begins with what was delivered live. */
function pageInfoOf({ sequence, cursor }: Entry<unknown>, { __typename }: PageInfo): PageInfo {
  const type = __typename === undefined ? {} : { __typename }
  return {
    ...type,
    startCursor: cursor,
    endCursor: cursor,
    hasPreviousPage: sequence > 1,
    hasNextPage: false,
  }
}

function isOfOtherEpoch<Node>(list: MessageList<Node>, other: MessageList<Node>): boolean {
  const [one, two] = [epochOf(list), epochOf(other)]
  return one !== undefined && two !== undefined && one !== two
}

function epochOf({ entries, pageInfo }: MessageList<unknown>): string | undefined {
  const cursor = pageInfo.endCursor ?? pageInfo.startCursor ?? entries.at(-1)?.cursor
  return readCursor(cursor)?.epoch
}

function startsOver<Node>(
  { entries }: MessageList<Node>,
  page: MessageList<Node>,
  { after, before }: PageArgs,
): boolean {
  if (after != null || before != null) return false
  const [older, newer] = [spanOf(entries), spanOf(page.entries)]
  if (older === undefined || newer === undefined) return true
  const isBehind = newer.first > older.last + 1 && page.pageInfo.hasPreviousPage !== false
  const isInFront = newer.last < older.first - 1 && page.pageInfo.hasNextPage !== false
  return isBehind || isInFront
}

function partOf({ entries, pageInfo }: MessageList<unknown>) {
  return { span: spanOf(entries), pageInfo }
}

function spanOf(entries: readonly Entry<unknown>[]): Span | undefined {
  const [first, last] = [entries[0], entries.at(-1)]
  return first && last && { first: first.sequence, last: last.sequence }
}

/** What a list says about its ends, as far as it was asked for. */
export interface PageInfo {
  readonly __typename?: string
  readonly startCursor?: string | null
  readonly endCursor?: string | null
  readonly hasPreviousPage?: boolean
  readonly hasNextPage?: boolean
}

/** The sequences of the first and the last message of a list; undefined where it is empty. */
export interface Span {
  readonly first: number
  readonly last: number
}

/** How a page was asked for. */
export interface PageArgs {
  readonly after?: unknown
  readonly before?: unknown
}

interface Part {
  readonly span: Span | undefined
  readonly pageInfo: PageInfo
}

/** What the list of both says: at each end, what the part says that reaches further. */
export function mergedPageInfo(older: Part, newer: Part, args: PageArgs): PageInfo {
  const all = { ...older.pageInfo, ...newer.pageInfo }
  return {
    ...all,
    ...startOf(older.pageInfo),
    ...(reachesStart(older, newer, args) ? startOf(newer.pageInfo) : {}),
    ...endOf(older.pageInfo),
    ...(reachesEnd(older, newer, args) ? endOf(newer.pageInfo) : {}),
    // A page that is empty has no cursors, but says that there is nothing more.
    ...(newer.span === undefined && older.span !== undefined ? cursorsOf(older.pageInfo) : {}),
  }
}

function reachesStart({ span }: Part, newer: Part, { before }: PageArgs): boolean {
  if (newer.span === undefined) return span === undefined || before != null
  return span === undefined || newer.span.first <= span.first
}

function reachesEnd({ span }: Part, newer: Part, { after }: PageArgs): boolean {
  if (newer.span === undefined) return span === undefined || after != null
  return span === undefined || newer.span.last >= span.last
}

function startOf({ startCursor, hasPreviousPage }: PageInfo): PageInfo {
  return definedOf({ startCursor, hasPreviousPage })
}

function endOf({ endCursor, hasNextPage }: PageInfo): PageInfo {
  return definedOf({ endCursor, hasNextPage })
}

function cursorsOf({ startCursor, endCursor }: PageInfo): PageInfo {
  return definedOf({ startCursor, endCursor })
}

function definedOf(all: Record<string, unknown>): PageInfo {
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined))
}

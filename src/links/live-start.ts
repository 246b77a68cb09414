/** The newest messages that a subscription may begin with: as many as the server gives at once. */
const MOST = 1_000

/** Where a live subscription goes on behind a page of history. */
export interface LiveStart {
  readonly after?: string[] // generated types of variables have no `readonly`
  readonly last?: number
}

/**
 * Variables for a subscription that begins right behind the newest page of history, so that nothing is missed between the two. A page
 * without messages has no cursor: then it begins with the newest ones, of which there are those that came in between.
 */
export function liveStart(pageInfo: { readonly endCursor?: string | null | undefined }): LiveStart {
  return typeof pageInfo.endCursor === 'string' ? { after: [pageInfo.endCursor] } : { last: MOST }
}

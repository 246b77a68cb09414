import type { FollowRequest } from './follow-request.ts'
import { PatternFeed } from './pattern-feed.ts'
import type { Session } from './session.ts'

/**
 * Follows patterns, and names beside them, in one subscription.
 * @throws CarillonError why the server has ended it
 */
export async function followPatterns(session: Session, request: FollowRequest): Promise<void> {
  const feed = new PatternFeed(session, request)
  request.signal.addEventListener('abort', () => feed.close(), { once: true })
  await feed.ended
}

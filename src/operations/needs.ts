import type { Need } from '../access/access.ts'
import type { Action } from '../access/action.ts'
import { parseTopicName, parseTopicPattern } from '../core/topic-name.ts'
import type { EventsRequest } from '../hub/subscriptions.ts'

/** @throws CarillonError INVALID_TOPIC_NAME */
export function inTopic(topic: unknown, ...actions: readonly Action[]): readonly Need[] {
  const topics = parseTopicName(topic)
  return actions.map((action) => ({ action, topics }))
}

/**
 * What is no list is refused by who takes it.
 * @throws CarillonError INVALID_TOPIC_PATTERN
 */
export function inPatterns(topics: unknown, ...actions: readonly Action[]): readonly Need[] {
  if (!Array.isArray(topics)) return []
  return topics
    .map(parseTopicPattern)
    .flatMap((pattern) => actions.map((action) => ({ action, topics: pattern })))
}

/**
 * Who asks for what was published before reads history: a cursor can be made up. Where a client goes on
 * after it has lost its connection, it had subscribed before.
 */
export function ofSubscription(request: EventsRequest): readonly Need[] {
  const readsHistory = hasCursors(request) || beginsInThePast(request)
  return inPatterns(request.topics, 'SUBSCRIBE', ...(readsHistory ? (['HISTORY'] as const) : []))
}

/** Whether a subscription asks for nothing of the past but to go on behind cursors. */
export function goesOn(request: EventsRequest): boolean {
  return hasCursors(request) && !beginsInThePast(request)
}

function hasCursors({ after }: EventsRequest): boolean {
  return after != null && after.length > 0
}

function beginsInThePast({ last, consumer, snapshot }: EventsRequest): boolean {
  return last != null || consumer != null || snapshot === true
}

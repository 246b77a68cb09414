import { CarillonError } from '../protocol/errors.ts'

/** The name of a topic: 1 to 128 characters out of `A-Z a-z 0-9 _ - : .`, case-sensitive. */
export type TopicName = string & { readonly __brand: 'TopicName' }

/** All topics under a prefix: `chat:*` stands for `chat:1` and `chat:eu:7`, not for `chat`. */
export type TopicWildcard = string & { readonly __brand: 'TopicWildcard' }

/** One topic, or all under a prefix. */
export type TopicPattern = TopicName | TopicWildcard

export const MAX_TOPIC_NAME_LENGTH = 128

const TOPIC_NAME = /^[A-Za-z0-9_\-:.]{1,128}$/
/** A prefix that a name still fits behind, and the star. */
const TOPIC_WILDCARD = /^[A-Za-z0-9_\-:.]{0,126}:\*$/
const TOPIC_NAME_PREFIX = /^[A-Za-z0-9_\-:.]{0,128}$/

export function isTopicName(value: unknown): value is TopicName {
  return typeof value === 'string' && TOPIC_NAME.test(value)
}

/** @throws CarillonError INVALID_TOPIC_NAME */
export function parseTopicName(value: unknown): TopicName {
  if (isTopicName(value)) return value
  throw new CarillonError('INVALID_TOPIC_NAME')
}

/** No topic has a star in its name. */
export function isWildcard(pattern: TopicPattern): pattern is TopicWildcard {
  return pattern.endsWith('*')
}

/** What the names of a wildcard's topics begin with. */
export function prefixOf(wildcard: TopicWildcard): string {
  return wildcard.slice(0, -1)
}

/** The wildcards that match a topic: `a:*` and `a:b:*` for `a:b:c`. */
export function* wildcardsOf(topic: TopicName): Generator<TopicWildcard, undefined> {
  for (let colon = topic.indexOf(':'); colon !== -1; colon = topic.indexOf(':', colon + 1)) {
    if (colon < topic.length - 1) yield `${topic.slice(0, colon + 1)}*` as TopicWildcard
  }
}

/** Whether a topic is the one that is named, or under the prefix. */
export function matchesPattern(topic: TopicName, pattern: TopicPattern): boolean {
  if (!isWildcard(pattern)) return topic === pattern
  const prefix = prefixOf(pattern)
  return topic.length > prefix.length && topic.startsWith(prefix)
}

/** @throws CarillonError INVALID_TOPIC_PATTERN */
export function parseTopicPattern(value: unknown): TopicPattern {
  if (isTopicName(value)) return value
  if (typeof value === 'string' && TOPIC_WILDCARD.test(value)) return value as TopicWildcard
  throw new CarillonError('INVALID_TOPIC_PATTERN')
}

/**
 * What a topic name may begin with; the empty string is a prefix of all.
 * @throws CarillonError INVALID_TOPIC_NAME
 */
export function parseTopicPrefix(value: unknown): string {
  if (typeof value === 'string' && TOPIC_NAME_PREFIX.test(value)) return value
  throw new CarillonError(
    'INVALID_TOPIC_NAME',
    'A topic prefix is at most 128 characters out of A-Z a-z 0-9 _ - : and .',
  )
}

import { CarillonError } from '../protocol/errors.ts'

/** The name of a topic: 1 to 128 characters out of `A-Z a-z 0-9 _ - : .`, case-sensitive. */
export type TopicName = string & { readonly __brand: 'TopicName' }

export const MAX_TOPIC_NAME_LENGTH = 128

const TOPIC_NAME = /^[A-Za-z0-9_\-:.]{1,128}$/
const TOPIC_NAME_PREFIX = /^[A-Za-z0-9_\-:.]{0,128}$/

export function isTopicName(value: unknown): value is TopicName {
  return typeof value === 'string' && TOPIC_NAME.test(value)
}

/** @throws CarillonError INVALID_TOPIC_NAME */
export function parseTopicName(value: unknown): TopicName {
  if (isTopicName(value)) return value
  throw new CarillonError('INVALID_TOPIC_NAME')
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

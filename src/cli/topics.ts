import { parseTopicName, parseTopicPattern } from '../core/topic-name.ts'
import { CarillonError } from '../protocol/errors.ts'
import { UsageError } from './usage-error.ts'

/**
 * The name of a topic: told what is wrong with it before anybody connects.
 * @throws UsageError
 */
export function readTopic(command: string, name: string | undefined): string {
  if (name === undefined) throw new UsageError(`carillon ${command} needs a topic.`)
  return readBy(parseTopicName, name)
}

/** @throws UsageError */
export function readPattern(pattern: string): string {
  return readBy(parseTopicPattern, pattern)
}

function readBy(parse: (text: string) => string, text: string): string {
  try {
    return parse(text)
  } catch (error) {
    if (!(error instanceof CarillonError)) throw error
    throw new UsageError(`${error.message} This is none: ${JSON.stringify(text)}.`)
  }
}

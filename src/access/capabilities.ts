import {
  isTopicName,
  isWildcard,
  MAX_TOPIC_NAME_LENGTH,
  parseTopicPattern,
  prefixOf,
  type TopicName,
  type TopicPattern,
} from '../core/topic-name.ts'
import { CarillonError } from '../protocol/errors.ts'
import { ACTIONS, type Action, isAction } from './action.ts'

/** Topics and patterns; a star alone stands for every topic. */
export type CapabilityTopics = TopicPattern | '*'

/** What may be done where. */
export interface Capability {
  readonly topics: CapabilityTopics
  readonly actions: readonly Action[]
}

/** A capability as tokens, keys and host applications say it. */
export interface CapabilityGrant {
  /**
   * A topic, a pattern such as `chat:*`, or `*` for every topic; or several of these. `{user}` stands for
   * the id of the user: a grant with it is void for users whose id is not made of `A-Z a-z 0-9 _ - .` alone.
   */
  readonly topics: string | readonly string[]
  /** Or `*` for all of them. */
  readonly actions: readonly (Action | '*')[]
}

/** More would make each check slow. */
const MAX_CAPABILITIES = 1_000

/** Without a colon: a user id must not reach into another part of a topic's name. */
const EXPANDABLE = /^[A-Za-z0-9_\-.]+$/

/** Everything that one caller may do. Immutable. */
export class Capabilities {
  readonly list: readonly Capability[]
  readonly #byAction = new Map<Action, Covered>()

  constructor(list: readonly Capability[]) {
    this.list = list
    for (const { topics, actions } of list) {
      for (const action of actions) this.#covered(action).add(topics)
    }
  }

  /** Whether an action is allowed in a topic, or in every topic of a pattern. */
  allow(action: Action, pattern: CapabilityTopics): boolean {
    return this.#byAction.get(action)?.covers(pattern) === true
  }

  /** Where an action is allowed: every topic, or those that are named, and those under prefixes. */
  where(
    action: Action,
  ): 'everywhere' | { names: readonly TopicName[]; prefixes: readonly string[] } {
    return this.#byAction.get(action)?.places ?? { names: [], prefixes: [] }
  }

  #covered(action: Action): Covered {
    const covered = this.#byAction.get(action) ?? new Covered()
    this.#byAction.set(action, covered)
    return covered
  }
}

/** The topics in which one action is allowed. */
class Covered {
  #isEverywhere = false
  readonly #names = new Set<TopicName>()
  readonly #prefixes = new Set<string>()

  add(topics: CapabilityTopics): void {
    if (topics === '*') this.#isEverywhere = true
    else if (isWildcard(topics)) this.#prefixes.add(prefixOf(topics))
    else if (isTopicName(topics)) this.#names.add(topics)
  }

  covers(pattern: CapabilityTopics): boolean {
    if (this.#isEverywhere) return true
    if (pattern === '*') return false
    if (isWildcard(pattern)) return this.#isUnderPrefix(prefixOf(pattern))
    return this.#names.has(pattern as TopicName) || this.#isUnderPrefix(pattern.slice(0, -1))
  }

  get places(): ReturnType<Capabilities['where']> {
    if (this.#isEverywhere) return 'everywhere'
    return { names: [...this.#names], prefixes: [...this.#prefixes] }
  }

  /** A pattern does not stand for the topic that is its prefix alone, `chat:` for `chat:*`. */
  #isUnderPrefix(text: string): boolean {
    for (const prefix of this.#prefixes) if (text.startsWith(prefix)) return true
    return false
  }
}

/** May do everything everywhere. */
export const ALL_CAPABILITIES = new Capabilities([{ topics: '*', actions: ACTIONS }])

/**
 * What a list of grants says for a user.
 * @param userId whom `{user}` stands for; undefined: grants with it are void
 * @throws CarillonError INVALID_INPUT
 */
export function parseCapabilities(grants: unknown, userId: string | undefined): Capabilities {
  if (!Array.isArray(grants)) throw invalid('is a list')
  const list = grants.flatMap((grant: unknown) => parseGrant(grant, userId))
  if (list.length > MAX_CAPABILITIES) throw invalid(`has at most ${MAX_CAPABILITIES} topics`)
  return new Capabilities(list)
}

function parseGrant(grant: unknown, userId: string | undefined): readonly Capability[] {
  if (typeof grant !== 'object' || grant === null) throw invalid('has objects in it')
  const { topics, actions } = grant as Record<string, unknown>
  const parsed = parseActions(actions)
  const texts: readonly unknown[] = Array.isArray(topics) ? topics : [topics]
  return texts.flatMap((text) => {
    const expanded = expand(text, userId)
    return expanded === undefined ? [] : [{ topics: parseTopics(expanded), actions: parsed }]
  })
}

function parseActions(actions: unknown): readonly Action[] {
  if (!Array.isArray(actions)) throw invalid('has a list of `actions` in each of its objects')
  if (actions.includes('*')) return ACTIONS
  if (actions.every(isAction)) return [...new Set(actions)]
  throw invalid(`has actions out of ${ACTIONS.join(', ')} and *`)
}

function expand(text: unknown, userId: string | undefined): string | undefined {
  if (typeof text !== 'string') throw invalid('has `topics` in each of its objects')
  if (!text.includes('{user}')) return text
  if (userId === undefined || !EXPANDABLE.test(userId)) return undefined
  const expanded = text.replaceAll('{user}', userId)
  // A user id may be too long for a topic's name: then there is no such topic.
  return expanded.length > MAX_TOPIC_NAME_LENGTH ? undefined : expanded
}

function parseTopics(text: string): CapabilityTopics {
  return text === '*' ? '*' : parseTopicPattern(text)
}

function invalid(what: string): CarillonError {
  return new CarillonError('INVALID_INPUT', `A list of capabilities ${what}.`)
}

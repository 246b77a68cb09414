import {
  isWildcard,
  matchesPattern,
  type TopicName,
  type TopicPattern,
  type TopicWildcard,
  wildcardsOf,
} from '../core/topic-name.ts'
import type { PresenceListener } from './presence-store.ts'

type Listeners = Set<PresenceListener>

/** Who watches what on this instance. */
export class Watches {
  readonly #byPattern = new Map<TopicPattern, Listeners>()

  /** Answers whether nobody watched this pattern. */
  add(pattern: TopicPattern, listener: PresenceListener): boolean {
    const listeners = this.#byPattern.get(pattern)
    if (listeners !== undefined) listeners.add(listener)
    else this.#byPattern.set(pattern, new Set([listener]))
    return listeners === undefined
  }

  /** Answers whether nobody watches this pattern any more. */
  remove(pattern: TopicPattern, listener: PresenceListener): boolean {
    const listeners = this.#byPattern.get(pattern)
    if (listeners?.delete(listener) !== true || listeners.size > 0) return false
    this.#byPattern.delete(pattern)
    return true
  }

  /** Whether someone watches a topic, by its name or by a pattern. */
  has(topic: TopicName): boolean {
    if (this.#byPattern.has(topic)) return true
    for (const wildcard of wildcardsOf(topic)) if (this.#byPattern.has(wildcard)) return true
    return false
  }

  /** Each listener once. */
  of(topic: TopicName): ReadonlySet<PresenceListener> {
    const all: Listeners = new Set(this.#byPattern.get(topic))
    for (const wildcard of wildcardsOf(topic)) {
      for (const listener of this.#byPattern.get(wildcard) ?? []) all.add(listener)
    }
    return all
  }

  wildcards(): readonly TopicWildcard[] {
    return [...this.#byPattern.keys()].filter(isWildcard)
  }
}

/** Those of the topics that match. */
export function* matching(
  topics: Iterable<TopicName>,
  pattern: TopicPattern,
): Generator<TopicName, undefined> {
  for (const topic of topics) if (matchesPattern(topic, pattern)) yield topic
  return undefined
}

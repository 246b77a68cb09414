import type { Position } from './sequence.ts'
import type { TopicName, TopicWildcard } from './topic-name.ts'

/** Where the topics under a pattern stood at one moment, by an id. Those that are not in it were empty. */
export interface Baseline {
  readonly id: string
  readonly heads: ReadonlyMap<TopicName, Position>
}

/** What a subscriber has got for certain. */
export interface Places {
  /** Of topics that it has taken in. */
  readonly topics: ReadonlyMap<TopicName, Position>
  /** Of patterns: where the topics stand that it has not taken in, as nothing was published to them. */
  readonly baselines: ReadonlyMap<TopicWildcard, Baseline>
}

import type { Places } from '../core/resume.ts'

/** Of two that are both certain: in each topic the later position, where they are of the same epoch. */
export function mergePlaces(one: Places, other: Places): Places {
  const topics = new Map(one.topics)
  for (const [topic, position] of other.topics) {
    const known = topics.get(topic)
    const isLater = known?.epoch === position.epoch && position.sequence > known.sequence
    if (known === undefined || isLater) topics.set(topic, position)
  }
  return { topics, baselines: one.baselines }
}

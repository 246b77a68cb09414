import type { TopicName } from '../core/topic-name.ts'
import type { PresenceChange, PresenceEventType } from '../protocol/presence.ts'
import type { PresenceMember } from './session.ts'

/** What watchers of a topic are told. Immutable, and shared by all of them. */
export interface PresenceEvent extends PresenceChange<PresenceMember> {
  readonly type: PresenceEventType
  readonly topic: TopicName
}

/** Takes the events of a topic. */
export interface PresenceWatcher {
  /** Called with the events of one topic and moment, in their order; does not block, nor throw. */
  tell(events: readonly PresenceEvent[]): void
}

import type { Limits } from '../access/limits.ts'
import type { Viewer } from '../access/viewer.ts'
import type { Acks } from '../consumers/acks.ts'
import type { DeadLetters } from '../consumers/dead-letters.ts'
import type { ResumePoint } from '../hub/resume-point.ts'
import type { Subscriptions } from '../hub/subscriptions.ts'
import type { History } from '../log/history.ts'
import type { Log } from '../log/log.ts'
import type { Presence, PresenceConnection } from '../presence/presence.ts'
import type { Publisher } from '../publish/publisher.ts'
import type { Purger } from '../publish/purger.ts'
import type { Snapshots } from '../snapshots/snapshots.ts'

/** What resolvers work with. */
export interface Services {
  readonly log: Log
  readonly history: History
  readonly publisher: Publisher
  readonly purger: Purger
  readonly acks: Acks
  readonly deadLetters: DeadLetters
  readonly subscriptions: Subscriptions
  readonly snapshots: Snapshots
  readonly presence: Presence
  readonly limits: Limits
}

/** One operation's context. */
export interface GraphQLContext {
  readonly viewer: Viewer
  readonly services: Services
  /** Ends what the operation has opened, where the transport does not do it. */
  readonly signal?: AbortSignal
  /** What lets a subscription go on where it was, where the transport knows its client again. */
  readonly resume?: ResumePoint | undefined
  /** The connection by which the caller may be present. */
  readonly connection?: PresenceConnection
}

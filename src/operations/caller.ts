import type { LiveAccess } from '../access/live-access.ts'
import type { Viewer } from '../access/viewer.ts'
import type { ResumePoint } from '../hub/resume-point.ts'
import type { PresenceConnection } from '../presence/presence.ts'

/** On whose behalf an operation is done, and over what. */
export interface Caller {
  readonly viewer: Viewer
  /** The credentials of the connection, which may be renewed. Default: those of the viewer, as they are. */
  readonly live?: LiveAccess | undefined
  /** Ends what the operation has opened, where the transport does not do it. */
  readonly signal?: AbortSignal | undefined
  /** What lets a subscription go on where it was, where the transport knows its client again. */
  readonly resume?: ResumePoint | undefined
  /** The connection by which the caller may be present. */
  readonly connection?: PresenceConnection | undefined
}

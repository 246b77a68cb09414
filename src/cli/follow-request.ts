import type { Message } from '../client/index.ts'
import type { Gap } from '../protocol/errors.ts'

/** What is followed, and who is told. */
export interface FollowRequest {
  /** Names, and patterns. */
  readonly topics: readonly string[]
  /** The cursor to begin behind; of one topic. */
  readonly after: string | undefined
  readonly last: number | undefined
  readonly types: readonly string[] | undefined
  readonly from: readonly string[] | undefined
  /** Ends it, without an error. */
  readonly signal: AbortSignal
  /** Waited for before the next message of the topic. */
  readonly onMessage: (message: Message) => Promise<void>
  readonly onGap: (gap: Gap) => void
}

import type { CarillonError } from './error.ts'

/**
 * How a client stands to its server.
 *
 * - `offline`: there is no connection. It was not asked for yet, or is tried again after a pause.
 * - `connecting`: the first connection is being made.
 * - `live`: connected, and everything that was missed has come.
 * - `resuming`: it was connected before, and is connecting again or getting what was missed.
 * - `closed`: for good, by `close()` or because the server would refuse every other try, too.
 */
export type ConnectionState = 'offline' | 'connecting' | 'live' | 'resuming' | 'closed'

/** A change of the state. */
export interface StateChange {
  readonly state: ConnectionState
  readonly previous: ConnectionState
  /** Why the last connection, or the last try, failed. Undefined while all is well, and after `close()`. */
  readonly reason: CarillonError | undefined
  /** In how many milliseconds it tries again; only while it is offline for a reason. */
  readonly retryInMs: number | undefined
}

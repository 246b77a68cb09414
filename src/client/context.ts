import type { Connector } from './connector.ts'
import type { ReportFault } from './listeners.ts'
import type { Recover } from './recover.ts'

/** What the parts of one client share. */
export interface Context {
  readonly connector: Connector
  readonly recover: Recover
  /** How long a call may take in all, in milliseconds. */
  readonly timeout: number
  /** Publishes that may wait for their answers. */
  readonly maxQueuedPublishes: number
  /** Messages that may wait for one handler. */
  readonly maxWaitingMessages: number
  readonly report: ReportFault
}

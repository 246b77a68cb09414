import type { LimitName } from '../../../../src/access/limits.ts'
import type { Tally } from './tally.ts'

export interface Target {
  readonly port: number
  /** When to stop, on the clock of `performance.now()`. */
  readonly until: number
  /** How much of everything: 1 is what the scenario's name says. */
  readonly size: number
  /** Where what the server does is noted. */
  readonly tally: Tally
}

/** What a client may do to a server that it does not mean well with. */
export interface Scenario {
  readonly name: string
  /** What the server does about it. */
  readonly defence: string
  /** The limits that it is refused by. */
  readonly limits: readonly LimitName[]
  /** Stops at `until`, and leaves nothing open. */
  attack(target: Target): Promise<void>
}

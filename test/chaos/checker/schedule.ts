import type { Random } from './random.ts'

/** What is done to the parts of a cluster, and to connections. */
export const FAULTS = [
  'kill a server',
  'end a server',
  'freeze a server',
  'kill Redis',
  'cut subscribers of Redis',
  'kill PostgreSQL',
  'cut clients',
  'stall clients',
  'half-open clients',
] as const

export type Fault = (typeof FAULTS)[number]

export interface PlannedFault {
  readonly fault: Fault
  /** Which server, where it is one of several. */
  readonly server: number
  /** How long it lasts, in milliseconds. */
  readonly lastsMs: number
  /** The pause before it, in milliseconds. */
  readonly afterMs: number
}

export interface SchedulePace {
  /** How long a server is frozen, in milliseconds. */
  readonly freezeMs: number
  /** The longest pause between two faults, in milliseconds. */
  readonly maxPauseMs: number
}

export interface ScheduleOptions {
  readonly servers: number
  readonly pace: SchedulePace
  readonly faults?: readonly Fault[] | undefined
}

/**
 * Faults without end: every kind once in each round, in an order of its own. One at a time, so that the time of
 * recovery can be told; what automatic resume promises, it promises for the loss of a server or of Redis,
 * not of both at once.
 */
export function* planFaults(
  random: Random,
  { servers, pace, faults = FAULTS }: ScheduleOptions,
): Generator<PlannedFault, never> {
  for (;;) {
    for (const fault of shuffled(faults, random)) {
      yield {
        fault,
        server: random.below(servers),
        lastsMs: fault === 'freeze a server' ? pace.freezeMs : random.between(100, 1_500),
        afterMs: random.between(pace.maxPauseMs / 4, pace.maxPauseMs),
      }
    }
  }
}

function shuffled<T>(all: readonly T[], random: Random): readonly T[] {
  const left = [...all]
  return Array.from(all, () => {
    const [one] = left.splice(random.below(left.length), 1)
    if (one === undefined) throw new Error('Nothing is left.')
    return one
  })
}

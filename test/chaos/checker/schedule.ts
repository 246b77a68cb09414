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

/** What happens to clients only. */
const NETWORK_FAULTS: readonly Fault[] = ['cut clients', 'stall clients', 'half-open clients']

/**
 * While these last, the network of the clients may fail, too. Not while Redis is away: a client that comes back to
 * another instance waits for it for 2 seconds only, and then begins anew.
 */
const BEARS_ANOTHER: readonly Fault[] = FAULTS.filter(
  (fault) => fault !== 'kill Redis' && !NETWORK_FAULTS.includes(fault),
)

export interface PlannedFault {
  readonly fault: Fault
  /** Which server, where it is one of several. */
  readonly server: number
  /** How long it lasts, in milliseconds. */
  readonly lastsMs: number
  /** The pause before it, in milliseconds. */
  readonly afterMs: number
  /** A fault of the network while this one lasts, its pause counted from the start of this one. */
  readonly meanwhile?: PlannedFault
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
  /** The share of the faults of parts that have a fault of the network meanwhile; default 0. */
  readonly overlap?: number | undefined
}

/**
 * Faults without end: every kind once in each round, in an order of its own. Parts fail one at a time: what
 * automatic resume promises, it promises for the loss of a server or of Redis, not of both at once. The network
 * of the clients may fail meanwhile (`overlap`).
 */
export function* planFaults(
  random: Random,
  { servers, pace, faults = FAULTS, overlap = 0 }: ScheduleOptions,
): Generator<PlannedFault, never> {
  const plan = (fault: Fault): PlannedFault => ({
    fault,
    server: random.below(servers),
    lastsMs: fault === 'freeze a server' ? pace.freezeMs : random.between(100, 1_500),
    afterMs: random.between(pace.maxPauseMs / 4, pace.maxPauseMs),
  })
  for (;;) {
    for (const fault of shuffled(faults, random)) {
      const one = plan(fault)
      const isAlone = overlap === 0 || !BEARS_ANOTHER.includes(fault) || random.next() >= overlap
      if (isAlone) yield one
      else {
        const other = plan(random.oneOf(NETWORK_FAULTS))
        yield { ...one, meanwhile: { ...other, afterMs: random.between(0, one.lastsMs) } }
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

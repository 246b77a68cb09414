import { setPriority } from 'node:os'
import { answerCommands } from '../../fanout/channel.ts'
import type { LatencySummary } from '../../fanout/latencies.ts'
import { type Progress, Readers, type Starting } from './readers.ts'

/** What the program of subscribers does when asked. */
export interface LoadCommands {
  start(starting: Starting): Promise<void>
  /** Lets others go first: it stands for clients that have machines of their own. */
  giveWay(): void
  progress(): Progress
  reached(sequence: number): number
  restart(): void
  latencies(): LatencySummary
}

/** Of `nice`. */
const LOW_PRIORITY = 10

const readers = new Readers()

answerCommands<LoadCommands>({
  start: (starting) => readers.start(starting),
  giveWay: () => setPriority(LOW_PRIORITY),
  progress: () => readers.progress(),
  reached: (sequence) => readers.reached(sequence),
  restart: () => readers.restart(),
  latencies: () => readers.latencies(),
})

import { answerCommands } from '../../fanout/channel.ts'
import type { LatencySummary } from '../../fanout/latencies.ts'
import { type Progress, Readers, type Starting } from './readers.ts'

/** What the program of subscribers does when asked. */
export interface LoadCommands {
  start(starting: Starting): Promise<void>
  progress(): Progress
  reached(sequence: number): number
  restart(): void
  latencies(): LatencySummary
}

const readers = new Readers()

answerCommands<LoadCommands>({
  start: (starting) => readers.start(starting),
  progress: () => readers.progress(),
  reached: (sequence) => readers.reached(sequence),
  restart: () => readers.restart(),
  latencies: () => readers.latencies(),
})

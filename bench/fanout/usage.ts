import { setTimeout as sleep } from 'node:timers/promises'
import { ownCpuMicros } from '../support/process-usage.ts'

/** What a process has used so far, in microseconds, and holds now, in bytes. */
export interface Usage {
  readonly cpuMicros: number
  readonly rss: number
  readonly heapUsed: number
  /** Buffers outside of the heap. */
  readonly external: number
}

export function ownUsage(): Usage {
  const { rss, heapUsed, external } = process.memoryUsage()
  return { cpuMicros: ownCpuMicros(), rss, heapUsed, external }
}

/** How often garbage is collected: what a first pass finalizes, the next ones free. */
const PASSES = 4

/** What is held once all garbage is gone. Needs `--expose-gc`. */
export async function usageAfterCollection(): Promise<Usage> {
  for (let pass = 0; pass < PASSES; pass++) {
    globalThis.gc?.()
    await sleep(50)
  }
  return ownUsage()
}

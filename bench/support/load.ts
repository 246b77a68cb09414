import { setTimeout as sleep } from 'node:timers/promises'
import type { BenchOptions } from './options.ts'
import { quantile } from './quantile.ts'

/** A closed loop: each publisher sends its next message when the last one has been answered. */
export interface Load {
  readonly publishers: number
  readonly publish: (publisher: number) => Promise<unknown>
  /** CPU time of the process under test so far, in microseconds. */
  readonly cpuMicros: () => number
}

export interface Measured {
  readonly perSecond: number
  readonly cpuMicrosPerMessage: number
  /** Milliseconds from call to answer. */
  readonly p50: number
  readonly p99: number
}

type Duration = Pick<BenchOptions, 'warmUpMs' | 'measureMs'>

/** Runs a load for a while, then measures it. Rejects where any publish fails. */
export async function measure(load: Load, { warmUpMs, measureMs }: Duration): Promise<Measured> {
  const from = performance.now() + warmUpMs
  const until = from + measureMs
  const latencies: number[] = []
  const onAnswer = (start: number, end: number) => {
    if (end >= from && end < until) latencies.push(end - start)
  }
  const [cpuAtStart, cpuAtEnd] = await Promise.all([
    sleep(warmUpMs).then(load.cpuMicros),
    sleep(warmUpMs + measureMs).then(load.cpuMicros),
    ...Array.from({ length: load.publishers }, (_, publisher) =>
      publishUntil(until, () => load.publish(publisher), onAnswer),
    ),
  ])
  return {
    perSecond: (latencies.length * 1_000) / measureMs,
    cpuMicrosPerMessage: (cpuAtEnd - cpuAtStart) / latencies.length,
    p50: quantile(latencies, 0.5),
    p99: quantile(latencies, 0.99),
  }
}

async function publishUntil(
  until: number,
  publish: () => Promise<unknown>,
  onAnswer: (start: number, end: number) => void,
): Promise<void> {
  for (let start = performance.now(); start < until; ) {
    await publish()
    const end = performance.now()
    onAnswer(start, end)
    start = end
  }
}

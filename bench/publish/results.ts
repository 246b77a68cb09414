import { type Measured, measure } from '../support/load.ts'
import type { BenchOptions } from '../support/options.ts'
import { type Cell, format, printTable } from '../support/table.ts'
import type { PublishCase } from './case.ts'

export interface Result extends Measured {
  readonly name: string
  readonly publishers: number
}

/**
 * Runs the cases as often as asked for, each time on empty tables, and keeps the best run of each.
 * In rounds, so that another program that is busy for a while does not hit all runs of one case.
 */
export async function measureAll(
  cases: readonly PublishCase[],
  reset: () => Promise<void>,
  options: BenchOptions,
): Promise<readonly Result[]> {
  const best = new Map<PublishCase, Result>()
  for (let round = 0; round < options.runs; round++) {
    for (const each of cases) {
      await reset()
      const result = await run(each, options)
      if (result.perSecond > (best.get(each)?.perSecond ?? 0)) best.set(each, result)
    }
  }
  return [...best.values()]
}

async function run({ name, load }: PublishCase, options: BenchOptions): Promise<Result> {
  const result = { name, publishers: load.publishers, ...(await measure(load, options)) }
  console.error(`${name}, ${load.publishers} at once: ${format(result.perSecond)} messages/s`)
  return result
}

export function printResults(results: readonly Result[]): void {
  printTable(
    'publish: 8 topics, payload of 300 bytes',
    results.map(
      (result): Record<string, Cell> => ({
        case: result.name,
        publishers: result.publishers,
        'messages/s': result.perSecond,
        'CPU µs/message': result.cpuMicrosPerMessage,
        'p50 ms': result.p50,
        'p99 ms': result.p99,
      }),
    ),
  )
}

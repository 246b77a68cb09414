import { quantile } from '../support/quantile.ts'

export interface Rounds {
  readonly runs: number
  /** No round begins that would probably end later than this, in milliseconds. */
  readonly budgetMs: number
}

/**
 * Measures in rounds, each with all peers, so that another program that is busy for a while does
 * not hit all runs of one peer. The first round always runs.
 */
export async function inRounds<T>(
  { runs, budgetMs }: Rounds,
  measure: () => Promise<readonly T[]>,
): Promise<readonly T[]> {
  const start = performance.now()
  const measured: T[] = []
  let longest = 0
  for (let round = 0; round < runs; round++) {
    const began = performance.now()
    if (began - start + longest > budgetMs) break
    measured.push(...(await measure()))
    longest = Math.max(longest, performance.now() - began)
  }
  return measured
}

/** One row for each key, with the median of each of its numbers. */
export function medians<T extends object>(
  rows: readonly T[],
  keyOf: (row: T) => string,
): readonly T[] {
  const groups = new Map<string, T[]>()
  for (const row of rows) groups.set(keyOf(row), [...(groups.get(keyOf(row)) ?? []), row])
  return [...groups.values()].map(medianRow)
}

function medianRow<T extends object>(rows: readonly T[]): T {
  const entries = Object.entries(rows[0] ?? {}).map(([name, first]) => {
    if (typeof first !== 'number') return [name, first]
    return [name, median(rows.map((row) => Number(row[name as keyof T])))]
  })
  return Object.fromEntries(entries) as T
}

/** Of an even number of values the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const upper = quantile(values, 0.5)
  if (values.length % 2 === 1) return upper
  return (
    (upper -
      quantile(
        values.map((value) => -value),
        0.5,
      )) /
    2
  )
}

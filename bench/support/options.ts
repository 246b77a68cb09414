import { parseArgs } from 'node:util'

export interface BenchOptions {
  /** How long a case runs before it is measured, in milliseconds. */
  readonly warmUpMs: number
  /** How long it is measured, in milliseconds. */
  readonly measureMs: number
  /** How often each case is run; the best run counts. */
  readonly runs: number
  /** Short runs, to see that everything works. */
  readonly quick: boolean
}

/** `--quick` and `--runs=3`. */
export function readOptions(): BenchOptions {
  const { values } = parseArgs({
    options: {
      quick: { type: 'boolean', default: false },
      runs: { type: 'string', default: '1' },
    },
  })
  const { quick } = values
  return {
    quick,
    runs: Math.max(1, Number.parseInt(values.runs, 10) || 1),
    warmUpMs: quick ? 500 : 2_000,
    measureMs: quick ? 1_500 : 6_000,
  }
}

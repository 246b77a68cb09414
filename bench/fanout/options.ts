import { parseArgs } from 'node:util'

export const PARTS = [
  'deliveries',
  'selections',
  'memory',
  'slow-readers',
  'churn',
  'two-instances',
] as const
export type Part = (typeof PARTS)[number]

export interface FanoutOptions {
  /** Small and short, to see that everything works. */
  readonly quick: boolean
  /** How often each case is run; the median counts. */
  readonly runs: number
  readonly parts: readonly Part[]
  /** Tables for pasting. */
  readonly markdown: boolean
}

/** `--quick`, `--runs=5`, `--markdown`, and `--part=memory`, as often as wanted. */
export function readFanoutOptions(): FanoutOptions {
  const { values } = parseArgs({
    options: {
      quick: { type: 'boolean', default: false },
      runs: { type: 'string' },
      markdown: { type: 'boolean', default: false },
      part: { type: 'string', multiple: true, default: [...PARTS] },
    },
  })
  const unknown = values.part.find((name) => !PARTS.some((part) => part === name))
  if (unknown !== undefined) {
    throw new Error(`There is no part "${unknown}"; there are ${PARTS.join(', ')}.`)
  }
  const { quick, markdown } = values
  return {
    quick,
    markdown,
    runs: Math.max(1, Number.parseInt(values.runs ?? (quick ? '1' : '3'), 10) || 1),
    parts: PARTS.filter((part) => values.part.includes(part)),
  }
}

import { parseArgs } from 'node:util'
import type { Part, RecoveryOptions } from './part.ts'
import { PARTS } from './parts.ts'

export interface CommandLine extends RecoveryOptions {
  readonly parts: readonly Part[]
  /** Tables for pasting. */
  readonly markdown: boolean
}

/** `--quick`, `--markdown`, and `--part=retention`, as often as wanted. */
export function readCommandLine(): CommandLine {
  const all = PARTS.map(({ name }) => name)
  const { values } = parseArgs({
    options: {
      quick: { type: 'boolean', default: false },
      markdown: { type: 'boolean', default: false },
      part: { type: 'string', multiple: true, default: all },
    },
  })
  const unknown = values.part.find((name) => !all.includes(name))
  if (unknown !== undefined) {
    throw new Error(`There is no part "${unknown}"; there are ${all.join(', ')}.`)
  }
  const { quick, markdown } = values
  return { quick, markdown, parts: PARTS.filter(({ name }) => values.part.includes(name)) }
}

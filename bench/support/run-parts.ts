import { parseArgs } from 'node:util'
import type { Outcome, Part, PartOptions, Target } from './part.ts'
import { printMarkdown, printTable } from './table.ts'

interface CommandLine extends PartOptions {
  readonly parts: readonly Part[]
  /** Tables for pasting. */
  readonly markdown: boolean
}

/** Runs the parts of a suite that the command line asks for, one after the other, and prints what they find. */
export async function runParts(suite: string, all: readonly Part[]): Promise<void> {
  const options = readCommandLine(all)
  const print = options.markdown ? printMarkdown : printTable
  for (const part of options.parts) {
    const outcome = await measured(part, options)
    for (const { title, rows } of outcome.tables) print(`${suite}: ${title}`, rows)
    if (outcome.targets.length > 0) print(`${suite}: targets`, outcome.targets.map(verdict))
    for (const failure of outcome.failures ?? []) fail(part, failure)
  }
}

/** `--quick`, `--markdown`, `--runs=4`, `--seconds=3`, and `--part=…`, as often as wanted. */
function readCommandLine(parts: readonly Part[]): CommandLine {
  const all = parts.map(({ name }) => name)
  const { values } = parseArgs({
    options: {
      quick: { type: 'boolean', default: false },
      markdown: { type: 'boolean', default: false },
      runs: { type: 'string' },
      seconds: { type: 'string' },
      part: { type: 'string', multiple: true, default: all },
    },
  })
  const unknown = values.part.find((name) => !all.includes(name))
  if (unknown !== undefined) {
    throw new Error(`There is no part "${unknown}"; there are ${all.join(', ')}.`)
  }
  const { quick, markdown } = values
  return {
    quick,
    markdown,
    runs: readNumber('runs', values.runs),
    seconds: readNumber('seconds', values.seconds),
    parts: parts.filter(({ name }) => values.part.includes(name)),
  }
}

function readNumber(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const number = Number(text)
  if (number > 0) return number
  throw new Error(`--${name} is a number above 0.`)
}

/** What a part finds must not be lost because another fails. */
async function measured(part: Part, options: PartOptions): Promise<Outcome> {
  const start = performance.now()
  try {
    return await part.measure(options)
  } catch (error) {
    fail(part, error)
    return { tables: [], targets: [] }
  } finally {
    console.error(`${part.name} took ${Math.round((performance.now() - start) / 1_000)} s`)
  }
}

function fail({ name }: Part, failure: unknown): void {
  console.error(`${name} failed:`, failure)
  process.exitCode = 1
}

function verdict({ name, measured, atMost }: Target) {
  return {
    target: name,
    'at most': atMost,
    measured,
    verdict: measured <= atMost ? 'met' : 'MISSED',
  }
}

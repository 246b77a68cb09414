import { readCommandLine } from './recovery/options.ts'
import type { Outcome, Part, Target } from './recovery/part.ts'
import { printMarkdown, printTable } from './support/table.ts'

const options = readCommandLine()
const print = options.markdown ? printMarkdown : printTable

for (const part of options.parts) {
  const outcome = await measured(part)
  for (const { title, rows } of outcome.tables) print(`recovery: ${title}`, rows)
  if (outcome.targets.length > 0) print('recovery: targets', outcome.targets.map(verdict))
  for (const failure of outcome.failures ?? []) fail(part, failure)
}

/** What a part finds must not be lost because another fails. */
async function measured(part: Part): Promise<Outcome> {
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

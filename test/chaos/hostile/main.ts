import { cpus } from 'node:os'
import { parseArgs } from 'node:util'
import { interrupted } from '../interrupted.ts'
import { Arena } from './arena.ts'
import { openDatabase } from './database.ts'
import { SCENARIOS } from './scenarios/all.ts'
import type { Scenario } from './scenarios/scenario.ts'
import { faultsOf, type Result, tableOf, WORST_RATIO } from './table.ts'

const { values } = parseArgs({
  options: {
    calm: { type: 'string', default: '10' },
    attack: { type: 'string', default: '16' },
    size: { type: 'string', default: '1' },
    only: { type: 'string', default: '' },
    embedded: { type: 'boolean', default: false },
  },
})
const pace = {
  calmMs: Number(values.calm) * 1_000,
  attackMs: Number(values.attack) * 1_000,
  size: Number(values.size),
}

const signal = interrupted()
const stopped = new Promise<never>((_, reject) => {
  signal.addEventListener('abort', () => reject(signal.reason))
})
stopped.catch(() => undefined) // told to whoever waits
const chosen = SCENARIOS.filter(({ name }) => name.includes(values.only))
const results: Result[] = []
for (const scenario of chosen) if (!signal.aborted) await attempt(scenario)
print(`\n${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}, Node ${process.version}\n`)
print(tableOf(results))

/** What one scenario shows must not be lost because another fails. */
async function attempt(scenario: Scenario): Promise<void> {
  try {
    const result = await measured(scenario)
    results.push(result)
    tell(scenario, result)
  } catch (error) {
    process.exitCode = 1
    print(`${scenario.name}: ${String(error)}`)
  }
}

/** Each with a server of its own, so that its memory is of this scenario alone. */
async function measured(scenario: Scenario): Promise<Result> {
  await using database = values.embedded ? undefined : await openDatabase()
  const server = database === undefined ? {} : { databaseUrl: database.url }
  await using arena = await Arena.open({ server, subscribers: 200, perSecond: 20 })
  const outcome = await Promise.race([arena.run(scenario, pace), stopped])
  return { outcome, end: await arena.finish() }
}

function tell(scenario: Scenario, result: Result): void {
  const { calm, attacked } = result.outcome
  const faults = faultsOf(result)
  const ratio = attacked.crowd.p99 / calm.crowd.p99
  if (ratio > WORST_RATIO || faults.length > 0) process.exitCode = 1
  const figures = `p99 ${calm.crowd.p99.toFixed(1)} → ${attacked.crowd.p99.toFixed(1)} ms`
  print([`${scenario.name}: ${figures}`, ...faults].join('\n    '))
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}

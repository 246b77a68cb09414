import { mkdirSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { writeCharts } from './fanout/charts.ts'
import { measureChurn } from './fanout/churn.ts'
import type { FanoutContext } from './fanout/context.ts'
import { measureDeliveries } from './fanout/deliveries.ts'
import { measureMemory } from './fanout/memory.ts'
import { PARTS, type Part, readFanoutOptions } from './fanout/options.ts'
import { hasEphemeral } from './fanout/peers/carillon.ts'
import { PEERS } from './fanout/peers/peer.ts'
import { report } from './fanout/report.ts'
import type { Results } from './fanout/results.ts'
import { measureSelections } from './fanout/selections.ts'
import { measureSlowReaders } from './fanout/slow-readers.ts'
import { measureTwoInstances } from './fanout/two-instances.ts'
import { createDatabase, isDatabaseUp, type ThrowawayDatabase } from './support/database.ts'

const options = readFanoutOptions()
await using database = await openDatabase()
const context: FanoutContext = {
  options,
  databaseUrl: database?.url,
  log: (line) => console.error(line),
}

const results = await measureAll()
report(results, options)
writeResults(results)

async function openDatabase(): Promise<ThrowawayDatabase | undefined> {
  if (await isDatabaseUp()) return await createDatabase()
  console.error('No PostgreSQL answers: Carillon uses its embedded database.')
  return undefined
}

async function measureAll(): Promise<Results> {
  const ephemeral = await hasEphemeral(context.databaseUrl)
  const peers = PEERS.filter((peer) => peer !== 'carillon-ephemeral' || ephemeral)
  const idle = PEERS.filter((peer) => peer !== 'carillon-ephemeral')
  const when = <T>(part: Part, measure: () => Promise<readonly T[] | undefined>) =>
    options.parts.includes(part) ? measured(part, measure) : Promise.resolve([])
  return {
    machine: `${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}, Node ${process.version}`,
    runs: options.runs,
    database: context.databaseUrl === undefined ? 'embedded' : 'PostgreSQL',
    deliveries: await when('deliveries', () => measureDeliveries(context, peers)),
    selections: await when('selections', () => measureSelections(context)),
    memory: await when('memory', () => measureMemory(context, idle)),
    slowReaders: await when('slow-readers', () => measureSlowReaders(context)),
    churn: await when('churn', () => measureChurn(context)),
    twoInstances: await when('two-instances', () => measureTwoInstances(context)),
  }
}

/** What a part finds must not be lost because another fails. */
async function measured<T>(
  part: Part,
  measure: () => Promise<readonly T[] | undefined>,
): Promise<readonly T[]> {
  const start = performance.now()
  try {
    const rows = await measure()
    if (rows === undefined) console.error(`${part}: skipped, it needs PostgreSQL and Redis`)
    return rows ?? []
  } catch (error) {
    console.error(`${part} failed:`, error)
    process.exitCode = 1
    return []
  } finally {
    console.error(`${part} took ${Math.round((performance.now() - start) / 1_000)} s`)
  }
}

/** Only a full run replaces the figures that are kept with the code. */
function writeResults(results: Results): void {
  const isFull = !options.quick && options.parts.length === PARTS.length
  const bench = fileURLToPath(new URL('.', import.meta.url))
  const folder = join(bench, isFull ? 'results' : 'results/partial')
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'fanout.json'), `${JSON.stringify(results, null, 2)}\n`)
  writeCharts(results, isFull ? join(bench, 'charts') : folder)
}

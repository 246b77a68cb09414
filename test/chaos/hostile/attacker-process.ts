import { existsSync, readdirSync } from 'node:fs'
import { setPriority } from 'node:os'
import { answer } from './child.ts'
import { findScenario } from './scenarios/all.ts'
import { Tally } from './scenarios/tally.ts'

/** What it does to the server is of interest, not what it takes of the cores from the others. */
const LEAST_PRIORITY = 19
setPriority(LEAST_PRIORITY)
/** On Linux, threads have each their own: those that collect garbage, for one. */
const THREADS = '/proc/self/task'
if (existsSync(THREADS)) {
  for (const thread of readdirSync(THREADS)) setPriority(Number(thread), LEAST_PRIORITY)
}

const { port } = JSON.parse(process.argv[2] ?? '{}') as { readonly port: number }

interface Order {
  readonly name: string
  readonly ms: number
  readonly size: number
}

async function attack({ name, ms, size }: Order): Promise<Readonly<Record<string, number>>> {
  const tally = new Tally()
  const until = performance.now() + ms
  await findScenario(name).attack({ port, until, size, tally })
  return tally.counts
}

answer({}, { attack })

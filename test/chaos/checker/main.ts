import { randomInt } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { interrupted } from '../interrupted.ts'
import { check } from './check.ts'
import { MUTANTS } from './mutants.ts'
import { FAULTS } from './schedule.ts'
import { tableOf } from './table.ts'
import { tryMutant } from './try-mutant.ts'

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    seconds: { type: 'string', default: '60' },
    build: { type: 'string', default: fileURLToPath(new URL('../../../dist', import.meta.url)) },
    mutations: { type: 'boolean', default: false },
    faults: { type: 'string' },
    overlap: { type: 'string', default: '0.3' },
    pause: { type: 'string', default: '150' },
  },
})
const start = performance.now()
process.exit((await (values.mutations ? catchMutants() : run())) ? 0 : 1)

async function run(): Promise<boolean> {
  const seed = values.seed === undefined ? randomInt(1_000_000) : Number(values.seed)
  const seconds = Number(values.seconds)
  const faults = values.faults?.split(',').map((name) => {
    const fault = FAULTS.find((one) => one === name.trim())
    if (fault === undefined) throw new Error(`The faults are: ${FAULTS.join(', ')}.`)
    return fault
  })
  const chosen = values.faults === undefined ? '' : ` --faults='${values.faults}'`
  const again = `npm run chaos -- --seed=${seed} --seconds=${seconds} --overlap=${values.overlap}${chosen}`
  print(`chaos for ${seconds} s; the same faults again: ${again}`)
  const report = await check({
    seed,
    seconds,
    build: values.build,
    pace: { freezeMs: seconds < 120 ? 3_000 : 10_000, maxPauseMs: 2_000 },
    pauseMs: Number(values.pause),
    overlap: Number(values.overlap),
    ...(faults === undefined ? {} : { faults }),
    log: tell,
    signal: interrupted(),
  })
  print(`\n${tableOf(report)}`)
  return report.violations.length === 0
}

/** Whether the checker finds out every server that is broken on purpose. */
async function catchMutants(): Promise<boolean> {
  const signal = interrupted()
  let areAllCaught = true
  for (const mutant of MUTANTS) {
    signal.throwIfAborted()
    const { isCaught, by } = await tryMutant(mutant, signal)
    areAllCaught &&= isCaught
    tell(`a server that ${mutant.name}: ${isCaught ? 'CAUGHT' : 'NOT CAUGHT'} (${by || 'no rule'})`)
  }
  return areAllCaught
}

function tell(line: string): void {
  print(`${((performance.now() - start) / 1_000).toFixed(1).padStart(7)} s  ${line}`)
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}

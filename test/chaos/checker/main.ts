import { randomInt } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { check } from './check.ts'
import { tableOf } from './table.ts'

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    seconds: { type: 'string', default: '60' },
    build: { type: 'string', default: fileURLToPath(new URL('../../../dist', import.meta.url)) },
    pause: { type: 'string', default: '150' },
  },
})
const seed = values.seed === undefined ? randomInt(1_000_000) : Number(values.seed)
const seconds = Number(values.seconds)
print(
  `chaos for ${seconds} s; the same faults again: npm run chaos -- --seed=${seed} --seconds=${seconds}`,
)

const start = performance.now()
const report = await check({
  seed,
  seconds,
  build: values.build,
  pace: { freezeMs: seconds < 120 ? 3_000 : 10_000, maxPauseMs: 2_000 },
  pauseMs: Number(values.pause),
  log: (line) =>
    print(`${((performance.now() - start) / 1_000).toFixed(1).padStart(7)} s  ${line}`),
})
print(`\n${tableOf(report)}`)
process.exit(report.violations.length === 0 ? 0 : 1)

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { parseArgs } from 'node:util'

const SUITES = [
  'publish',
  'profile',
  'history',
  'startup',
  'fanout',
  'recovery',
  'presence',
  'access',
  'client',
] as const

const { positionals } = parseArgs({ allowPositionals: true, strict: false })
const flags = process.argv.slice(2).filter((argument) => argument.startsWith('-'))
const unknown = positionals.find((name) => !SUITES.some((suite) => suite === name))

if (unknown === undefined) await runSuites(positionals.length > 0 ? positionals : SUITES)
else {
  console.error(`There is no bench "${unknown}"; there are ${SUITES.join(', ')}.`)
  process.exitCode = 1
}

/** One after the other, each in a process of its own, so that none inherits another's heap. */
async function runSuites(names: readonly string[]): Promise<void> {
  for (const name of names) {
    if ((await runSuite(name)) !== 0) process.exitCode = 1
  }
}

async function runSuite(name: string): Promise<number | null> {
  const file = new URL(`${name}.ts`, import.meta.url).pathname
  // The root's tsconfig.json maps `carillon` to the sources, and tsx would follow it; what is
  // measured is the build.
  const tsconfig = new URL('support/tsconfig.run.json', import.meta.url).pathname
  const child = spawn(process.execPath, ['--import', 'tsx', file, ...flags], {
    stdio: 'inherit',
    env: { ...process.env, TSX_TSCONFIG_PATH: tsconfig },
  })
  await once(child, 'exit')
  return child.exitCode
}

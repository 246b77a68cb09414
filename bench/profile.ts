import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createCarillon } from 'carillon'
import { functionOf, ownerOf, sumBy } from './profile/buckets.ts'
import { type CpuProfile, readProfile, type Span, selfTimes } from './profile/cpu-profile.ts'
import { inclusiveTime, preparesDocument } from './profile/inclusive.ts'
import { connectSockets, graphqlCase } from './publish/graphql.ts'
import { createDatabase } from './support/database.ts'
import { measure } from './support/load.ts'
import { readOptions } from './support/options.ts'
import { startServer } from './support/server-process.ts'
import { format, printTable } from './support/table.ts'

const OWNERS = 16
const FUNCTIONS = 25

const options = readOptions()
const folder = await mkdtemp(join(tmpdir(), 'carillon-profile-'))
try {
  const { span, messages } = await profileServer(folder)
  report(await readProfile(folder), span, messages)
} finally {
  await rm(folder, { recursive: true })
}

interface Profiled {
  readonly span: Span
  readonly messages: number
}

/** Loads a server that profiles itself, and stops it, upon which it writes the profile. */
async function profileServer(folder: string): Promise<Profiled> {
  await using database = await createDatabase()
  const environment = { DATABASE_URL: database.url }
  await using carillon = await createCarillon({ databaseUrl: database.url })
  await carillon.close() // the migrations have run
  const nodeArguments = ['--cpu-prof', `--cpu-prof-dir=${folder}`]
  await using server = await startServer({ environment, nodeArguments })
  await using sockets = await connectSockets(server)
  const { load } = graphqlCase(server, sockets, { keys: true })
  await measure(load, { warmUpMs: 0, measureMs: options.warmUpMs })
  const from = monotonicMicros()
  const { perSecond, cpuMicrosPerMessage } = await measure(load, { ...options, warmUpMs: 0 })
  const span = { from, until: monotonicMicros() }
  console.error(`${format(perSecond)} messages/s, ${format(cpuMicrosPerMessage)} µs each`)
  return { span, messages: (perSecond * options.measureMs) / 1_000 }
}

function monotonicMicros(): number {
  return Number(process.hrtime.bigint() / 1_000n)
}

function report(profile: CpuProfile, span: Span, messages: number): void {
  const times = selfTimes(profile, span)
  const owners = sumBy(profile, times, ownerOf)
  const total = owners.reduce((micros, bucket) => micros + bucket.micros, 0)
  const row = (name: string, micros: number) => ({
    where: name,
    'µs/message': micros / messages,
    '%': (100 * micros) / total,
  })
  const print = (title: string, buckets: typeof owners) =>
    printTable(
      title,
      buckets.map(({ name, micros }) => row(name, micros)),
    )
  print('profile: the main thread of the server, by package', owners.slice(0, OWNERS))
  print('by function', sumBy(profile, times, functionOf).slice(0, FUNCTIONS))
  printTable('parsing and validating documents, with all they call', [
    row('graphql parse, validate', inclusiveTime(profile, times, preparesDocument)),
  ])
}

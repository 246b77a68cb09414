import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { installedPackages } from './startup/package-size.ts'
import { createDatabase } from './support/database.ts'
import { smallest } from './support/extremes.ts'
import { readOptions } from './support/options.ts'
import { residentMegabytesOf } from './support/process-usage.ts'
import { quantile } from './support/quantile.ts'
import { startServer } from './support/server-process.ts'
import { printTable } from './support/table.ts'

const LARGEST_PACKAGES = 8
/** How long a server idles before its memory is read, in milliseconds. */
const SETTLE_MS = 1_000

const options = readOptions()
const rounds = options.quick ? 1 : Math.max(3, options.runs)

interface Start {
  readonly name: string
  readonly readyMs: number
  readonly residentMegabytes: number
}

const starts: Start[] = []
for (let round = 0; round < rounds; round++) {
  starts.push(...(await startEmbedded()), ...(await startOnPostgresql()))
}
printStarts()
await printPackages()

async function startEmbedded(): Promise<readonly Start[]> {
  const folder = await mkdtemp(join(tmpdir(), 'carillon-startup-'))
  try {
    return await startTwice('embedded', { CARILLON_DATA_DIR: join(folder, 'data') })
  } finally {
    await rm(folder, { recursive: true })
  }
}

async function startOnPostgresql(): Promise<readonly Start[]> {
  await using database = await createDatabase()
  return await startTwice('PostgreSQL', { DATABASE_URL: database.url })
}

/** The first start makes the tables, the second finds them. */
async function startTwice(
  name: string,
  environment: Readonly<Record<string, string>>,
): Promise<readonly Start[]> {
  return [
    await start(`${name}, first start`, environment),
    await start(`${name}, second start`, environment),
  ]
}

async function start(name: string, environment: Readonly<Record<string, string>>): Promise<Start> {
  await using server = await startServer({ environment })
  await sleep(SETTLE_MS)
  return { name, readyMs: server.readyMs, residentMegabytes: residentMegabytesOf(server.pid) }
}

function printStarts(): void {
  const names = [...new Set(starts.map(({ name }) => name))]
  printTable(
    'startup: from the start of the process to the first 200 of /health/ready',
    names.map((name) => {
      const own = starts.filter((each) => each.name === name)
      const times = own.map(({ readyMs }) => readyMs)
      return {
        start: name,
        'median ms': quantile(times, 0.5),
        'best ms': smallest(times),
        'memory MB': quantile(
          own.map(({ residentMegabytes }) => residentMegabytes),
          0.5,
        ),
      }
    }),
  )
}

async function printPackages(): Promise<void> {
  const packages = await installedPackages().catch((error: unknown) => {
    process.exitCode = 1
    console.error(`npm ci --omit=dev failed: ${firstErrors(error)}`)
    return []
  })
  if (packages.length === 0) return
  const megabytes = packages.reduce((sum, each) => sum + each.megabytes, 0)
  printTable(
    `npm ci --omit=dev: ${Math.round(megabytes)} MB in ${packages.length} packages, the largest`,
    packages.slice(0, LARGEST_PACKAGES).map((each) => ({
      package: each.name,
      MB: each.megabytes,
    })),
  )
}

/** What npm says before it explains its options. */
function firstErrors(error: unknown): string {
  const lines = String(error).split('\n')
  const errors = lines.filter((line) => line.startsWith('npm error') && line.length > 10)
  return (errors.length > 0 ? errors : lines).slice(0, 4).join('\n')
}

import pg from 'pg'
import type { ProvidedContext } from 'vitest'
import type { TestProject } from 'vitest/node'
import { exists, findOnPath } from './find-on-path.ts'
import { findBinaries } from './postgresql-binaries.ts'
import { preparePostgresql } from './postgresql-server.ts'
import { preparePglite } from './prepare-pglite.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** A server where tests may create databases; null where there is none. */
    readonly postgresqlUrl: string | null
    /** The folder of `initdb` and `postgres`, to start private servers; null where there is none. */
    readonly postgresqlBinaries: string | null
    /** `redis-server`, to start private servers; null where there is none. */
    readonly redisServer: string | null
    /** Chromium; null where there is none. */
    readonly chromium: string | null
  }
}

const DEFAULT_URL = 'postgresql://postgres@127.0.0.1:5432/postgres'

/**
 * Looks for the real parts that tests need, and prepares the databases. What is missing is said
 * once, and fails in CI.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const url = process.env.CARILLON_TEST_DATABASE_URL ?? DEFAULT_URL
  const parts = {
    postgresqlUrl: (await answers(url)) ? url : null,
    postgresqlBinaries: await findBinaries(),
    redisServer: await findOnPath('redis-server'),
    chromium: await findChromium(),
  }
  const missing = [
    parts.postgresqlUrl === null ? `PostgreSQL at ${url}` : [],
    parts.postgresqlBinaries === null ? 'the binaries of PostgreSQL' : [],
    parts.redisServer === null ? 'redis-server' : [],
    parts.chromium === null ? 'Chromium' : [],
  ].flat()
  if (missing.length > 0) complain(`Not on this machine: ${missing.join(', ')}`)
  project.provide('postgresqlUrl', parts.postgresqlUrl)
  project.provide('postgresqlBinaries', parts.postgresqlBinaries)
  project.provide('redisServer', parts.redisServer)
  project.provide('chromium', parts.chromium)
  return process.env.PREPARED_PGLITE === undefined ? prepare(parts) : async () => {}
}

/** Once, for all projects. */
async function prepare({ postgresqlBinaries }: Pick<ProvidedContext, 'postgresqlBinaries'>) {
  const removers = [await preparePglite()]
  if (postgresqlBinaries !== null) removers.push(preparePostgresql(postgresqlBinaries))
  return async () => {
    for (const remove of removers) await remove()
  }
}

function complain(text: string): void {
  if (process.env.CI === 'true') throw new Error(`${text}. In CI nothing may be skipped.`)
  process.stderr.write(`\n*** ${text}: THE TESTS THAT NEED IT ARE SKIPPED ***\n\n`)
}

async function answers(url: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 2_000 })
  try {
    await client.connect()
    return true
  } catch {
    return false
  } finally {
    await client.end()
  }
}

async function findChromium(): Promise<string | null> {
  const candidates = [
    process.env.CARILLON_TEST_CHROMIUM,
    '/usr/bin/chromium',
    '/usr/bin/chromium-browser',
    '/usr/bin/google-chrome',
    '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  ]
  for (const path of candidates) {
    if (path !== undefined && (await exists(path))) return path
  }
  return null
}

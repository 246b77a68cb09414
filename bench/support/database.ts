import { randomUUID } from 'node:crypto'
import pg from 'pg'

const SERVER = process.env.DATABASE_URL ?? 'postgresql://postgres@127.0.0.1:5432/postgres'

/** An empty database, dropped afterwards. */
export interface ThrowawayDatabase extends AsyncDisposable {
  readonly url: string
  /** Runs one statement on a connection of its own. */
  rows(sql: string, values?: readonly unknown[]): Promise<readonly Record<string, unknown>[]>
}

/** Whether there is a PostgreSQL to measure with. */
export async function isDatabaseUp(): Promise<boolean> {
  const client = new pg.Client({ connectionString: SERVER, connectionTimeoutMillis: 2_000 })
  try {
    await client.connect()
    await client.end()
    return true
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code !== 'ECONNREFUSED') throw error
    return false
  }
}

export async function createDatabase(): Promise<ThrowawayDatabase> {
  const name = `carillon_bench_${randomUUID().replaceAll('-', '')}`
  await rows(SERVER, `CREATE DATABASE ${name}`)
  const url = new URL(SERVER)
  url.pathname = `/${name}`
  return {
    url: url.href,
    rows: (sql, values = []) => rows(url.href, sql, values),
    async [Symbol.asyncDispose]() {
      await rows(SERVER, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`)
    },
  }
}

async function rows(
  url: string,
  sql: string,
  values: readonly unknown[] = [],
): Promise<readonly Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    return (await client.query<Record<string, unknown>>(sql, [...values])).rows
  } finally {
    await client.end()
  }
}

import { randomUUID } from 'node:crypto'
import pg from 'pg'
import { describe, inject } from 'vitest'

const hasPostgresql = inject('postgresqlUrl') !== null

/** A suite that needs PostgreSQL. */
export const describeWithPostgresql = describe.skipIf(!hasPostgresql)

/** An empty database for one test, dropped afterwards. */
export interface ThrowawayDatabase extends AsyncDisposable {
  readonly url: string
}

export async function createDatabase(): Promise<ThrowawayDatabase> {
  const server = inject('postgresqlUrl')
  if (server === null) throw new Error('There is no PostgreSQL on this machine.')
  const name = `carillon_test_${randomUUID().replaceAll('-', '')}`
  await execute(server, `CREATE DATABASE ${name}`)
  const url = new URL(server)
  url.pathname = `/${name}`
  return {
    url: url.href,
    async [Symbol.asyncDispose]() {
      await execute(server, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`)
    },
  }
}

/** Runs one statement on a connection of its own. */
export async function execute(
  url: string,
  sql: string,
  values: readonly unknown[] = [],
): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    return (await client.query<Record<string, unknown>>(sql, [...values])).rows
  } finally {
    await client.end()
  }
}

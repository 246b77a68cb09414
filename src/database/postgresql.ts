import { PrismaPg } from '@prisma/adapter-pg'
import pg from 'pg'
import { PrismaClient } from '../generated/prisma/client.ts'
import { type Database, DatabaseStartError, type MigrationSession } from './database.ts'
import { type MigrationReport, migrate } from './migrate.ts'

export interface PostgresqlOptions {
  readonly url: string
  /** Connections at most, for publishing, reading and acknowledging together. Default 10. */
  readonly maxConnections?: number
  /** How long a connection, and then a query, may take, in milliseconds. Default 5000. */
  readonly timeoutMs?: number
  /** Told of connections that broke while idle: the next query takes a new one. */
  readonly onFault?: (error: Error) => void
}

const MIN_SERVER_VERSION = 140_000

/**
 * Opens a PostgreSQL server, 14 or newer, and applies the migrations.
 * @throws DatabaseStartError where it cannot be reached or used
 */
export async function openPostgresql(options: PostgresqlOptions): Promise<Database> {
  const { url, maxConnections = 10, timeoutMs = 5_000, onFault = () => {} } = options
  const { unknown } = await migratePostgresql(url)
  if (unknown.length > 0) {
    onFault(new Error(`The database was migrated by a newer version: ${unknown.join(', ')}.`))
  }
  const adapter = new PrismaPg(
    {
      connectionString: withoutPrismaParameters(url),
      application_name: 'carillon',
      max: maxConnections,
      connectionTimeoutMillis: timeoutMs,
      query_timeout: timeoutMs,
      // The server gives up first: what nobody waits for any more is not stored later.
      statement_timeout: timeoutMs - 500,
      keepAlive: true,
    },
    { onPoolError: onFault, onConnectionError: onFault },
  )
  const prisma = new PrismaClient({ adapter })
  let closed: Promise<void> | undefined
  return {
    kind: 'postgresql',
    location: describe(url),
    prisma,
    close() {
      closed ??= prisma.$disconnect()
      return closed
    },
  }
}

/**
 * Applies the migrations to a PostgreSQL database, and nothing else.
 * @throws DatabaseStartError where it cannot be reached or used
 */
export async function migratePostgresql(url: string): Promise<MigrationReport> {
  const client = new pg.Client({
    connectionString: withoutPrismaParameters(url),
    application_name: 'carillon migrate',
    connectionTimeoutMillis: 5_000,
  })
  client.on('error', () => {}) // the query under way is told as well
  try {
    await client.connect()
    await checkVersion(client)
    return await migrate(session(client))
  } catch (error) {
    if (error instanceof DatabaseStartError) throw error
    throw new DatabaseStartError(
      `The PostgreSQL database at ${describe(url)} cannot be used: ${reason(error)}. Check DATABASE_URL.`,
      { cause: error },
    )
  } finally {
    await client.end()
  }
}

async function checkVersion(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ version: string; number: number }>(
    `SELECT current_setting('server_version') AS version,
            current_setting('server_version_num')::int AS number`,
  )
  const [server] = rows
  if (server === undefined || server.number >= MIN_SERVER_VERSION) return
  throw new DatabaseStartError(
    `Carillon needs PostgreSQL 14 or newer; this server is ${server.version}.`,
  )
}

function session(client: pg.Client): MigrationSession {
  return {
    async rows(sql, values = []) {
      return (await client.query<Record<string, unknown>>(sql, [...values])).rows
    },
    async script(sql) {
      await client.query(sql)
    },
  }
}

/** Prisma's URLs may carry `?schema=`, which PostgreSQL does not know; ours is always "carillon". */
function withoutPrismaParameters(url: string): string {
  const parsed = new URL(url)
  parsed.searchParams.delete('schema')
  return parsed.href
}

function describe(url: string): string {
  const { hostname, port, pathname } = new URL(url)
  return `${hostname}:${port || '5432'}${pathname}`
}

/** Connecting to a name with several addresses fails with one error for each. */
function reason(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(reason).join(', ')
  return error instanceof Error ? error.message : String(error)
}

import type { ApiKeys } from '../access/api-keys.ts'
import type { Revocations } from '../access/revocations.ts'
import { type Config, readConfig } from '../config.ts'
import { type Database, DirectoryInUseError } from '../database/database.ts'
import { UsageError } from './usage-error.ts'

/** What commands change in the database of a server. */
export interface Access {
  readonly keys: ApiKeys
  readonly revocations: Revocations
}

/**
 * Opens the database that the environment names, for one command.
 * @throws UsageError where no command can use it; DatabaseStartError, ConfigError
 */
export async function withAccess<T>(work: (access: Access) => Promise<T>): Promise<T> {
  const database = await openDatabase(readConfig(process.env))
  try {
    return await work(await accessOf(database))
  } finally {
    await database.close()
  }
}

// Loaded when it is needed: mistakes answer at once.
async function accessOf(database: Database): Promise<Access> {
  const { ApiKeys } = await import('../access/api-keys.ts')
  const { PrismaApiKeyStore } = await import('../access/prisma-api-key-store.ts')
  const { PrismaRevocationStore } = await import('../access/prisma-revocation-store.ts')
  const { Revocations } = await import('../access/revocations.ts')
  const revocations = new Revocations({
    store: new PrismaRevocationStore(database),
    onFault: () => {}, // it is not started: a command knows of no revocation but its own
  })
  return { keys: new ApiKeys({ store: new PrismaApiKeyStore(database), revocations }), revocations }
}

async function openDatabase({ databaseUrl, dataDir }: Config): Promise<Database> {
  if (databaseUrl !== undefined) {
    const { openPostgresql } = await import('../database/postgresql.ts')
    return openPostgresql({ url: databaseUrl, maxConnections: 1 })
  }
  const { MEMORY, openEmbedded } = await import('../database/embedded.ts')
  if (dataDir === undefined || dataDir === MEMORY) throw nowhere()
  return openEmbedded(dataDir).catch((error: unknown) => {
    throw error instanceof DirectoryInUseError ? inUse(error) : error
  })
}

function nowhere(): UsageError {
  return new UsageError(
    'CARILLON_DATA_DIR=memory: is of one process alone; set DATABASE_URL, or CARILLON_DATA_DIR to a directory.',
  )
}

function inUse({ directory, holder }: DirectoryInUseError): UsageError {
  return new UsageError(
    `The data directory ${directory} is in use by a running server (process ${holder.pid} on ${holder.host}): ` +
      'stop it first, or ask it by its library.',
  )
}

import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { PGlite } from '@electric-sql/pglite'
import { PrismaPGlite } from 'pglite-prisma-adapter'
import { PrismaClient } from '../generated/prisma/client.ts'
import { type Database, DatabaseStartError, type MigrationSession } from './database.ts'
import { type DirectoryLock, lockDirectory } from './directory-lock.ts'
import { migrate } from './migrate.ts'

/** The major version of PostgreSQL inside PGlite: it cannot open the files of another one. */
const EMBEDDED_VERSION = '18'

/** The data directory that stands for none: everything is gone with the process. */
export const MEMORY = 'memory:'

/**
 * Opens the embedded PostgreSQL in a directory, made where it is missing, or in memory, and applies
 * the migrations. A directory belongs to one process at a time.
 * @throws DatabaseStartError where the directory is in use or cannot be used
 */
export async function openEmbedded(dataDir: string): Promise<Database> {
  return dataDir === MEMORY ? openMemory() : openDirectory(resolve(dataDir))
}

async function openMemory(): Promise<Database> {
  const pglite = await PGlite.create()
  await migrate(session(pglite))
  return database('in memory', pglite, async () => {})
}

async function openDirectory(directory: string): Promise<Database> {
  const files = join(directory, 'postgresql')
  await prepareDirectory(directory)
  const lock = await takeDirectory(directory)
  try {
    await checkVersion(files)
    const pglite = await PGlite.create({ dataDir: files })
    await migrate(session(pglite))
    return database(directory, pglite, () => lock.release())
  } catch (error) {
    await lock.release()
    throw error instanceof DatabaseStartError ? error : cannotUse(directory, error)
  }
}

function database(location: string, pglite: PGlite, release: () => Promise<void>): Database {
  const prisma = new PrismaClient({ adapter: new PrismaPGlite(pglite) })
  let closed: Promise<void> | undefined
  async function closeAll(): Promise<void> {
    await prisma.$disconnect()
    if (!pglite.closed) await pglite.close()
    await release()
  }
  return {
    kind: 'embedded',
    location,
    prisma,
    close() {
      closed ??= closeAll()
      return closed
    },
  }
}

async function prepareDirectory(directory: string): Promise<void> {
  try {
    await mkdir(directory, { recursive: true })
    await writeFile(join(directory, '.gitignore'), '*\n')
  } catch (error) {
    throw cannotUse(directory, error)
  }
}

async function takeDirectory(directory: string): Promise<DirectoryLock> {
  try {
    return await lockDirectory(directory)
  } catch (error) {
    throw error instanceof DatabaseStartError ? error : cannotUse(directory, error)
  }
}

async function checkVersion(files: string): Promise<void> {
  const version = await readFile(join(files, 'PG_VERSION'), 'utf8').catch(() => undefined)
  if (version === undefined || version.trim() === EMBEDDED_VERSION) return
  throw new DatabaseStartError(
    `The data in ${files} was written by PostgreSQL ${version.trim()}; this version of Carillon reads ${EMBEDDED_VERSION}.`,
  )
}

function cannotUse(directory: string, cause: unknown): DatabaseStartError {
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new DatabaseStartError(
    `The data directory ${directory} cannot be used: ${reason}. Check CARILLON_DATA_DIR.`,
    { cause },
  )
}

function session(pglite: PGlite): MigrationSession {
  return {
    async rows(sql, values = []) {
      return (await pglite.query<Record<string, unknown>>(sql, [...values])).rows
    },
    async script(sql) {
      await pglite.exec(sql)
    },
  }
}

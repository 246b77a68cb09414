import { createHash, randomUUID } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { DatabaseStartError, type MigrationSession } from './database.ts'

/** The lock that Prisma's own `migrate deploy` takes, so that the two exclude each other. */
const MIGRATION_LOCK = 72707369

const MIGRATIONS = new URL('../../prisma/migrations/', import.meta.url)

/** As Prisma Migrate makes it, so that `prisma migrate status` and ours read the same record. */
const RECORD = `
CREATE SCHEMA IF NOT EXISTS carillon;
CREATE TABLE IF NOT EXISTS carillon._prisma_migrations (
    id                  VARCHAR(36) PRIMARY KEY NOT NULL,
    checksum            VARCHAR(64) NOT NULL,
    finished_at         TIMESTAMPTZ,
    migration_name      VARCHAR(255) NOT NULL,
    logs                TEXT,
    rolled_back_at      TIMESTAMPTZ,
    started_at          TIMESTAMPTZ NOT NULL DEFAULT now(),
    applied_steps_count INTEGER NOT NULL DEFAULT 0
)`

interface Migration {
  readonly name: string
  readonly sql: string
  readonly checksum: string
}

export interface MigrationReport {
  /** The migrations that were applied just now, oldest first. */
  readonly applied: readonly string[]
  /** Applied earlier, and unknown to this version: a newer one was here. */
  readonly unknown: readonly string[]
}

/**
 * Brings the database to this version's tables, in one transaction: all or nothing. Any number of
 * processes may call this at once; one works, the others wait and find it done.
 * @throws DatabaseStartError where the record shows a migration that failed or was edited
 */
export async function migrate(session: MigrationSession): Promise<MigrationReport> {
  const migrations = await readMigrations()
  const before = await readRecord(session)
  if (before !== undefined && pending(migrations, before).length === 0) {
    return report([], migrations, before)
  }
  await session.script('BEGIN')
  try {
    await session.rows(`SELECT 1 FROM pg_advisory_xact_lock(${MIGRATION_LOCK})`)
    await session.script(RECORD)
    const record = (await readRecord(session)) ?? new Map()
    const applied = pending(migrations, record)
    for (const migration of applied) await apply(session, migration)
    await session.script('COMMIT')
    return report(applied, migrations, record)
  } catch (error) {
    await session.script('ROLLBACK')
    throw error
  }
}

async function readMigrations(): Promise<readonly Migration[]> {
  const entries = await readdir(MIGRATIONS, { withFileTypes: true })
  const names = entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name)
  return Promise.all(names.sort().map(readMigration))
}

async function readMigration(name: string): Promise<Migration> {
  const sql = await readFile(new URL(`${name}/migration.sql`, MIGRATIONS), 'utf8')
  return { name, sql, checksum: createHash('sha256').update(sql).digest('hex') }
}

/** The checksum of each recorded migration; undefined where nothing was ever recorded. */
async function readRecord(session: MigrationSession): Promise<Map<string, string> | undefined> {
  const [table] = await session.rows(
    "SELECT to_regclass('carillon._prisma_migrations')::text AS name",
  )
  if (table?.name == null) return undefined
  const rows = await session.rows(
    `SELECT migration_name, checksum, finished_at IS NOT NULL AS finished
     FROM carillon._prisma_migrations WHERE rolled_back_at IS NULL`,
  )
  const failed = rows.find((row) => row.finished !== true)
  if (failed !== undefined) {
    throw new DatabaseStartError(
      `The migration ${failed.migration_name} has failed before; see "prisma migrate resolve".`,
    )
  }
  return new Map(rows.map((row) => [String(row.migration_name), String(row.checksum)]))
}

function pending(
  migrations: readonly Migration[],
  record: ReadonlyMap<string, string>,
): readonly Migration[] {
  for (const { name, checksum } of migrations) {
    if (record.has(name) && record.get(name) !== checksum) {
      throw new DatabaseStartError(
        `The migration ${name} in this version is not the one that was applied to the database.`,
      )
    }
  }
  return migrations.filter(({ name }) => !record.has(name))
}

async function apply(session: MigrationSession, migration: Migration): Promise<void> {
  await session.script(migration.sql)
  await session.rows(
    `INSERT INTO carillon._prisma_migrations
       (id, checksum, migration_name, finished_at, applied_steps_count)
     VALUES ($1, $2, $3, now(), 1)`,
    [randomUUID(), migration.checksum, migration.name],
  )
}

function report(
  applied: readonly Migration[],
  migrations: readonly Migration[],
  record: ReadonlyMap<string, string>,
): MigrationReport {
  const known = new Set(migrations.map(({ name }) => name))
  return {
    applied: applied.map(({ name }) => name),
    unknown: [...record.keys()].filter((name) => !known.has(name)),
  }
}

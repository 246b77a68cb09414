import { expect, test } from 'vitest'
import { migratePostgresql, openPostgresql } from '../../src/database/postgresql.ts'
import { createDatabase, describeWithPostgresql, execute } from '../support/postgresql.ts'
import { rejection } from '../support/rejection.ts'
import { openSchemaEngine } from '../support/schema-engine.ts'

async function recorded(url: string): Promise<unknown[]> {
  const rows = await execute(
    url,
    'SELECT migration_name FROM carillon._prisma_migrations ORDER BY migration_name',
  )
  return rows.map((row) => row.migration_name)
}

function describeColumns(url: string): Promise<Record<string, unknown>[]> {
  return execute(
    url,
    `SELECT table_name, column_name, udt_name, is_nullable, datetime_precision
     FROM information_schema.columns
     WHERE table_schema = 'carillon' AND table_name <> '_prisma_migrations'
     ORDER BY table_name, column_name`,
  )
}

describeWithPostgresql('the migrations', () => {
  test('are applied once where ten start at the same time', async () => {
    await using database = await createDatabase()
    const reports = await Promise.all(
      Array.from({ length: 10 }, () => migratePostgresql(database.url)),
    )
    const applied = reports.flatMap((report) => report.applied)
    expect(applied.length).toBeGreaterThan(1)
    expect(await recorded(database.url)).toEqual([...applied].sort())
    expect(reports.filter((report) => report.applied.length > 0)).toHaveLength(1)
  })

  test("leave nothing to do for Prisma's own engine", async () => {
    await using database = await createDatabase()
    await migratePostgresql(database.url)
    using engine = await openSchemaEngine(database.url)
    expect(await engine.diagnose()).toMatchObject({
      editedMigrationNames: [],
      failedMigrationNames: [],
      history: null,
    })
    expect(await engine.apply()).toEqual([])
  })

  test("find nothing to do after Prisma's own engine", async () => {
    await using database = await createDatabase()
    await execute(database.url, 'CREATE SCHEMA carillon')
    using engine = await openSchemaEngine(database.url)
    expect((await engine.apply()).length).toBeGreaterThan(1)
    expect(await migratePostgresql(database.url)).toEqual({ applied: [], unknown: [] })
  })

  test('make what schema.prisma says', async () => {
    await using migrated = await createDatabase()
    await using declared = await createDatabase()
    await migratePostgresql(migrated.url)
    using engine = await openSchemaEngine(declared.url)
    await execute(declared.url, await engine.script())
    const columns = await describeColumns(declared.url)
    expect(columns.length).toBeGreaterThan(20)
    expect(await describeColumns(migrated.url)).toEqual(columns)
  })

  test('are refused where one that was applied has been edited', async () => {
    await using database = await createDatabase()
    await migratePostgresql(database.url)
    await execute(database.url, "UPDATE carillon._prisma_migrations SET checksum = 'x'")
    const error = await rejection(openPostgresql({ url: database.url }))
    expect(error).toMatchObject({ name: 'DatabaseStartError' })
    expect(String(error)).toContain('is not the one that was applied')
  })

  test('are refused where one has failed before', async () => {
    await using database = await createDatabase()
    await migratePostgresql(database.url)
    await execute(database.url, 'UPDATE carillon._prisma_migrations SET finished_at = NULL')
    expect(String(await rejection(migratePostgresql(database.url)))).toContain('has failed before')
  })

  test('of a newer version are reported and left alone', async () => {
    await using database = await createDatabase()
    await migratePostgresql(database.url)
    await execute(
      database.url,
      `INSERT INTO carillon._prisma_migrations (id, checksum, migration_name, finished_at)
       VALUES ('x', 'x', '20991231000000_later', now())`,
    )
    expect(await migratePostgresql(database.url)).toEqual({
      applied: [],
      unknown: ['20991231000000_later'],
    })
  })

  test('need no right to create anything once they are applied', async () => {
    await using database = await createDatabase()
    await migratePostgresql(database.url)
    const role = `carillon_reader_${process.pid}`
    await execute(database.url, `CREATE ROLE ${role} LOGIN`)
    try {
      await execute(database.url, `GRANT USAGE ON SCHEMA carillon TO ${role}`)
      await execute(database.url, `GRANT SELECT ON ALL TABLES IN SCHEMA carillon TO ${role}`)
      const url = new URL(database.url)
      url.username = role
      expect(await migratePostgresql(url.href)).toMatchObject({ applied: [] })
    } finally {
      await execute(database.url, `DROP OWNED BY ${role}; DROP ROLE ${role}`)
    }
  })
})

import { appendFile, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import process from 'node:process'
import { PGlite } from '@electric-sql/pglite'
import { migrate } from '../../src/database/migrate.ts'

/**
 * Runs initdb and the migrations once for all processes of this run; resolves to what removes the
 * files.
 */
export async function preparePglite(): Promise<() => Promise<void>> {
  const folder = await mkdtemp(join(tmpdir(), 'carillon-pglite-'))
  const data = join(folder, 'data')
  await makeDatabase(data)
  const path = join(folder, 'prepared')
  await writeFile(path, await packed(data))
  await rm(data, { recursive: true })
  process.env.PREPARED_PGLITE = path // all processes of this run inherit it
  return () => rm(folder, { recursive: true, force: true })
}

/** As small as it can be: every database of the run copies its files, and clears its buffers. */
async function makeDatabase(dataDir: string): Promise<void> {
  const pglite = await PGlite.create({ dataDir, initDbStartParams: ['--wal-segsize=1'] })
  await migrate({
    async rows(sql, values = []) {
      return (await pglite.query<Record<string, unknown>>(sql, [...values])).rows
    },
    async script(sql) {
      await pglite.exec(sql)
    },
  })
  await pglite.exec('UPDATE pg_database SET datistemplate = false')
  for (const template of ['template0', 'template1']) await pglite.exec(`DROP DATABASE ${template}`)
  await pglite.close()
  await appendFile(join(dataDir, 'postgresql.conf'), '\nshared_buffers = 8MB\n')
}

/** All files of a folder in one: the length of the table of contents, that table, and the bytes. */
async function packed(folder: string): Promise<Buffer> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const paths = entries.map((entry) => ({ entry, path: join(entry.parentPath, entry.name) }))
  paths.sort((a, b) => (a.path < b.path ? -1 : 1)) // a folder before what is in it
  const table: { name: string; size: number | null }[] = []
  const contents: Buffer[] = []
  for (const { entry, path } of paths) {
    const content = entry.isDirectory() ? null : await readFile(path)
    table.push({ name: relative(folder, path), size: content?.length ?? null })
    if (content !== null) contents.push(content)
  }
  const head = Buffer.from(JSON.stringify(table))
  const length = Buffer.alloc(4)
  length.writeUInt32LE(head.length)
  return Buffer.concat([length, head, ...contents])
}

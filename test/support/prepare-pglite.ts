import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { PGlite } from '@electric-sql/pglite'

/** Runs initdb once for all processes of this run; resolves to what removes its files. */
export async function preparePglite(): Promise<() => Promise<void>> {
  const folder = await mkdtemp(join(tmpdir(), 'carillon-pglite-'))
  const pglite = await PGlite.create()
  const files = await pglite.dumpDataDir('none')
  await pglite.close()
  const path = join(folder, 'empty.tar')
  await writeFile(path, Buffer.from(await files.arrayBuffer()))
  process.env.PREPARED_PGLITE = path // all processes of this run inherit it
  return () => rm(folder, { recursive: true, force: true })
}

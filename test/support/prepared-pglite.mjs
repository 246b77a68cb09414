// PGlite whose new databases start from files that initdb wrote once per run, not from initdb itself.
// The files are those of an empty PGlite: every migration still runs in every database. In place of
// the package in the tests' own process; with --import in a process that a test starts.
import { access, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import process from 'node:process'
import { PGlite } from '../../node_modules/@electric-sql/pglite/dist/index.js'

export * from '../../node_modules/@electric-sql/pglite/dist/index.js'

const files = process.env.PREPARED_PGLITE

if (files !== undefined) {
  const create = PGlite.create.bind(PGlite)
  PGlite.create = async (options = {}) => {
    if (typeof options === 'string' || (await isDatabase(options.dataDir))) return create(options)
    return create({ loadDataDir: new Files(), ...options })
  }
}

/** The files, read at once: a Blob of their bytes hands them out in small pieces. */
class Files extends Blob {
  async arrayBuffer() {
    const { buffer, byteOffset, byteLength } = await readFile(files)
    return buffer.slice(byteOffset, byteOffset + byteLength)
  }
}

async function isDatabase(dataDir) {
  if (dataDir === undefined) return false
  return access(join(dataDir, 'PG_VERSION')).then(
    () => true,
    () => false,
  )
}

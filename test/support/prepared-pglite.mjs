// PGlite whose new databases start from files that initdb and the migrations wrote once per run, not
// from initdb itself. In place of the package in the tests' own process; with --import in a process
// that a test starts.
import { readFileSync } from 'node:fs'
import { access, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import process from 'node:process'
import { MemoryFS, PGlite } from '../../node_modules/@electric-sql/pglite/dist/index.js'

export * from '../../node_modules/@electric-sql/pglite/dist/index.js'

const path = process.env.PREPARED_PGLITE

if (path !== undefined) {
  const create = PGlite.create.bind(PGlite)
  PGlite.create = async (options = {}) => {
    if (typeof options === 'string') return create(options)
    const { dataDir } = options
    if (dataDir === undefined) return create({ fs: new PreparedFiles(), ...options })
    if (!(await isDatabase(dataDir))) await writeAll(dataDir)
    return create(options)
  }
}

/** Files in memory that are those of a database from the start. */
class PreparedFiles extends MemoryFS {
  async initialSyncFs() {
    const { FS } = this.pg.Module
    FS.mkdirTree(PGlite.paths.PGDATA, 0o700)
    for (const { name, content } of prepared()) {
      const place = `${PGlite.paths.PGDATA}/${name}`
      if (content === null) FS.mkdir(place, 0o700)
      else FS.writeFile(place, new Uint8Array(content), { canOwn: true })
    }
  }
}

async function writeAll(folder) {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  for (const { name, content } of prepared()) {
    const place = join(folder, name)
    if (content === null) await mkdir(place, { mode: 0o700 })
    else await writeFile(place, content, { mode: 0o600 })
  }
}

let files

/** As `prepare-pglite.ts` has packed them, folders before what is in them; `null` for a folder. */
function prepared() {
  files ??= unpacked(readFileSync(path))
  return files
}

function unpacked(bytes) {
  let end = 4 + bytes.readUInt32LE(0)
  const table = JSON.parse(bytes.subarray(4, end))
  return table.map(({ name, size }) => {
    if (size === null) return { name, content: null }
    const content = bytes.subarray(end, end + size)
    end += size
    return { name, content }
  })
}

async function isDatabase(dataDir) {
  return access(join(dataDir, 'PG_VERSION')).then(
    () => true,
    () => false,
  )
}

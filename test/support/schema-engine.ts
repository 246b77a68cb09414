import { readdir, readFile } from 'node:fs/promises'
import { PrismaPg } from '@prisma/adapter-pg'
import { bindMigrationAwareSqlAdapterFactory } from '@prisma/driver-adapter-utils'
// The package exports only an entry that Node cannot load: it imports the .wasm file as a module.
import * as bindings from '../../node_modules/@prisma/schema-engine-wasm/schema_engine_bg.js'

const PRISMA = new URL('../../prisma/', import.meta.url)

let loaded: Promise<void> | undefined

/** Prisma's own migration engine, as WebAssembly: what `prisma migrate` itself asks. */
export async function openSchemaEngine(url: string): Promise<SchemaEngine> {
  loaded ??= load()
  await loaded
  const adapter = scriptsWhole(
    new PrismaPg({ connectionString: url, options: '-c search_path=carillon' }),
  )
  const schema = await readFile(new URL('schema.prisma', PRISMA), 'utf8')
  const engine = await bindings.SchemaEngine.new(
    { datamodels: [['schema.prisma', schema]] },
    () => {},
    bindMigrationAwareSqlAdapterFactory(adapter),
  )
  const migrationsList = await readMigrations()
  const filters = { externalTables: [], externalEnums: [] }
  return {
    async apply() {
      const { appliedMigrationNames } = await engine.applyMigrations({ migrationsList, filters })
      return appliedMigrationNames
    },
    diagnose: () =>
      engine.diagnoseMigrationHistory({ migrationsList, filters, optInToShadowDatabase: false }),
    async script() {
      const { stdout } = await engine.diff({
        from: { tag: 'empty' },
        to: { tag: 'schemaDatamodel', files: [{ path: 'schema.prisma', content: schema }] },
        script: true,
        exitCode: null,
        filters,
      })
      return stdout ?? ''
    },
    [Symbol.dispose]: () => engine.free(),
  }
}

export interface SchemaEngine extends Disposable {
  /** Applies the migrations as `prisma migrate deploy` does, and names those that it applied. */
  apply(): Promise<readonly string[]>
  /** What `prisma migrate status` says of the database. */
  diagnose(): Promise<{
    readonly editedMigrationNames: readonly string[]
    readonly failedMigrationNames: readonly string[]
    readonly history: unknown
  }>
  /** The SQL that makes what schema.prisma says in an empty database. */
  script(): Promise<string>
}

/** The adapter cuts scripts at each semicolon, also within functions; Prisma's binary does not. */
function scriptsWhole(factory: PrismaPg): PrismaPg {
  const connect = factory.connect.bind(factory)
  factory.connect = async () => {
    const connection = await connect()
    connection.executeScript = async (script) => {
      await connection.underlyingDriver().query(script)
    }
    return connection
  }
  return factory
}

async function load(): Promise<void> {
  const file = new URL(
    '../../node_modules/@prisma/schema-engine-wasm/schema_engine_bg.wasm',
    import.meta.url,
  )
  const module = new WebAssembly.Module(await readFile(file))
  const { exports } = new WebAssembly.Instance(module, { './schema_engine_bg.js': bindings })
  bindings.__wbg_set_wasm(exports)
  const start = exports.__wbindgen_start
  if (typeof start === 'function') start()
}

async function readMigrations() {
  const folder = new URL('migrations/', PRISMA)
  const entries = await readdir(folder, { withFileTypes: true })
  const names = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name)
  return {
    baseDir: folder.pathname,
    lockfile: {
      path: 'migration_lock.toml',
      content: await readFile(new URL('migration_lock.toml', folder), 'utf8'),
    },
    shadowDbInitScript: '',
    migrationDirectories: await Promise.all(
      names.sort().map(async (name) => ({
        path: name,
        migrationFile: {
          path: 'migration.sql',
          content: {
            tag: 'ok' as const,
            value: await readFile(new URL(`${name}/migration.sql`, folder), 'utf8'),
          },
        },
      })),
    ),
  }
}

#!/usr/bin/env node
import { readFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import type { Carillon } from './carillon.ts'
import { type Config, ConfigError, readConfig } from './config.ts'
import { DatabaseStartError } from './database/database.ts'
import type { Address } from './transport/server.ts'

const HELP = `carillon – a GraphQL server for realtime messages

Usage
  carillon serve      start a server (also what "carillon" alone does)
  carillon migrate    bring the database at DATABASE_URL to this version's tables
  carillon --help     this text
  carillon --version  the version

Environment
  PORT, HOST          where it listens (4000, 127.0.0.1); PORT=0 takes a free port
  DATABASE_URL        a PostgreSQL server, 14 or newer; unset: an embedded one
  REDIS_URL           a Redis, for several instances on one database: redis://host:6379,
                      redis-sentinel://host,host/master or redis-cluster://host,host;
                      unset: one instance
  CARILLON_DATA_DIR   where the embedded database lives (./.carillon); memory: for nowhere
  CARILLON_AUTH       open: everyone may do everything, also from other machines
  CARILLON_RETENTION  how long messages are kept, as JSON such as
                      [{"topics":"chat:*","maxAge":86400}]; unset: for ever
  CARILLON_PRESENCE_GRACE_MS, CARILLON_PRESENCE_LEASE_MS
                      how long clients count as present whose connection, or instance, is gone
  CARILLON_LOG_LEVEL  debug, info, warn (default), error or silent
`

/** What a user did wrong or has to mend: told in one line, without a stack trace. */
class UsageError extends Error {}

async function main(args: readonly string[]): Promise<void> {
  const { command, help, version } = readArguments(args)
  if (help) return print(HELP)
  if (version) return print(`${await readVersion()}\n`)
  switch (command) {
    case 'serve':
      return serve(readConfig(process.env))
    case 'migrate':
      return migrate(readConfig(process.env))
    default:
      throw new UsageError(`There is no command "${command}"; see carillon --help.`)
  }
}

function readArguments(args: readonly string[]) {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        help: { type: 'boolean', short: 'h', default: false },
        version: { type: 'boolean', short: 'v', default: false },
      },
    })
    const [command = 'serve', ...rest] = positionals
    if (rest.length > 0) throw new UsageError(`${rest.join(' ')} is too much; see carillon --help.`)
    return { command, ...values }
  } catch (error) {
    if (error instanceof TypeError) throw new UsageError(`${error.message} See carillon --help.`)
    throw error
  }
}

async function serve(config: Config): Promise<void> {
  // Loaded when it is needed: --help and mistakes answer at once.
  const { createCarillon } = await import('./server.ts')
  const carillon = await createCarillon(config)
  closeOnSignals(carillon)
  try {
    print(banner(carillon, await carillon.listen(config)))
  } catch (error) {
    await carillon.close()
    throw listenError(error, config)
  }
}

async function migrate({ databaseUrl }: Config): Promise<void> {
  if (databaseUrl === undefined) {
    throw new UsageError(
      'Set DATABASE_URL to the database to migrate; the embedded one is migrated when it starts.',
    )
  }
  const { migratePostgresql } = await import('./database/postgresql.ts')
  const { applied } = await migratePostgresql(databaseUrl)
  if (applied.length === 0) return print('The database is up to date.\n')
  print(applied.map((name) => `Applied ${name}\n`).join(''))
}

/** A signal this long after the first one is of an impatient operator, in milliseconds. */
const IMPATIENT_AFTER_MS = 1_000

/**
 * Closes at the first signal. The same Ctrl+C may come twice, from the terminal and from npm; one that
 * comes later ends the process at once.
 */
function closeOnSignals(carillon: Carillon): void {
  let closingSince: number | undefined
  const onSignal = () => {
    const now = performance.now()
    if (closingSince !== undefined) {
      if (now - closingSince > IMPATIENT_AFTER_MS) process.exit(130)
      return
    }
    closingSince = now
    print('\nClosing …\n')
    carillon.close().then(() => process.exit(0), fail)
  }
  process.on('SIGINT', onSignal)
  process.on('SIGTERM', onSignal)
}

function banner({ database, bus }: Carillon, { url }: Address): string {
  const kind = database.kind === 'embedded' ? 'embedded PostgreSQL' : 'PostgreSQL'
  return `
  Carillon is ready.

  GraphiQL   ${url}
  Database   ${kind}, ${database.location}
  Bus        ${bus.kind === 'redis' ? 'Redis' : 'in process'}
  Access     OPEN: everyone who can reach this address may publish and read

  Press Ctrl+C to stop.

`
}

function listenError(error: unknown, { host, port }: Config): unknown {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  switch (code) {
    case 'EADDRINUSE':
      return new UsageError(`Port ${port} on ${host} is in use; set PORT to another one.`)
    case 'EACCES':
      return new UsageError(`Port ${port} may not be used by this user; set PORT to another one.`)
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return new UsageError(`${host} is no address of this machine; set HOST to one that is.`)
    default:
      return error
  }
}

async function readVersion(): Promise<string> {
  const text = await readFile(new URL('../package.json', import.meta.url), 'utf8')
  return String((JSON.parse(text) as { version: unknown }).version)
}

function print(text: string): void {
  process.stdout.write(text)
}

function fail(error: unknown): never {
  const expected = [UsageError, ConfigError, DatabaseStartError].some(
    (kind) => error instanceof kind,
  )
  const text = expected ? (error as Error).message : error instanceof Error ? error.stack : error
  process.stderr.write(`carillon: ${text}\n`)
  process.exit(1)
}

main(process.argv.slice(2)).catch(fail)

#!/usr/bin/env node
import { readFile } from 'node:fs/promises'
import type { Carillon } from './carillon.ts'
import { parseArguments, refuseMore } from './cli/arguments.ts'
import { Failure, Interrupted, type StopSignal } from './cli/failure.ts'
import { HELP } from './cli/help.ts'
import { endWhenUnread, flushed } from './cli/output.ts'
import { print } from './cli/print.ts'
import { UsageError } from './cli/usage-error.ts'
import { visibleLines } from './cli/visible-text.ts'
import { type Config, ConfigError, readConfig } from './config.ts'
import { DatabaseStartError } from './database/database.ts'
import { CarillonError } from './protocol/errors.ts'
import type { Address } from './transport/server.ts'

/** Each is loaded when it is needed: a command line has to answer at once. */
const CLIENT_COMMANDS: Readonly<
  Record<string, () => Promise<(args: readonly string[]) => Promise<void>>>
> = {
  publish: async () => (await import('./cli/publish.ts')).publish,
  tail: async () => (await import('./cli/tail.ts')).tail,
  history: async () => (await import('./cli/history.ts')).history,
  presence: async () => (await import('./cli/presence.ts')).presence,
  token: async () => (await import('./cli/token.ts')).token,
  schema: async () => (await import('./cli/schema.ts')).schema,
}

async function main(args: readonly string[]): Promise<void> {
  const [first = '', ...rest] = args
  if (Object.hasOwn(CLIENT_COMMANDS, first)) {
    endWhenUnread()
    const command = await CLIENT_COMMANDS[first]?.()
    return command?.(rest)
  }
  switch (first) {
    case 'keys':
      return (await import('./cli/keys.ts')).keys(rest)
    case 'revoke':
      return (await import('./cli/revoke.ts')).revoke(rest)
    default:
      return runServer(args)
  }
}

async function runServer(args: readonly string[]): Promise<void> {
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
  const { values, positionals } = parseArguments(args, {
    help: { type: 'boolean', short: 'h', default: false },
    version: { type: 'boolean', short: 'v', default: false },
  })
  const [command = 'serve', ...rest] = positionals
  refuseMore(rest)
  return { command, ...values }
}

async function serve(config: Config): Promise<void> {
  // Loaded when it is needed: --help and mistakes answer at once.
  const { createCarillon } = await import('./server.ts')
  const carillon = await createCarillon(config)
  closeOnSignals(carillon)
  try {
    print(banner(carillon, config, await carillon.listen(config)))
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

function banner({ database, bus, auth }: Carillon, { graphiql }: Config, { url }: Address): string {
  const page = graphiql ? 'GraphiQL ' : 'GraphQL  '
  const kind = database.kind === 'embedded' ? 'embedded PostgreSQL' : 'PostgreSQL'
  return `
  Carillon is ready.

  ${page}  ${url}
  Database   ${kind}, ${database.location}
  Bus        ${bus.kind === 'redis' ? 'Redis' : 'in process'}
  Access     ${ACCESS[auth]}

  Press Ctrl+C to stop.

`
}

const ACCESS = {
  open: 'OPEN: everyone who can reach this address may publish and read',
  required: 'by tokens and API keys',
} as const satisfies Record<Carillon['auth'], string>

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

async function fail(error: unknown): Promise<void> {
  if (error instanceof Interrupted) return endBy(error.stopSignal)
  // Servers have written some of it.
  process.stderr.write(`carillon: ${visibleLines(String(textOf(error)))}\n`)
  await flushed()
  process.exit(error instanceof Failure ? error.exitCode : 1)
}

/**
 * Dies of the signal, so that a shell sees that it was one and stops its loop, too.
 * https://www.cons.org/cracauer/sigint.html
 */
async function endBy(signal: StopSignal): Promise<void> {
  await flushed()
  process.kill(process.pid, signal)
}

function textOf(error: unknown): unknown {
  if (!(error instanceof Error)) return error
  return isExpected(error) ? error.message : error.stack
}

/** What the user can mend, or wait for. */
function isExpected(error: Error): boolean {
  if (error instanceof CarillonError) return error.code !== 'INTERNAL'
  // The class of what is wrong with a list of operations is loaded with the server only.
  if (error.name === 'PersistedOperationsError') return true
  return [Failure, UsageError, ConfigError, DatabaseStartError].some(
    (kind) => error instanceof kind,
  )
}

main(process.argv.slice(2)).catch(fail)

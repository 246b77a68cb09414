import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { freePort } from './free-port.ts'

/** A PostgreSQL server that belongs to one test. */
export interface PrivatePostgresql extends AsyncDisposable {
  readonly url: string
  start(): Promise<void>
  /** As in kill -9 of the whole server. */
  kill(): Promise<void>
  /** Stops answering, with all connections open, until `thaw`. */
  freeze(): void
  thaw(): void
}

/**
 * @param binaries the folder of `initdb` and `postgres`
 * @param parent the folder that its own is made in
 */
export async function startPostgresqlServer(
  binaries: string,
  parent: string = tmpdir(),
): Promise<PrivatePostgresql> {
  const account = serverAccount()
  const data = makeFolder(account, parent)
  const prepared = process.env.PREPARED_POSTGRESQL
  if (prepared === undefined) initialize(binaries, data, account)
  else run('cp', ['-a', `${prepared}/.`, data], account)
  const port = await freePort()
  const url = `postgresql://postgres@127.0.0.1:${port}/postgres`
  let server: ChildProcess | undefined

  async function start(): Promise<void> {
    server = spawn(
      join(binaries, 'postgres'),
      ['-D', data, '-p', String(port), '-h', '127.0.0.1', '-k', data, ...WITHIN_FOLDER],
      { ...account, stdio: 'ignore', detached: true, cwd: data },
    )
    await untilAnswers(url)
  }

  /** To the postmaster and all its backends: each backend is a process group member. */
  function signal(name: NodeJS.Signals): void {
    if (server?.pid === undefined || server.exitCode !== null || server.signalCode !== null) return
    for (const pid of [server.pid, ...childrenOf(server.pid)]) sendSignal(pid, name)
  }

  async function kill(): Promise<void> {
    if (server === undefined || server.exitCode !== null || server.signalCode !== null) return
    const exited = once(server, 'exit')
    signal('SIGKILL')
    await exited
  }

  await start()
  return {
    url,
    start,
    kill,
    freeze: () => signal('SIGSTOP'),
    thaw: () => signal('SIGCONT'),
    async [Symbol.asyncDispose]() {
      signal('SIGCONT')
      await kill()
      rmSync(data, { recursive: true, force: true })
    },
  }
}

/** Nothing is left behind where it is killed. */
const WITHIN_FOLDER = ['-c', 'dynamic_shared_memory_type=mmap']

/** Runs initdb once for all servers of all processes of this run; answers what removes its files. */
export function preparePostgresql(binaries: string): () => Promise<void> {
  const account = serverAccount()
  const data = makeFolder(account, tmpdir())
  initialize(binaries, data, account)
  process.env.PREPARED_POSTGRESQL = data // all processes of this run inherit it
  return async () => rmSync(data, { recursive: true, force: true })
}

function makeFolder({ uid, gid }: Account, parent: string): string {
  const folder = mkdtempSync(join(parent, 'carillon-postgresql-'))
  chownSync(folder, uid, gid)
  return folder
}

function initialize(binaries: string, data: string, account: Account): void {
  run(join(binaries, 'initdb'), ['-D', data, '-U', 'postgres', '-A', 'trust', '--no-sync'], account)
}

interface Account {
  readonly uid: number
  readonly gid: number
}

/** PostgreSQL refuses to run as root: there it runs as the account of the package. */
function serverAccount(): Account {
  const uid = process.getuid?.() ?? 0
  if (uid !== 0) return { uid, gid: process.getgid?.() ?? 0 }
  const [user, group] = ['-u', '-g'].map((flag) =>
    Number(spawnSync('id', [flag, 'postgres'], { encoding: 'utf8' }).stdout),
  )
  return { uid: user ?? 0, gid: group ?? 0 }
}

function run(command: string, args: readonly string[], account: Account): void {
  const { status, stderr } = spawnSync(command, args, { ...account, encoding: 'utf8', cwd: '/tmp' })
  if (status !== 0) throw new Error(`${command} failed: ${stderr}`)
}

function childrenOf(pid: number): readonly number[] {
  const { stdout } = spawnSync('ps', ['-o', 'pid=', '--ppid', String(pid)], { encoding: 'utf8' })
  return stdout.split(/\s+/).filter(Boolean).map(Number)
}

/** A backend may end between being listed and being told. */
function sendSignal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

async function untilAnswers(url: string): Promise<void> {
  const deadline = Date.now() + 20_000
  for (;;) {
    try {
      await ask(url)
      return
    } catch (error) {
      if (Date.now() > deadline) throw error
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
}

async function ask(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  try {
    await client.connect()
    await client.query('SELECT 1')
  } finally {
    await client.end()
  }
}

import { type ChildProcess, type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { PREPARED_NODE, SHORT_LIVED_NODE } from './prepared-node.ts'

const CLI = fileURLToPath(new URL('../../dist/cli.js', import.meta.url))

/** The command line in a process of its own, from the build in dist/. */
export interface CliProcess extends AsyncDisposable {
  readonly child: ChildProcess
  /** What it has printed so far, on both streams. */
  output(): string
  /** The GraphQL address, once the banner has named it; rejects where the process ends before. */
  ready(): Promise<string>
  /** The exit code, once it has ended; null where a signal ended it. */
  exited(): Promise<number | null>
}

/**
 * Starts `carillon` with these arguments and nothing of this process's configuration. A new embedded
 * database starts from the prepared files; that of `spawnNpmStart` makes its own.
 */
export function spawnCli(
  args: readonly string[],
  environment: Record<string, string> = {},
): CliProcess {
  const node = 'CARILLON_DATA_DIR' in environment ? PREPARED_NODE : []
  return watch(
    spawn(process.execPath, [...SHORT_LIVED_NODE, ...node, CLI, ...args], {
      env: { PREPARED_PGLITE: process.env.PREPARED_PGLITE, ...environmentOf(environment) },
      stdio: ['ignore', 'pipe', 'pipe'],
    }),
  )
}

/** Runs `npm start`, of which the server is a child, in a process group of its own. */
export function spawnNpmStart(environment: Record<string, string> = {}): CliProcess {
  return watch(
    spawn('npm', ['start'], {
      detached: true,
      env: environmentOf(environment),
      stdio: ['ignore', 'pipe', 'pipe'],
      cwd: fileURLToPath(new URL('../..', import.meta.url)),
    }),
  )
}

function environmentOf(environment: Record<string, string>): Record<string, string> {
  return { PATH: process.env.PATH ?? '', HOME: process.env.HOME ?? '', PORT: '0', ...environment }
}

function watch(child: ChildProcessByStdio<null, Readable, Readable>): CliProcess {
  let output = ''
  const listeners = new Set<() => void>()
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      output += String(chunk)
      for (const listener of listeners) listener()
    })
  }
  const exit = once(child, 'close').then(() => child.exitCode)

  function ready(): Promise<string> {
    return new Promise((resolve, reject) => {
      const look = () => {
        const url = /Graphi?QL\s+(http\S+)/.exec(output)?.[1]
        if (url === undefined) return
        listeners.delete(look)
        resolve(url)
      }
      listeners.add(look)
      exit.then(() => reject(new Error(`The server ended: ${output}`)), reject)
      look()
    })
  }

  return {
    child,
    output: () => output,
    ready,
    exited: () => exit,
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await exit
    },
  }
}

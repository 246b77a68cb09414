import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

const CLI = fileURLToPath(new URL('../../dist/cli.js', import.meta.url))

export interface CommandOptions {
  readonly url?: string
  readonly environment?: Record<string, string>
  /** Its standard input. Default: an empty one. */
  readonly input?: string
}

/** How a command ended, and what it printed on each stream. */
export interface Ended {
  /** Null where a signal ended it. */
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly out: string
  readonly err: string
}

/** A command of the terminal that is the client of a server, from the build in dist/. Killed when disposed of. */
export interface RunningCommand extends AsyncDisposable {
  kill(signal: NodeJS.Signals): void
  /** Resolves once a stream has printed what is looked for; rejects where the command ends without. */
  printed(stream: 'out' | 'err', what: string | RegExp): Promise<void>
  /** Reads nothing of its standard output until it is resumed. */
  pause(): void
  resume(): void
  ended(): Promise<Ended>
}

export function startCommand(
  args: readonly string[],
  { url, environment = {}, input = '' }: CommandOptions = {},
): RunningCommand {
  const child = spawn(process.execPath, [CLI, ...args], {
    env: {
      PATH: process.env.PATH ?? '',
      ...(url === undefined ? {} : { CARILLON_URL: url }),
      ...environment,
    },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  child.stdin.on('error', () => {}) // it may end before it has read everything
  child.stdin.end(input)
  const texts = { out: '', err: '' }
  child.stdout.setEncoding('utf8').on('data', (text) => {
    texts.out += text
  })
  child.stderr.setEncoding('utf8').on('data', (text) => {
    texts.err += text
  })
  const end = once(child, 'close').then(
    (): Ended => ({ code: child.exitCode, signal: child.signalCode, ...texts }),
  )
  return {
    kill: (signal) => void child.kill(signal),
    async printed(stream, what) {
      const isThere = () =>
        typeof what === 'string' ? texts[stream].includes(what) : what.test(texts[stream])
      const source = stream === 'out' ? child.stdout : child.stderr
      const over = end.then((ended) => {
        if (!isThere()) throw new Error(`It ended before: ${JSON.stringify(ended)}`)
      })
      while (!isThere()) await Promise.race([once(source, 'data'), over])
    },
    pause: () => void child.stdout.pause(),
    resume: () => void child.stdout.resume(),
    ended: () => end,
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await end
    },
  }
}

/** Runs a command to its end. */
export async function runCommand(
  args: readonly string[],
  options: CommandOptions = {},
): Promise<Ended> {
  await using command = startCommand(args, options)
  return await command.ended()
}

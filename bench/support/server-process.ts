import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const CLI = fileURLToPath(new URL('../../dist/cli.js', import.meta.url))
const STOP_TIMEOUT_MS = 20_000

export interface ServerSettings {
  /** The server's configuration, e.g. DATABASE_URL. */
  readonly environment: Readonly<Record<string, string>>
  /** Arguments for Node itself. */
  readonly nodeArguments?: readonly string[]
}

/** A server in a process of its own, ended afterwards. */
export interface ServerProcess extends AsyncDisposable {
  readonly pid: number
  /** E.g. http://127.0.0.1:4000 */
  readonly origin: string
  /** From the start of the process to the first 200 of /health/ready, in milliseconds. */
  readonly readyMs: number
  /** Stops it as an operator would and waits until it is gone. Idempotent. */
  stop(): Promise<void>
}

export async function startServer(settings: ServerSettings): Promise<ServerProcess> {
  const { environment, nodeArguments = [] } = settings
  const start = performance.now()
  const child = spawn(process.execPath, [...nodeArguments, CLI, 'serve'], {
    env: { PATH: process.env.PATH ?? '', PORT: '0', ...environment },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  try {
    const origin = await readOrigin(child)
    await untilReady(origin)
    const readyMs = performance.now() - start
    const stop = () => stopProcess(child)
    return { pid: child.pid ?? 0, origin, readyMs, stop, [Symbol.asyncDispose]: stop }
  } catch (error) {
    child.kill('SIGKILL')
    throw error
  }
}

/** The address that the banner names. */
function readOrigin(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let output = ''
    child.stdout?.on('data', (chunk: Buffer) => {
      output += String(chunk)
      const origin = /http:\/\/[^\s/]+(?=\/)/.exec(output)?.[0]
      if (origin !== undefined) resolve(origin)
    })
    child.once('exit', (code) => reject(new Error(`The server ended with ${code}: ${output}`)))
  })
}

async function untilReady(origin: string): Promise<void> {
  while (!(await fetch(`${origin}/health/ready`)).ok) await sleep(5)
}

async function stopProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  const impatient = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS)
  child.kill('SIGTERM')
  await exited
  clearTimeout(impatient)
}

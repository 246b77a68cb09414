import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'

export interface InstanceOptions {
  /** The folder of the build. */
  readonly build: string
  readonly port: number
  readonly databaseUrl: string
  readonly redisUrl: string
}

/** How long a server may take to start, or to end when asked to, in milliseconds. */
const PATIENCE_MS = 20_000

/** One server in a process of its own, always on the same port. */
export class Instance implements AsyncDisposable {
  readonly #options: InstanceOptions
  #child: ChildProcess | undefined
  #output = ''

  constructor(options: InstanceOptions) {
    this.#options = options
  }

  get port(): number {
    return this.#options.port
  }

  get pid(): number {
    return this.#child?.pid ?? 0
  }

  /** What it has printed, for when it fails. */
  get output(): string {
    return this.#output
  }

  /** Resolves once it answers. */
  async start(): Promise<void> {
    const { build, port, databaseUrl, redisUrl } = this.#options
    const child = spawn(process.execPath, [`${build}/cli.js`, 'serve'], {
      env: {
        PATH: process.env.PATH ?? '',
        PORT: String(port),
        DATABASE_URL: databaseUrl,
        REDIS_URL: redisUrl,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.#child = child
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        this.#output = `${this.#output}${chunk}`.slice(-20_000)
      })
    }
    await this.#untilLive(child)
  }

  signal(name: NodeJS.Signals): void {
    this.#child?.kill(name)
  }

  /** Ends it by a signal, and by force where that takes too long. */
  async end(name: NodeJS.Signals): Promise<void> {
    const child = this.#child
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const exited = once(child, 'exit')
    child.kill(name)
    const impatient = setTimeout(() => child.kill('SIGKILL'), PATIENCE_MS)
    await exited
    clearTimeout(impatient)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.signal('SIGCONT')
    await this.end('SIGKILL')
  }

  async #untilLive(child: ChildProcess): Promise<void> {
    const deadline = performance.now() + PATIENCE_MS
    while (performance.now() < deadline) {
      if (child.exitCode !== null) throw new Error(`A server ended at its start: ${this.#output}`)
      const isLive = await fetch(`http://127.0.0.1:${this.port}/health/live`).then(
        ({ ok }) => ok,
        () => false,
      )
      if (isLive) return
      await delay(50)
    }
    throw new Error(`A server did not start: ${this.#output}`)
  }
}

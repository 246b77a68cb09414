import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { freePort } from './free-port.ts'

export interface PrivateRedisOptions {
  /** Default: one that is free. */
  readonly port?: number
  /** Lines of `redis.conf` besides. */
  readonly config?: readonly string[]
  readonly password?: string
  /** Default: no. */
  readonly isSentinel?: boolean
}

/** A Redis server that belongs to one test. */
export interface PrivateRedis extends AsyncDisposable {
  readonly port: number
  readonly url: string
  start(): Promise<void>
  /** As in kill -9. */
  kill(): Promise<void>
  /** Cuts the connections of all subscribers. */
  killSubscribers(): Promise<void>
  /** Whether a connection has subscribed to something. */
  hasSubscribers(): Promise<boolean>
  /** Sends one command. */
  call(command: string, ...parameters: readonly (string | number)[]): Promise<unknown>
}

/** @param binary the path of `redis-server` */
export async function startRedisServer(
  binary: string,
  options: PrivateRedisOptions = {},
): Promise<PrivateRedis> {
  const { port = await freePort(), password, isSentinel = false } = options
  const data = mkdtempSync(join(tmpdir(), 'carillon-redis-'))
  const file = join(data, 'redis.conf')
  writeFileSync(file, configuration(data, { ...options, port }).join('\n'))
  const url = `redis://${password === undefined ? '' : `:${encodeURIComponent(password)}@`}127.0.0.1:${port}`
  let server: ChildProcess | undefined

  async function call(command: string, ...parameters: readonly (string | number)[]) {
    return withClient(url, (client) => client.call(command, ...parameters))
  }

  async function start(): Promise<void> {
    server = spawn(binary, [file, ...(isSentinel ? ['--sentinel'] : [])], { stdio: 'ignore' })
    await call('PING')
  }

  async function kill(): Promise<void> {
    if (server === undefined || server.exitCode !== null || server.signalCode !== null) return
    const exited = once(server, 'exit')
    server.kill('SIGKILL')
    await exited
  }

  await start()
  return {
    port,
    url,
    start,
    kill,
    call,
    async killSubscribers() {
      await call('CLIENT', 'KILL', 'TYPE', 'pubsub')
    },
    async hasSubscribers() {
      return String(await call('CLIENT', 'LIST', 'TYPE', 'pubsub')).trim() !== ''
    },
    async [Symbol.asyncDispose]() {
      await kill()
      rmSync(data, { recursive: true, force: true })
    },
  }
}

function configuration(
  data: string,
  { port, config = [], password, isSentinel = false }: PrivateRedisOptions,
): readonly string[] {
  return [
    `port ${port}`,
    'bind 127.0.0.1',
    `dir "${data}"`,
    ...(isSentinel ? [] : ['save ""']),
    ...(password === undefined ? [] : [`requirepass "${password}"`]),
    ...config,
    '',
  ]
}

/** Waits until the server answers, at most as long as a test does. */
async function withClient<T>(url: string, work: (client: Redis) => Promise<T>): Promise<T> {
  const client = new Redis(url, { maxRetriesPerRequest: null, retryStrategy: () => 20 })
  client.on('error', () => undefined) // it is not there yet
  try {
    return await work(client)
  } finally {
    client.disconnect()
  }
}

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { describe, inject } from 'vitest'
import { freePort } from './free-port.ts'

/** A suite that starts, kills and questions Redis servers of its own. */
export const describeWithRedis = describe.skipIf(inject('redisServer') === null)

/** A Redis server that belongs to one test. */
export interface PrivateRedis extends AsyncDisposable {
  readonly url: string
  start(): Promise<void>
  /** As in kill -9. */
  kill(): Promise<void>
  /** Cuts the connections of all subscribers. */
  killSubscribers(): Promise<void>
}

export async function startPrivateRedis(): Promise<PrivateRedis> {
  const binary = inject('redisServer')
  if (binary === null) throw new Error('There is no redis-server on this machine.')
  const data = mkdtempSync(join(tmpdir(), 'carillon-redis-'))
  const port = await freePort()
  const url = `redis://127.0.0.1:${port}`
  let server: ChildProcess | undefined

  async function start(): Promise<void> {
    const options = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--dir', data]
    server = spawn(binary ?? '', options, { stdio: 'ignore' })
    await withClient(url, (client) => client.ping())
  }

  async function kill(): Promise<void> {
    if (server === undefined || server.exitCode !== null || server.signalCode !== null) return
    const exited = once(server, 'exit')
    server.kill('SIGKILL')
    await exited
  }

  await start()
  return {
    url,
    start,
    kill,
    async killSubscribers() {
      await withClient(url, (client) => client.call('CLIENT', 'KILL', 'TYPE', 'pubsub'))
    },
    async [Symbol.asyncDispose]() {
      await kill()
      rmSync(data, { recursive: true, force: true })
    },
  }
}

/** Waits until the server answers, at most as long as a test does. */
async function withClient(url: string, work: (client: Redis) => Promise<unknown>): Promise<void> {
  const client = new Redis(url, { maxRetriesPerRequest: null, retryStrategy: () => 20 })
  client.on('error', () => undefined) // it is not there yet
  try {
    await work(client)
  } finally {
    client.disconnect()
  }
}

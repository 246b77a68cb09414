import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { listening } from './peers/listening.ts'

export interface RedisProcess extends AsyncDisposable {
  readonly url: string
}

/** A Redis of the bench's own that keeps nothing; undefined where there is no redis-server. */
export async function startRedis(): Promise<RedisProcess | undefined> {
  const data = mkdtempSync(join(tmpdir(), 'carillon-bench-redis-'))
  const port = await freePort()
  const options = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--dir', data]
  const child = spawn('redis-server', options, { stdio: 'ignore' })
  const dispose = async () => {
    await end(child)
    rmSync(data, { recursive: true, force: true })
  }
  const isMissing = new Promise<boolean>((resolve) => {
    child.once('error', () => resolve(true))
    child.once('spawn', () => resolve(false))
  })
  if (await isMissing) {
    rmSync(data, { recursive: true, force: true })
    return undefined
  }
  const url = `redis://127.0.0.1:${port}`
  await untilUp(url)
  return { url, [Symbol.asyncDispose]: dispose }
}

async function freePort(): Promise<number> {
  const server = createServer()
  const port = await listening(server)
  server.close()
  await once(server, 'close')
  return port
}

async function untilUp(url: string): Promise<void> {
  const client = new Redis(url, { retryStrategy: () => 20, maxRetriesPerRequest: 200 })
  client.on('error', () => undefined) // it is not there yet
  try {
    await client.ping()
  } finally {
    client.disconnect()
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.kill('SIGKILL')
  await exited
}

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { expect, test } from 'vitest'
import { startServer } from '../support/carillon.ts'
import { ROOT } from '../support/markdown.ts'

const SOON = { timeout: 20_000, interval: 20 }

interface Worker extends AsyncDisposable {
  readonly child: ChildProcess
  readonly exited: Promise<unknown[]>
  /** Sequences that it has handled. */
  readonly handled: readonly number[]
  readonly lines: readonly string[]
}

function startWorker(url: string): Worker {
  const child = spawn('node', ['examples/worker/worker.mjs', 'orders', 'billing'], {
    cwd: ROOT,
    env: { ...process.env, CARILLON_URL: url },
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const exited = once(child, 'exit')
  const lines: string[] = []
  const handled: number[] = []
  createInterface(child.stdout).on('line', (line) => {
    lines.push(line)
    handled.push(Number.parseInt(line, 10))
  })
  return {
    child,
    exited,
    handled,
    lines,
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await exited
    },
  }
}

test('the worker handles everything, in order, and goes on where it was killed', async () => {
  await using server = await startServer()
  async function publish(from: number, to: number) {
    const ids = Array.from({ length: to - from + 1 }, (_, n) => from + n)
    const inputs = ids.map((id) => ({ topic: 'orders', payload: { id } }))
    await server.carillon.publishMany(inputs)
  }
  await publish(1, 40)
  const first = startWorker(server.url)
  await expect.poll(() => first.handled.length, SOON).toBeGreaterThan(20)
  await first[Symbol.asyncDispose]()
  const last = first.handled.at(-1) ?? 0
  expect(first.handled).toEqual(Array.from({ length: last }, (_, n) => n + 1))
  expect(first.lines[0]).toBe('1 {"id":1}')

  await publish(41, 60)
  await using second = startWorker(server.url)
  await expect.poll(() => second.handled.at(-1), SOON).toBe(60)
  const begun = second.handled[0] ?? 0
  // What was handled and printed, but not acknowledged yet, comes again.
  expect([last, last + 1]).toContain(begun)
  expect(second.handled).toEqual(Array.from({ length: 61 - begun }, (_, n) => begun + n))
  second.child.kill('SIGINT')
  expect(await second.exited).toEqual([0, null])
}, 60_000)

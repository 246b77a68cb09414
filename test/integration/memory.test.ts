import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openAcknowledged, type RawSocket } from '../support/websocket.ts'

const CYCLES = 10_000
/** Cycles before the first measurement: caches fill, and code is compiled. */
const WARM_UP = 2_000
/** How many cycles go on at once. */
const AT_ONCE = 100

/** What a cycle may leave, in bytes: less than one small object. */
const MAX_LEFT = 60

const SUBSCRIPTION =
  'subscription { messages(topics: ["memory:1", "memory:*"]) { sequence payload } }'

let server: ChildProcess
let socketUrl: string

beforeAll(async () => {
  server = fork(new URL('../support/measured-server.mjs', import.meta.url), {
    execArgv: ['--expose-gc'],
  })
  const [ready] = (await once(server, 'message')) as [{ url: string }]
  socketUrl = ready.url.replace('http', 'ws')
})

afterAll(async () => {
  const exited = once(server, 'exit')
  server.disconnect()
  await exited
})

/** What the server needs, after it has done so many cycles of its own. */
async function heapUsed(kind: 'measure' | 'subscribe' = 'measure', count = 0): Promise<number> {
  const answered = once(server, 'message') as Promise<[{ heapUsed: number }]>
  server.send({ kind, count })
  const [answer] = await answered
  return answer.heapUsed
}

/** Resolves once the server has done everything that was sent before. */
async function settled(raw: RawSocket): Promise<void> {
  raw.send({ type: 'ping' })
  while ((await raw.receive()).type !== 'pong');
}

async function subscribeAndComplete(count: number): Promise<void> {
  await using raw = await openAcknowledged(socketUrl)
  for (let start = 0; start < count; start += AT_ONCE) {
    const ids = Array.from({ length: AT_ONCE }, (_, n) => `operation ${start + n}`)
    for (const id of ids) raw.send({ id, type: 'subscribe', payload: { query: SUBSCRIPTION } })
    await settled(raw)
    for (const id of ids) raw.send({ id, type: 'complete' })
    await settled(raw)
  }
}

async function connectAndLeave(count: number): Promise<void> {
  for (let start = 0; start < count; start += AT_ONCE) {
    const connecting = Array.from({ length: AT_ONCE }, async () => {
      const raw = await openAcknowledged(socketUrl, { clientId: 'memory' })
      raw.send({ id: '1', type: 'subscribe', payload: { query: SUBSCRIPTION } })
      await settled(raw)
      await raw[Symbol.asyncDispose]()
    })
    await Promise.all(connecting)
  }
}

/** Measures before and after, each time when nothing goes on any more. */
async function expectNothingLeft(cycle: (count: number) => Promise<unknown>): Promise<void> {
  await cycle(WARM_UP)
  const before = await heapUsed()
  await cycle(CYCLES)
  expect(((await heapUsed()) - before) / CYCLES).toBeLessThan(MAX_LEFT)
}

describe('10,000 times', () => {
  test('subscribing and completing leaves nothing', async () => {
    await expectNothingLeft(subscribeAndComplete)
  }, 60_000)

  test('connecting, subscribing and going away leaves nothing', async () => {
    await expectNothingLeft(connectAndLeave)
  }, 90_000)

  test('subscribing and leaving in the library leaves nothing', async () => {
    await expectNothingLeft((count) => heapUsed('subscribe', count))
  }, 60_000)
})

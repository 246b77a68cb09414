import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { PREPARED_NODE } from '../support/prepared-node.ts'
import { openAcknowledged, type RawSocket } from '../support/websocket.ts'

const CYCLES = 10_000
/** Cycles before the first measurement: caches fill, and code is compiled. */
const WARM_UP = 4_000
/** How many cycles go on at once. */
const AT_ONCE = 100

/** What a cycle may leave, in bytes: half of one small object with a name. */
const MAX_LEFT = 100

const SUBSCRIPTION =
  'subscription { messages(topics: ["memory:1", "memory:*"]) { sequence payload } }'

let server: ChildProcess
let socketUrl: string

beforeAll(async () => {
  server = fork(new URL('../support/measured-server.mjs', import.meta.url), {
    execArgv: ['--expose-gc', ...PREPARED_NODE],
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

/**
 * On a socket that stays open. In every other batch a message is awaited, so that all are live; in the
 * others they leave while they may still be joining.
 */
async function subscribeAndComplete(raw: RawSocket, count: number): Promise<void> {
  for (let start = 0; start < count; start += AT_ONCE) {
    const ids = Array.from({ length: AT_ONCE }, () => `operation ${++operations}`)
    for (const id of ids) raw.send({ id, type: 'subscribe', payload: { query: SUBSCRIPTION } })
    if ((start / AT_ONCE) % 2 === 0) await allLive(raw, new Set(ids))
    for (const id of ids) raw.send({ id, type: 'complete' })
    await settled(raw)
  }
}

let operations = 0

/** Publishes until a message has come to every one of these. */
async function allLive(raw: RawSocket, ids: Set<string>): Promise<void> {
  while (ids.size > 0) {
    const query = 'mutation { publish(input: {topic: "memory:1", payload: 1}) { duplicate } }'
    raw.send({ id: 'publish', type: 'subscribe', payload: { query } })
    for (;;) {
      const { id = '', type } = await raw.receive()
      ids.delete(id)
      if (id === 'publish' && type === 'complete') break
    }
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

/** Measures before and after, each time when nothing goes on any more: an end may take its time. */
async function expectNothingLeft(
  cycle: (count: number) => Promise<unknown>,
  warmUp = WARM_UP,
): Promise<void> {
  await cycle(warmUp)
  const before = await heapUsed()
  await cycle(CYCLES)
  const left = async () => ((await heapUsed()) - before) / CYCLES
  await expect.poll(left, { timeout: 10_000, interval: 200 }).toBeLessThan(MAX_LEFT)
}

describe('10,000 times', () => {
  test('subscribing and completing leaves nothing', async () => {
    await using raw = await openAcknowledged(socketUrl)
    await expectNothingLeft((count) => subscribeAndComplete(raw, count))
  }, 90_000)

  test('connecting, subscribing and going away leaves nothing', async () => {
    await expectNothingLeft(connectAndLeave, WARM_UP / 2)
  }, 180_000)

  test('subscribing and leaving in the library leaves nothing', async () => {
    await expectNothingLeft((count) => heapUsed('subscribe', count))
  }, 90_000)
})

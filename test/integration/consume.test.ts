import { type Carillon, createCarillon } from 'carillon'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { gate, Handled } from '../support/handled.ts'
import { createDatabase, describeWithPostgresql, execute } from '../support/postgresql.ts'
import { rejection } from '../support/rejection.ts'

let carillon: Carillon

beforeAll(async () => {
  carillon = await createCarillon({ dataDir: 'memory:', logLevel: 'silent' })
})
afterAll(() => carillon.close())

async function publish(topic: string, count: number, first = 1): Promise<void> {
  const inputs = Array.from({ length: count }, (_, n) => ({ topic, payload: first + n }))
  for (let start = 0; start < count; start += 100) {
    await carillon.publishMany(inputs.slice(start, start + 100))
  }
}

/** What the backend's consumer has acknowledged. */
async function ackedIn(topic: string, consumer: string): Promise<number> {
  return (await carillon.ack({ topic, consumer, sequence: 0 })).acked
}

/** Node 20 has no Array.fromAsync. */
async function collect<T>(items: AsyncIterable<T>): Promise<readonly T[]> {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}

function upTo(count: number): readonly number[] {
  return Array.from({ length: count }, (_, n) => n + 1)
}

test('handles what is there and what comes, in order, and acknowledges it', async () => {
  await publish('order:1', 250)
  const handled = new Handled()
  const consumption = await carillon.consume({
    topics: ['order:1'],
    consumer: 'mailer',
    handler: (message) => handled.add(message),
  })
  await handled.atLeast(250)
  await publish('order:1', 50, 251)
  await handled.atLeast(300)
  await consumption.stop()
  expect(handled.sequencesOf('order:1')).toEqual(upTo(300))
  expect(await ackedIn('order:1', 'mailer')).toBe(300)
})

test('goes on behind what was acknowledged', async () => {
  await publish('order:2', 5)
  await carillon.ack({ topic: 'order:2', consumer: 'mailer', sequence: 3 })
  const handled = new Handled()
  await using _consumption = await carillon.consume({
    topics: ['order:2'],
    consumer: 'mailer',
    handler: (message) => handled.add(message),
  })
  await handled.atLeast(2)
  expect(handled.sequencesOf('order:2')).toEqual([4, 5])
})

test('takes in topics under a pattern, those that come later at once', async () => {
  await publish('room:1', 1)
  const handled = new Handled()
  await using _consumption = await carillon.consume({
    topics: ['room:*'],
    consumer: 'index',
    handler: (message) => handled.add(message),
    leaseMs: 3_600_000, // whatever is found by looking around would come too late
  })
  await handled.atLeast(1)
  await publish('room:2', 2)
  await publish('hall:1', 1)
  await handled.atLeast(3)
  expect(handled.sequencesOf('room:2')).toEqual([1, 2])
  expect(handled.sequencesOf('hall:1')).toEqual([])
})

test('handles topics side by side, no more than the concurrency says, one message at a time in each', async () => {
  const topics = upTo(6).map((n) => `side:${n}`)
  for (const topic of topics) await publish(topic, 3)
  const running = new Map<string, number>()
  let most = 0
  let together = 0
  const handled = new Handled()
  await using _consumption = await carillon.consume({
    topics: ['side:*'],
    consumer: 'index',
    concurrency: 4,
    batchSize: 2,
    handler: async (message) => {
      const inTopic = (running.get(message.topic) ?? 0) + 1
      running.set(message.topic, inTopic)
      expect(inTopic).toBe(1)
      most = Math.max(most, ++together)
      await new Promise((resolve) => setImmediate(resolve))
      running.set(message.topic, 0)
      together--
      handled.add(message)
    },
  })
  await handled.atLeast(18)
  expect(most).toBe(4)
  for (const topic of topics) expect(handled.sequencesOf(topic)).toEqual([1, 2, 3])
})

test('with batchSize 1, a message is acknowledged before the next is handled', async () => {
  await publish('strict', 5)
  const acked: number[] = []
  const handled = new Handled()
  await using _consumption = await carillon.consume({
    topics: ['strict'],
    consumer: 'mailer',
    batchSize: 1,
    handler: async (message) => {
      acked.push(await ackedIn('strict', 'mailer'))
      handled.add(message)
    },
  })
  await handled.atLeast(5)
  expect(acked).toEqual([0, 1, 2, 3, 4])
})

test('stop waits for the handler under way, acknowledges its message, and calls no other', async () => {
  await publish('stopped', 3)
  const [begun, finish] = [gate(), gate()]
  const handled = new Handled()
  const consumption = await carillon.consume({
    topics: ['stopped'],
    consumer: 'mailer',
    handler: async (message) => {
      begun.open()
      await finish.opened
      handled.add(message)
    },
  })
  await begun.opened
  let isStopped = false
  const stopping = consumption.stop().then(() => {
    isStopped = true
  })
  await new Promise((resolve) => setImmediate(resolve))
  expect(isStopped).toBe(false)
  finish.open()
  await stopping
  await consumption.ended
  expect(handled.sequencesOf('stopped')).toEqual([1])
  expect(await ackedIn('stopped', 'mailer')).toBe(1)
})

test('a signal stops it, and closing the server does', async () => {
  const abort = new AbortController()
  const request = { topics: ['signalled'], consumer: 'mailer', handler: () => {} }
  const consumption = await carillon.consume(request, { signal: abort.signal })
  abort.abort()
  await consumption.ended
  const other = await createCarillon({ dataDir: 'memory:', logLevel: 'silent' })
  const closed = await other.consume(request)
  await other.close()
  await closed.ended
  expect(await rejection(other.consume(request))).toMatchObject({ code: 'SHUTTING_DOWN' })
})

test('ends by itself after maxBatches', async () => {
  await publish('bounded', 50)
  const handled = new Handled()
  const request = {
    topics: ['bounded'],
    consumer: 'mailer',
    batchSize: 10,
    maxBatches: 2,
    handler: (message: Parameters<Handled['add']>[0]) => handled.add(message),
  }
  await (await carillon.consume(request)).ended
  expect(handled.sequencesOf('bounded')).toEqual(upTo(20))
  await (await carillon.consume(request)).ended
  expect(handled.sequencesOf('bounded')).toEqual(upTo(40))
})

test('passes over messages that the user may not see', async () => {
  await carillon.publish({ topic: 'private', payload: 1, to: ['bob'] })
  await carillon.publish({ topic: 'private', payload: 2, to: ['ann'] })
  await carillon.publish({ topic: 'private', payload: 3, to: ['bob'] })
  const handled = new Handled()
  const as = { userId: 'ann' }
  const consumption = await carillon.consume(
    { topics: ['private'], consumer: 'inbox', handler: (message) => handled.add(message) },
    { as },
  )
  await handled.atLeast(1)
  const acked = () => carillon.ack({ topic: 'private', consumer: 'inbox', sequence: 0 }, { as })
  await expect.poll(async () => (await acked()).acked).toBe(3)
  await consumption.stop()
  expect(handled.payloads).toEqual([2])
})

test('what is not valid is refused', async () => {
  const handler = () => {}
  const code = async (request: object) => {
    const whole = { topics: ['a'], consumer: 'c', handler, ...request }
    return rejection(carillon.consume(whole).then((consumption) => consumption.stop()))
  }
  expect(await code({ topics: [] })).toMatchObject({ code: 'INVALID_INPUT' })
  expect(await code({ topics: ['*'] })).toMatchObject({ code: 'INVALID_TOPIC_PATTERN' })
  expect(await code({ consumer: '' })).toMatchObject({ code: 'INVALID_INPUT' })
  expect(await code({ handler: 'f' })).toMatchObject({ code: 'INVALID_INPUT' })
  for (const one of [{ batchSize: 0 }, { maxBatches: 0 }, { concurrency: 1.5 }, { leaseMs: 1 }]) {
    expect(await code(one)).toMatchObject({ code: 'INVALID_LIMIT' })
  }
  for (const retry of [{ attempts: 0 }, { strategy: 'x' }, { baseDelay: -1 }, { jitter: 2 }]) {
    expect(await code({ retry })).toMatchObject({ code: 'INVALID_INPUT' })
  }
})

test('catchUp hands out what there is, topic by topic, in bounded batches, and ends', async () => {
  await publish('past:1', 5)
  await publish('past:2', 3)
  const batches: unknown[] = []
  const request = { topics: ['past:2', 'past:*'], consumer: 'report', batchSize: 2 }
  for await (const { topic, messages, cursor } of carillon.catchUp(request)) {
    batches.push([topic, messages.map(({ sequence }) => sequence)])
    await publish(topic, 1, 99) // what comes meanwhile is for the next time
    await carillon.ack({ topic, consumer: 'report', cursor })
  }
  expect(batches).toEqual([
    ['past:2', [1, 2]],
    ['past:2', [3]],
    ['past:1', [1, 2]],
    ['past:1', [3, 4]],
    ['past:1', [5]],
  ])
  expect(await ackedIn('past:1', 'report')).toBe(5)
  const rest = await collect(carillon.catchUp({ ...request, maxBatches: 1 }))
  expect(rest.map(({ messages }) => messages.map(({ sequence }) => sequence))).toEqual([[4, 5]])
})

test('catchUp begins behind cursors, and refuses those that are none any more', async () => {
  await publish('cursor', 3)
  const { messages } = await carillon.messages({ topic: 'cursor' })
  const after = [messages[1]?.cursor ?? '']
  const batches = await collect(carillon.catchUp({ topics: ['cursor'], after }))
  expect(batches.map((batch) => batch.messages.map(({ sequence }) => sequence))).toEqual([[3]])
  expect(() => carillon.catchUp({ topics: ['cursor'] })).toThrow('either `consumer` or `after`')
  const stale = Buffer.from('1:000000000000:cursor').toString('base64url')
  const read = carillon.catchUp({ topics: ['cursor'], after: [stale] })
  expect(await rejection(read.next())).toMatchObject({ code: 'CURSOR_EXPIRED' })
})

describeWithPostgresql('where messages were removed before they were handled', () => {
  test('a consumer goes on with the oldest that is kept, and says what is missing', async () => {
    await using database = await createDatabase()
    const warnings: string[] = []
    const quiet = () => {}
    const warn = (_fields: object, message: string) => warnings.push(message)
    await using other = await createCarillon({
      databaseUrl: database.url,
      logger: { debug: quiet, info: quiet, error: quiet, warn },
    })
    await other.publishMany(upTo(5).map((payload) => ({ topic: 'kept', payload })))
    await other.ack({ topic: 'kept', consumer: 'mailer', sequence: 1 })
    await execute(database.url, 'DELETE FROM carillon.messages WHERE sequence < 4')
    await execute(database.url, 'UPDATE carillon.topics SET tail = 4')
    const handled = new Handled()
    await using _consumption = await other.consume({
      topics: ['kept'],
      consumer: 'mailer',
      handler: (message) => handled.add(message),
    })
    await handled.atLeast(2)
    expect(handled.payloads).toEqual([4, 5])
    expect(warnings).toEqual(['The topic kept no longer keeps the messages 2 to 3.'])
  })
})

import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { BACKEND } from '../../src/access/viewer.ts'
import { MemoryBus } from '../../src/bus/memory-bus.ts'
import { encodeCursor } from '../../src/core/cursor.ts'
import type { Epoch, Position, Sequence } from '../../src/core/sequence.ts'
import type { TopicName } from '../../src/core/topic-name.ts'
import { MEMORY, openEmbedded } from '../../src/database/embedded.ts'
import { Hub } from '../../src/hub/hub.ts'
import { START_LIVE } from '../../src/hub/start.ts'
import { PrismaLog } from '../../src/log/prisma-log.ts'
import { startServer, type TestServer } from '../support/carillon.ts'
import { draft } from '../support/messages.ts'
import { rejection } from '../support/rejection.ts'
import { openAcknowledged } from '../support/websocket.ts'

let server: TestServer
let topics = 0

beforeAll(async () => {
  server = await startServer()
})
afterAll(() => server[Symbol.asyncDispose]())

/** A topic with messages 1…count, and the cursor right at each of them; at 0, before all. */
async function topicWith(count: number, topic = `resume:${++topics}`) {
  const payloads = Array.from({ length: count }, (_, n) => n + 1)
  for (let start = 0; start < count; start += 100) {
    const some = payloads.slice(start, start + 100)
    await server.carillon.publishMany(some.map((payload) => ({ topic, payload })))
  }
  const { topic: state } = await server.carillon.messages({ topic, last: 1 })
  const cursorAt = (sequence: number, epoch = state.epoch) =>
    encodeCursor({ topic: state.name, epoch, sequence: sequence as Sequence })
  return { topic, cursorAt }
}

async function take(
  messages: AsyncIterable<{ readonly sequence: number | null }>,
  count: number,
): Promise<(number | null)[]> {
  const sequences: (number | null)[] = []
  for await (const { sequence } of messages) {
    sequences.push(sequence)
    if (sequences.length === count) break
  }
  return sequences
}

function upTo(last: number, first = 1): number[] {
  return Array.from({ length: last - first + 1 }, (_, n) => first + n)
}

describe('Behind a cursor', () => {
  test('come the messages that were missed, then those that are published', async () => {
    const { topic, cursorAt } = await topicWith(1_200)
    const subscription = await server.carillon.subscribe({ topics: [topic], after: [cursorAt(7)] })
    await server.carillon.publish({ topic, payload: 'live' })
    expect(await take(subscription, 1_194)).toEqual(upTo(1_201, 8))
  })

  test('at the head come only those that are published', async () => {
    const { topic, cursorAt } = await topicWith(3)
    const subscription = await server.carillon.subscribe({ topics: [topic], after: [cursorAt(3)] })
    await server.carillon.publish({ topic, payload: 'live' })
    expect(await take(subscription, 1)).toEqual([4])
  })

  test('each topic has its own, and one without begins where it stands', async () => {
    const [one, other, live] = [await topicWith(5), await topicWith(5), await topicWith(5)]
    const subscription = await server.carillon.subscribe({
      topics: [one.topic, other.topic, live.topic],
      after: [one.cursorAt(3), other.cursorAt(4)],
    })
    await server.carillon.publish({ topic: live.topic, payload: 'live' })
    const seen: string[] = []
    for await (const message of subscription) {
      seen.push(`${message.topic} ${message.sequence}`)
      if (seen.length === 4) break
    }
    expect(seen.sort()).toEqual(
      [`${one.topic} 4`, `${one.topic} 5`, `${other.topic} 5`, `${live.topic} 6`].sort(),
    )
  })

  test('a topic under a pattern goes on, and the others begin where they stand', async () => {
    const scope = `scope${++topics}`
    const missed = await topicWith(4, `${scope}:missed`)
    await topicWith(4, `${scope}:quiet`)
    const subscription = await server.carillon.subscribe({
      topics: [`${scope}:*`],
      after: [missed.cursorAt(2)],
    })
    await server.carillon.publish({ topic: `${scope}:quiet`, payload: 'live' })
    await server.carillon.publish({ topic: `${scope}:missed`, payload: 'live' })
    const seen: string[] = []
    for await (const message of subscription) {
      seen.push(`${message.topic.slice(scope.length + 1)} ${message.sequence}`)
      if (seen.length === 4) break
    }
    expect(seen.sort()).toEqual(['missed 3', 'missed 4', 'missed 5', 'quiet 5'])
  })

  test('filters hold for what was missed as well', async () => {
    const topic = `resume:${++topics}`
    const publish = (type: string) => server.carillon.publish({ topic, payload: 1, type })
    for (const type of ['a', 'b', 'a', 'b', 'a']) await publish(type)
    const subscription = await server.carillon.subscribe({ topics: [topic], last: 5, types: ['b'] })
    await publish('a')
    await publish('b')
    expect(await take(subscription, 3)).toEqual([2, 4, 7])
  })

  test('over a WebSocket, a long backlog comes in order, once, and ends in live messages', async () => {
    const { topic, cursorAt } = await topicWith(2_500)
    await using raw = await openAcknowledged(server.socketUrl)
    const query = `subscription ($topics: [TopicPattern!]!, $after: [Cursor!]) {
      messages(topics: $topics, after: $after) { sequence }
    }`
    const variables = { topics: [topic], after: [cursorAt(0)] }
    raw.send({ id: '1', type: 'subscribe', payload: { query, variables } })
    const publishing = (async () => {
      for (let n = 0; n < 100; n++) await server.carillon.publish({ topic, payload: n })
    })()
    const sequences: number[] = []
    while (sequences.length < 2_600) {
      const { payload } = await raw.receive()
      const { data } = payload as { data: { messages: { sequence: number } } }
      sequences.push(data.messages.sequence)
    }
    await publishing
    expect(sequences).toEqual(upTo(2_600))
    expect(raw.pending()).toEqual([])
  })
})

describe('last', () => {
  test('begins with the newest so many messages', async () => {
    const { topic } = await topicWith(20)
    const subscription = await server.carillon.subscribe({ topics: [topic], last: 3 })
    await server.carillon.publish({ topic, payload: 'live' })
    expect(await take(subscription, 4)).toEqual(upTo(21, 18))
  })

  test('begins with all where there are fewer', async () => {
    const { topic } = await topicWith(2)
    expect(
      await take(await server.carillon.subscribe({ topics: [topic], last: 1_000 }), 2),
    ).toEqual([1, 2])
  })

  test('counts in every topic under a pattern', async () => {
    const scope = `last${++topics}`
    for (const name of ['a', 'b', 'c']) await topicWith(5, `${scope}:${name}`)
    const subscription = await server.carillon.subscribe({ topics: [`${scope}:*`], last: 2 })
    await server.carillon.publish({ topic: `${scope}:new`, payload: 1 })
    const seen: string[] = []
    for await (const message of subscription) {
      seen.push(`${message.topic.slice(scope.length + 1)} ${message.sequence}`)
      if (seen.length === 7) break
    }
    expect(seen.sort()).toEqual(['a 4', 'a 5', 'b 4', 'b 5', 'c 4', 'c 5', 'new 1'])
  })
})

describe('A consumer', () => {
  const ann = { as: { userId: 'ann' } }

  test('begins behind what it has acknowledged, and at the beginning of other topics', async () => {
    const [acked, done, never] = [await topicWith(5), await topicWith(5), await topicWith(2)]
    const consumer = 'settlement'
    await server.carillon.ack({ topic: acked.topic, consumer, sequence: 3 }, ann)
    await server.carillon.ack({ topic: done.topic, consumer, sequence: 5 }, ann)
    const names = [acked.topic, done.topic, never.topic]
    const subscription = await server.carillon.subscribe({ topics: names, consumer }, ann)
    await server.carillon.publish({ topic: done.topic, payload: 'live' })
    const seen: string[] = []
    for await (const { topic, sequence } of subscription) {
      seen.push(`${names.indexOf(topic)} ${sequence}`)
      if (seen.length === 5) break
    }
    expect(seen.sort()).toEqual(['0 4', '0 5', '1 6', '2 1', '2 2'])
  })

  test('does so in every topic under a pattern, those to come included', async () => {
    const scope = `consumer${++topics}`
    const consumer = 'settlement'
    for (const name of ['acked', 'done', 'never']) await topicWith(4, `${scope}:${name}`)
    await server.carillon.ack({ topic: `${scope}:acked`, consumer, sequence: 2 }, ann)
    await server.carillon.ack({ topic: `${scope}:done`, consumer, sequence: 4 }, ann)
    const request = { topics: [`${scope}:*`], consumer }
    const subscription = await server.carillon.subscribe(request, ann)
    await server.carillon.publish({ topic: `${scope}:new`, payload: 1 })
    await server.carillon.publish({ topic: `${scope}:done`, payload: 5 })
    const seen: string[] = []
    for await (const { topic, sequence } of subscription) {
      seen.push(`${topic.slice(scope.length + 1)} ${sequence}`)
      if (seen.length === 8) break
    }
    const never = upTo(4).map((sequence) => `never ${sequence}`)
    expect(seen.sort()).toEqual(['acked 3', 'acked 4', 'done 5', ...never, 'new 1'])
  })

  test('goes on where it was when it comes again, and belongs to its user', async () => {
    const { topic } = await topicWith(6)
    const consumer = 'worker'
    const request = { topics: [topic], consumer }
    for await (const message of await server.carillon.subscribe(request, ann)) {
      await server.carillon.ack({ topic, consumer, cursor: message.cursor }, ann)
      if (message.sequence === 4) break
    }
    expect(await take(await server.carillon.subscribe(request, ann), 2)).toEqual([5, 6])
    const bob = await server.carillon.subscribe(request, { as: { userId: 'bob' } })
    expect(await take(bob, 6)).toEqual(upTo(6))
  })

  test('is not given together with last, and its name is one', async () => {
    for (const request of [{ consumer: 'worker', last: 1 }, { consumer: '' }]) {
      const subscribing = server.carillon.subscribe({ topics: ['resume:none'], ...request })
      expect(await rejection(subscribing)).toMatchObject({ code: 'INVALID_INPUT' })
    }
  })

  test('begins so over a WebSocket', async () => {
    const { topic } = await topicWith(3)
    await using raw = await openAcknowledged(server.socketUrl)
    const query = `subscription { messages(topics: "${topic}", consumer: "ws") { sequence } }`
    raw.send({ id: '1', type: 'subscribe', payload: { query } })
    for (const sequence of upTo(3)) {
      expect(await raw.receive()).toMatchObject({ payload: { data: { messages: { sequence } } } })
    }
  })
})

describe('What is no place to begin at', () => {
  const elsewhere = 'abcdefabcdef' as Epoch

  test.each([
    ['a text that is no cursor', () => ['nonsense'], 'INVALID_CURSOR'],
    ['a cursor of a topic that is not subscribed to', (at) => [at(1, 'other')], 'INVALID_CURSOR'],
    ['two cursors of a topic', (at) => [at(1), at(2)], 'INVALID_CURSOR'],
    ['a cursor past the head', (at) => [at(6)], 'INVALID_CURSOR'],
    ['a cursor of another numbering', (at) => [at(1, undefined, elsewhere)], 'CURSOR_EXPIRED'],
  ] as [
    string,
    (at: (sequence: number, topic?: string, epoch?: Epoch) => string) => string[],
    string,
  ][])('%s', async (_name, after, code) => {
    const { topic } = await topicWith(5)
    const { topic: state } = await server.carillon.messages({ topic })
    const cursors = after((sequence, name = topic, epoch = state.epoch) =>
      encodeCursor({ topic: name as TopicName, epoch, sequence: sequence as Sequence }),
    )
    const error = await rejection(server.carillon.subscribe({ topics: [topic], after: cursors }))
    expect(error).toMatchObject({ code })
  })

  test('last is 1 to 1000', async () => {
    for (const last of [0, 1_001, 1.5]) {
      const subscribing = server.carillon.subscribe({ topics: ['resume:none'], last })
      expect(await rejection(subscribing)).toMatchObject({ code: 'INVALID_LIMIT' })
    }
  })

  test('a gap is told with the error, and skipped where the subscriber says so', async () => {
    const { topic, cursorAt } = await topicWith(5)
    const after = [cursorAt(2, elsewhere)]
    const error = await rejection(server.carillon.subscribe({ topics: [topic], after }))
    expect(error).toMatchObject({
      code: 'CURSOR_EXPIRED',
      gap: { topic, fromSequence: 3, reason: 'EPOCH_CHANGED' },
    })
    const skipping = await server.carillon.subscribe({ topics: [topic], after, onGap: 'SKIP' })
    expect(await take(skipping, 5)).toEqual(upTo(5))
  })

  test('over a WebSocket, the operation fails, with the gap, and the socket goes on', async () => {
    const { topic, cursorAt } = await topicWith(5)
    await using raw = await openAcknowledged(server.socketUrl)
    const query = `subscription {
      messages(topics: "${topic}", after: "${cursorAt(2, elsewhere)}") { sequence }
    }`
    raw.send({ id: '1', type: 'subscribe', payload: { query } })
    expect(await raw.receive()).toMatchObject({
      type: 'next',
      payload: { errors: [{ extensions: { code: 'CURSOR_EXPIRED', gap: { topic } } }] },
    })
    expect(await raw.receive()).toEqual({ id: '1', type: 'complete' })
    raw.send({ type: 'ping' })
    expect(await raw.receive()).toEqual({ type: 'pong' })
  })
})

/** Whatever takes its time between the steps, nothing falls in between. */
test('between history and live: with random delays between the steps, every subscriber sees after+1 … N', async () => {
  const database = await openEmbedded(MEMORY)
  const log = new PrismaLog(database)
  const bus = new MemoryBus(() => undefined)
  const someTime = () => delay(Math.random() * 20)
  const slowLog = new Proxy(log, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name)
      if (typeof value !== 'function') return value
      return async (...args: unknown[]) => {
        await someTime()
        const answer: unknown = await value.apply(target, args)
        await someTime()
        return answer
      }
    },
  })
  const slowBus = new Proxy(bus, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name)
      if (name !== 'subscribe') return typeof value === 'function' ? value.bind(target) : value
      return async (...args: Parameters<MemoryBus['subscribe']>) => {
        await someTime()
        const subscription = await target.subscribe(...args)
        await someTime()
        return subscription
      }
    },
  })
  const hub = new Hub({ log: slowLog, bus: slowBus, onFault: () => undefined })
  const topic = 'resume:delays' as TopicName
  const last = 3_000
  let head = 0
  const publishing = (async () => {
    while (head < last) {
      const appended = await log.append(Array.from({ length: 10 }, () => draft(topic)))
      bus.publish(appended.map(({ message }) => message))
      head += 10
      await delay(5)
    }
  })()
  const { epoch } = await log.topic(topic)
  const subscribers: Promise<void>[] = []
  while (head < last) {
    const sequence = Math.floor(Math.random() * (head + 1)) as Sequence
    const after = new Map<TopicName, Position>([[topic, { epoch, sequence }]])
    subscribers.push(
      (async () => {
        const subscription = await hub.subscribe([topic], {
          filter: { reader: BACKEND, echo: true },
          start: { ...START_LIVE, after },
        })
        expect(await take(subscription, last - sequence)).toEqual(upTo(last, sequence + 1))
      })(),
    )
    await delay(15)
  }
  await publishing
  await Promise.all(subscribers)
  expect(subscribers.length).toBeGreaterThan(20)
  await hub.close()
  await log.close()
  await database.close()
}, 60_000)

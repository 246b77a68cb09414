import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { TopicName } from '../../src/core/topic-name.ts'
import { MEMORY, openEmbedded } from '../../src/database/embedded.ts'
import { PrismaLog } from '../../src/log/prisma-log.ts'
import { PurgeSweeper } from '../../src/log/purge-sweeper.ts'
import { fieldOf, request, startServer, type TestServer } from '../support/carillon.ts'
import { receiveInShort, subscribeToEvents, takeInShort } from '../support/events.ts'
import { draft } from '../support/messages.ts'
import {
  createDatabase,
  describeWithPostgresql,
  execute,
  type ThrowawayDatabase,
} from '../support/postgresql.ts'
import { describeWithRedis, startPrivateRedis } from '../support/redis.ts'
import { rejection } from '../support/rejection.ts'
import { openAcknowledged } from '../support/websocket.ts'

let server: TestServer
let topics = 0

beforeAll(async () => {
  server = await startServer()
})
afterAll(() => server[Symbol.asyncDispose]())

function newTopic(): string {
  return `purge:${++topics}`
}

async function publish(topic: string, ...payloads: unknown[]): Promise<void> {
  await server.carillon.publishMany(payloads.map((payload) => ({ topic, payload })))
}

describe('Purging a topic', () => {
  test('removes its messages and all that belongs to them, under a new epoch', async () => {
    const topic = newTopic()
    const { carillon } = server
    const first = await carillon.publish({ topic, payload: 1, idempotencyKey: 'once' })
    await publish(topic, 2, 3)
    await carillon.ack({ topic, consumer: 'mailer', sequence: 2 })
    await carillon.saveSnapshot({ topic, sequence: 2, state: {} })
    const mutation = `mutation { purgeTopic(topic: "${topic}") { name epoch headSequence tailSequence } }`
    const purged = fieldOf<{ epoch: string }>(await request(server.url, mutation), 'purgeTopic')
    expect(purged).toMatchObject({ name: topic, headSequence: 0, tailSequence: 0 })
    expect(purged.epoch).not.toBe(first.message.epoch)
    const { messages } = await carillon.messages({ topic })
    expect(messages).toEqual([])
    expect(await carillon.snapshot(topic)).toBeUndefined()
    const consumer = `{ consumer(topic: "${topic}", name: "mailer") { name } node(id: "${first.message.id}") { id } }`
    expect(await request(server.url, consumer)).toEqual({ data: { consumer: null, node: null } })
    const again = await carillon.publish({ topic, payload: 'new', idempotencyKey: 'once' })
    expect(again).toMatchObject({ duplicate: false, message: { sequence: 1, epoch: purged.epoch } })
  })

  test('of one that is empty changes nothing, so that a retry does no harm', async () => {
    const topic = newTopic()
    const { carillon } = server
    const empty = await carillon.purgeTopic(topic)
    expect((await carillon.messages({ topic })).topic).toEqual(empty)
    await publish(topic, 1)
    const purged = await carillon.purgeTopic(topic)
    expect(await carillon.purgeTopic(topic)).toEqual(purged)
  })

  test('with the epoch that is expected removes nothing that came after the first time', async () => {
    const topic = newTopic()
    const { carillon } = server
    await publish(topic, 1)
    const expectedEpoch = (await carillon.messages({ topic })).topic.epoch
    const purged = await carillon.purgeTopic(topic, { expectedEpoch })
    await publish(topic, 'new')
    const retried = await carillon.purgeTopic(topic, { expectedEpoch })
    expect(retried).toEqual({ ...purged, head: 1, tail: 1 })
    const wrong = carillon.purgeTopic(topic, { expectedEpoch: 'not an epoch' })
    expect(await rejection(wrong)).toMatchObject({ code: 'INVALID_INPUT' })
  })

  test('tells subscribers of events, which go on with the new epoch', async () => {
    const topic = newTopic()
    await publish(topic, 1, 2)
    const events = await server.carillon.events({ topics: [topic] })
    await using raw = await openAcknowledged(server.socketUrl)
    subscribeToEvents(raw, { topics: [topic] })
    expect(await receiveInShort(raw, 1)).toEqual(['caught up'])
    await publish(topic, 3)
    expect(await takeInShort(events, 2)).toEqual(['caught up', 'live 3'])
    await server.carillon.purgeTopic(topic)
    expect(await receiveInShort(raw, 2)).toEqual(['live 3', 'gap EPOCH_CHANGED 4-4'])
    expect(await takeInShort(events, 1)).toEqual(['gap EPOCH_CHANGED 4-4'])
    await publish(topic, 'new')
    expect(await receiveInShort(raw, 1)).toEqual(['live 1'])
    expect(await takeInShort(events, 1)).toEqual(['live 1'])
    await events.return()
  })

  test('ends subscriptions to messages with CURSOR_EXPIRED, or lets them go on from 1', async () => {
    const topic = newTopic()
    await publish(topic, 1, 2)
    const { carillon } = server
    const failing = await carillon.subscribe({ topics: [topic], last: 2 })
    const skipping = await carillon.subscribe({ topics: [topic], onGap: 'SKIP' })
    await failing.next()
    await failing.next()
    await using raw = await openAcknowledged(server.socketUrl)
    const query = (onGap: string) =>
      `subscription { messages(topics: "${topic}", last: 1, onGap: ${onGap}) { sequence } }`
    for (const id of ['FAIL', 'SKIP']) {
      raw.send({ id, type: 'subscribe', payload: { query: query(id) } })
      expect(await raw.receive()).toMatchObject({ id, type: 'next' })
    }
    await carillon.purgeTopic(topic)
    const gap = { topic, fromSequence: 3, toSequence: 3, reason: 'EPOCH_CHANGED' }
    expect(await rejection(failing.next())).toMatchObject({ code: 'CURSOR_EXPIRED', gap })
    const error = await raw.receive()
    expect(error).toMatchObject({ id: 'FAIL', type: 'error' })
    expect(error.payload).toMatchObject([{ extensions: { code: 'CURSOR_EXPIRED', gap } }])
    await publish(topic, 'new')
    expect(await raw.receive()).toEqual({
      id: 'SKIP',
      type: 'next',
      payload: { data: { messages: { sequence: 1 } } },
    })
    expect((await skipping.next()).value).toMatchObject({ sequence: 1, payload: 'new' })
    await skipping.return()
  })

  test('tells subscribers of patterns too, of topics that were quiet since they came', async () => {
    const prefix = newTopic()
    await publish(`${prefix}:a`, 1, 2)
    await using raw = await openAcknowledged(server.socketUrl)
    subscribeToEvents(raw, { topics: [`${prefix}:*`, `${prefix}:live`] })
    expect(await receiveInShort(raw, 1)).toEqual(['caught up'])
    await server.carillon.purgeTopic(`${prefix}:a`)
    const told = ['caught up', 'gap EPOCH_CHANGED 3-3']
    expect(await receiveInShort(raw, 2)).toEqual(told)
    await publish(`${prefix}:a`, 'new')
    expect(await receiveInShort(raw, 1)).toEqual(['live 1'])
  })

  test('between publishes under way splits them: each has a place of the old epoch, or of the new', async () => {
    const topic = newTopic()
    const { carillon } = server
    await publish(topic, 'first')
    const events = await carillon.events({ topics: [topic] })
    const published = await Promise.all(
      Array.from({ length: 200 }, async (_, n) => {
        if (n % 50 === 49) await carillon.purgeTopic(topic)
        return (await carillon.publish({ topic, payload: n })).message
      }),
    )
    await publish(topic, 'end')
    const byPlace = new Map(published.map((one) => [`${one.epoch} ${one.sequence}`, one.payload]))
    expect(byPlace.size).toBe(200)
    const { messages, topic: state } = await carillon.messages({ topic, last: 300 })
    expect(messages.map(({ sequence }) => sequence)).toEqual(
      Array.from({ length: state.head }, (_, n) => n + 1),
    )
    // Whatever was delivered was delivered in the order of its epoch, and epochs one after the other.
    const epochs: string[] = []
    let last = 1
    for await (const event of events) {
      if (event.kind === 'gap') last = 0
      if (event.kind !== 'message') continue
      const { epoch, sequence, payload } = event.message
      if (epoch === null || sequence === null) continue
      if (epochs.at(-1) !== epoch) epochs.push(epoch)
      expect(sequence).toBe(last + 1)
      last = sequence
      if (payload === 'end') break
    }
    expect(new Set(epochs).size).toBe(epochs.length)
    expect(epochs.at(-1)).toBe(state.epoch)
  })
})

test('what a purge leaves behind in the embedded database is deleted, batch by batch', async () => {
  const database = await openEmbedded(MEMORY)
  const log = new PrismaLog(database)
  const [purged, kept] = ['rest:1' as TopicName, 'rest:2' as TopicName] as const
  for (const topic of [purged, kept])
    await log.append(Array.from({ length: 2_100 }, () => draft(topic)))
  await log.purge(purged)
  await log.append([draft(purged)])
  const sweeper = new PurgeSweeper({
    database,
    onFault: (fault) => expect.unreachable(String(fault)),
  })
  await expect.poll(() => database.prisma.purge.count()).toBe(0)
  expect(await database.prisma.message.count()).toBe(2_101)
  expect((await log.topic(kept)).head).toBe(2_100)
  await sweeper.close()
  await log.close()
  await database.close()
})

describeWithPostgresql('What a purge leaves behind', () => {
  let database: ThrowawayDatabase
  beforeAll(async () => {
    database = await createDatabase()
  })
  afterAll(() => database[Symbol.asyncDispose]())

  const left = async () => {
    const [row] = await execute(
      database.url,
      `SELECT (SELECT count(*) FROM carillon.messages)::int AS messages,
              (SELECT count(*) FROM carillon.consumers)::int AS consumers,
              (SELECT count(*) FROM carillon.snapshots)::int AS snapshots,
              (SELECT count(*) FROM carillon.purges)::int AS purges`,
    )
    return row
  }
  const nothing = { messages: 0, consumers: 0, snapshots: 0, purges: 0 }

  test('is deleted afterwards, also what a server that was killed has not deleted', async () => {
    const topic = 'purge:rest'
    {
      await using one = await startServer({ databaseUrl: database.url })
      await one.carillon.publish({ topic, payload: 1 })
      await one.carillon.ack({ topic, consumer: 'mailer', sequence: 1 })
      await one.carillon.saveSnapshot({ topic, sequence: 1, state: {} })
      await execute(
        database.url,
        `INSERT INTO carillon.messages
         SELECT topic_id, n, type, payload, metadata, encrypted, from_user, client_id, to_users, NULL, published_at
         FROM carillon.messages, generate_series(2, 2500) n`,
      )
      await execute(database.url, 'UPDATE carillon.topics SET head = 2500')
    }
    // As a server that dies right after the commit.
    await execute(database.url, `SELECT carillon.carillon_purge('${topic}', NULL)`)
    expect(await left()).toEqual({ messages: 2500, consumers: 1, snapshots: 1, purges: 1 })
    await using other = await startServer({ databaseUrl: database.url })
    await expect.poll(left).toEqual(nothing)
    await other.carillon.publish({ topic, payload: 'kept' })
    await other.carillon.publish({ topic: 'purge:other', payload: 'purged' })
    await other.carillon.purgeTopic('purge:other')
    await expect.poll(left).toEqual({ ...nothing, messages: 1 })
  })
})

describeWithRedis('With several instances', () => {
  describeWithPostgresql('a purge', () => {
    test('reaches the subscribers of the others at once, and without Redis by the comparison', async () => {
      await using database = await createDatabase()
      await using redis = await startPrivateRedis()
      const options = {
        databaseUrl: database.url,
        redisUrl: redis.url,
        delivery: { checkIntervalMs: 600_000 },
      }
      await using here = await startServer(options)
      await using there = await startServer(options)
      await using apart = await startServer({
        databaseUrl: database.url,
        delivery: { checkIntervalMs: 50 },
      })
      for (const { carillon } of [here, there]) {
        await expect.poll(() => carillon.health()).toMatchObject({ status: 'ok' })
      }
      const topic = 'purge:1'
      await here.carillon.publish({ topic, payload: 1 })
      const named = await there.carillon.events({ topics: [topic] })
      const matched = await there.carillon.events({ topics: ['purge:*'] })
      const compared = await apart.carillon.events({ topics: [topic] })
      await here.carillon.purgeTopic(topic)
      await here.carillon.publish({ topic, payload: 'new' })
      for (const events of [named, matched, compared]) {
        const seen = await takeInShort(events, 3)
        expect(seen.slice(0, 2)).toEqual(['caught up', 'gap EPOCH_CHANGED 2-2'])
        expect(seen[2]).toMatch(/^(live|replayed) 1$/)
      }
    })
  })
})

import { type Carillon, createCarillon, type RetentionRule, type TopicName } from 'carillon'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { MEMORY, openEmbedded } from '../../src/database/embedded.ts'
import { PrismaLog } from '../../src/log/prisma-log.ts'
import { parseRetention } from '../../src/log/retention-rules.ts'
import { RETENTION_LOCK } from '../../src/log/retention-statements.ts'
import { RetentionSweeper } from '../../src/log/retention-sweeper.ts'
import { fieldOf, request, startServer, type TestServer } from '../support/carillon.ts'
import { holdLock } from '../support/held-lock.ts'
import { draft } from '../support/messages.ts'
import { createDatabase, describeWithPostgresql, execute } from '../support/postgresql.ts'
import { rejection } from '../support/rejection.ts'
import { openAcknowledged } from '../support/websocket.ts'

/** A machine that does other things too may take its time, in milliseconds. */
const PATIENCE = { timeout: 10_000 }

/** So that whoever is behind has to read the log. */
const NO_MEMORY = { ringBytes: 1 }

const KEEP_TWO: readonly RetentionRule[] = [{ topics: 'chat:*', maxMessages: 2 }]

async function fill(carillon: Carillon, topic: string, count: number): Promise<string[]> {
  const cursors: string[] = []
  for (let n = 0; n < count; n++) {
    const { message } = await carillon.publish({ topic, payload: n + 1 })
    cursors.push(String(message.cursor))
  }
  return cursors
}

test('the server refuses rules that are none, before it opens anything', async () => {
  const error = await rejection(createCarillon({ retention: [{ topics: 'chat*' }] }))
  expect(error).toBeInstanceOf(TypeError)
})

test('the server applies its rules from time to time', async () => {
  await using server = await startServer({ retention: KEEP_TWO, retentionIntervalMs: 10 })
  await fill(server.carillon, 'chat:1', 5)
  await expect
    .poll(
      () => request(server.url, '{ topic(name: "chat:1") { tailSequence headSequence } }'),
      PATIENCE,
    )
    .toEqual({ data: { topic: { tailSequence: 4, headSequence: 5 } } })
})

describe('what a server shows of it', () => {
  let server: TestServer
  let topics = 0

  beforeAll(async () => {
    server = await startServer({ retention: KEEP_TWO, delivery: NO_MEMORY })
  })
  afterAll(() => server[Symbol.asyncDispose]())

  function newTopic(room = 'chat'): string {
    return `${room}:show-${++topics}`
  }

  /** Once these messages have expired, in one run or in several. */
  async function removeExpired(topic: string, count: number): Promise<void> {
    let removed = 0
    const removeMore = async () => {
      const { removedByTopic } = await server.carillon.applyRetention()
      removed += removedByTopic.get(topic as TopicName) ?? 0
      return removed
    }
    await expect.poll(removeMore, PATIENCE).toBe(count)
  }

  test('the tail of a topic that keeps nothing is 0, and its snapshot stays', async () => {
    const { carillon, url } = server
    const topic = newTopic()
    await carillon.publish({ topic, payload: 1, ttl: 1 })
    await carillon.saveSnapshot({ topic, sequence: 1, state: 'state' })
    await removeExpired(topic, 1)
    const query = `{ topic(name: "${topic}") { tailSequence headSequence snapshot { state } } }`
    expect(fieldOf(await request(url, query), 'topic')).toEqual({
      tailSequence: 0,
      headSequence: 1,
      snapshot: { state: 'state' },
    })
  })

  test('a subscriber that stands before the new tail ends with the gap', async () => {
    const { carillon } = server
    const topic = newTopic()
    const live = await carillon.subscribe({ topics: [topic] })
    await fill(carillon, topic, 10)
    await carillon.applyRetention()
    expect(await rejection(live.next())).toMatchObject({
      code: 'CURSOR_EXPIRED',
      gap: { topic, fromSequence: 1, toSequence: 8, reason: 'RETENTION' },
    })
  })

  test('one that skips gaps goes on with the oldest message that is kept', async () => {
    const { carillon } = server
    const topic = newTopic()
    const live = await carillon.subscribe({ topics: [topic], onGap: 'SKIP' })
    await fill(carillon, topic, 10)
    await carillon.applyRetention()
    expect((await live.next()).value?.sequence).toBe(9)
    expect((await live.next()).value?.sequence).toBe(10)
  })

  test('one that comes back with its cursor is told of the gap over a WebSocket, too', async () => {
    const topic = newTopic()
    const [cursor] = await fill(server.carillon, topic, 10)
    await server.carillon.applyRetention()
    await using socket = await openAcknowledged(server.socketUrl)
    const query = `subscription { messages(topics: "${topic}", after: "${cursor}") { sequence } }`
    socket.send({ id: '1', type: 'subscribe', payload: { query } })
    const gap = { topic, fromSequence: 2, toSequence: 8, reason: 'RETENTION' }
    expect(await socket.receive()).toMatchObject({
      payload: { errors: [{ extensions: { code: 'CURSOR_EXPIRED', gap } }] },
    })
  })

  test('one that asks for the newest messages gets those that are kept', async () => {
    const { carillon } = server
    const topic = newTopic()
    await using _live = await carillon.subscribe({ topics: [topic] }) // knows the tail of before
    await fill(carillon, topic, 10)
    await carillon.applyRetention()
    const newest = await carillon.subscribe({ topics: [topic], last: 5 })
    expect((await newest.next()).value?.sequence).toBe(9)
    expect((await newest.next()).value?.sequence).toBe(10)
  })

  test('a subscriber that is behind reads past expired messages that were removed', async () => {
    const { carillon } = server
    const topic = newTopic('all')
    const live = await carillon.subscribe({ topics: [topic] })
    await fill(carillon, topic, 1)
    for (let n = 0; n < 3; n++) await carillon.publish({ topic, payload: 'brief', ttl: 1 })
    await fill(carillon, topic, 1)
    await removeExpired(topic, 3)
    expect((await live.next()).value?.sequence).toBe(1)
    expect((await live.next()).value?.sequence).toBe(5)
  })
})

test('the embedded database uses the space of removed messages again', async () => {
  const database = await openEmbedded(MEMORY)
  const log = new PrismaLog(database)
  const retention = new RetentionSweeper({
    database,
    rules: parseRetention([{ topics: '*', maxMessages: 1 }]),
    intervalMs: 3_600_000,
    onFault: () => undefined,
  })
  async function fillAndRemove(): Promise<number> {
    for (let n = 0; n < 3; n++) {
      await log.append(Array.from({ length: 500 }, () => draft('chat:1')))
    }
    await retention.apply()
    const [row] = await database.prisma.$queryRaw<{ bytes: number }[]>`
      SELECT pg_relation_size('carillon.messages')::float8 AS bytes`
    return row?.bytes ?? Number.NaN
  }
  const once = await fillAndRemove()
  await fillAndRemove()
  expect(await fillAndRemove()).toBeLessThan(1.5 * once)
  await retention.close()
  await database.close()
})

describeWithPostgresql('on PostgreSQL', () => {
  test('a publish waits for no delete, and readers see no part of it', async () => {
    await using database = await createDatabase()
    const retention = [{ topics: '*', maxMessages: 1 }]
    await using server = await startServer({ databaseUrl: database.url, retention })
    const { carillon } = server
    await fill(carillon, 'chat:1', 50)
    await using row = await holdLock(
      database.url,
      'SELECT 1 FROM carillon.messages WHERE sequence = 20 FOR UPDATE',
    )
    const applied = carillon.applyRetention()
    await row.untilAwaited()
    const { message } = await carillon.publish({ topic: 'chat:1', payload: 'meanwhile' })
    expect(message.sequence).toBe(51)
    const { messages, topic } = await carillon.messages({ topic: 'chat:1', last: 100 })
    expect(messages.map(({ sequence }) => sequence)).toEqual([50, 51])
    expect(topic).toMatchObject({ tail: 50, head: 51 })
    await row[Symbol.asyncDispose]()
    // The tail moves on to what was published meanwhile.
    expect(await applied).toMatchObject({ removed: 50, isComplete: true })
  })

  test('gives way to another instance that is at it', async () => {
    await using database = await createDatabase()
    await using server = await startServer({ databaseUrl: database.url, retention: KEEP_TWO })
    const { carillon } = server
    await fill(carillon, 'chat:1', 10)
    await using other = await holdLock(
      database.url,
      `SELECT pg_advisory_xact_lock(${RETENTION_LOCK})`,
    )
    const report = await carillon.applyRetention()
    expect(report).toMatchObject({ removed: 0, isComplete: false })
    expect((await carillon.messages({ topic: 'chat:1' })).messages).toHaveLength(10)
    await other[Symbol.asyncDispose]()
    expect(await carillon.applyRetention()).toMatchObject({ removed: 8, isComplete: true })
  })

  test('two instances that begin at once remove each message once', async () => {
    await using database = await createDatabase()
    const options = { databaseUrl: database.url, retention: KEEP_TWO }
    await using one = await startServer(options)
    await using two = await startServer(options)
    const many = Array.from({ length: 100 }, () => ({ topic: 'chat:1', payload: 0 }))
    for (let n = 0; n < 30; n++) await one.carillon.publishMany(many)
    const reports = await Promise.all([one, two].map(({ carillon }) => carillon.applyRetention()))
    expect(reports.reduce((sum, { removed }) => sum + removed, 0)).toBe(2_998)
    expect(reports.filter(({ isComplete }) => isComplete).length).toBeGreaterThan(0)
  })

  test('a fault of the database is logged, and the next run goes on', async () => {
    await using database = await createDatabase()
    await using publisher = await startServer({ databaseUrl: database.url })
    await fill(publisher.carillon, 'chat:1', 10)
    await using row = await holdLock(
      database.url,
      'SELECT 1 FROM carillon.messages WHERE sequence = 5 FOR UPDATE',
    )
    const warnings: string[] = []
    const ignore = () => undefined
    const warn = (_fields: object, message: string) => warnings.push(message)
    await using _sweeping = await startServer({
      databaseUrl: database.url,
      retention: KEEP_TWO,
      retentionIntervalMs: 10,
      logger: { debug: ignore, info: ignore, warn, error: warn },
    })
    const terminate = 'SELECT pg_terminate_backend(pid) FROM unnest($1::int[]) pid'
    await execute(database.url, terminate, [await row.untilAwaited()])
    await expect
      .poll(() => warnings, PATIENCE)
      .toContain('The database is unavailable for the moment.')
    await row[Symbol.asyncDispose]()
    const stored = async () => {
      const [count] = await execute(database.url, 'SELECT count(*)::int FROM carillon.messages')
      return count
    }
    await expect.poll(stored, PATIENCE).toEqual({ count: 2 })
  })
})

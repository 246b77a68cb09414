import fc from 'fast-check'
import { expect, test } from 'vitest'
import { PrismaConsumerStore } from '../../src/consumers/prisma-consumer-store.ts'
import type { Draft, Reader } from '../../src/core/message.ts'
import { isExpired } from '../../src/core/message.ts'
import { BEFORE_ALL, type Sequence } from '../../src/core/sequence.ts'
import type { TopicName } from '../../src/core/topic-name.ts'
import type { Database } from '../../src/database/database.ts'
import type { Prisma } from '../../src/generated/prisma/client.ts'
import type { Log } from '../../src/log/log.ts'
import { parseRetention, type RetentionRule } from '../../src/log/retention-rules.ts'
import { RetentionSweeper } from '../../src/log/retention-sweeper.ts'
import { draft } from '../support/messages.ts'
import { rejection } from '../support/rejection.ts'

const BACKEND: Reader = { kind: 'backend', userId: 'backend' }

/** A machine that does other things too may take its time, in milliseconds. */
const PATIENCE = { timeout: 10_000 }

export interface RetentionParts {
  readonly database: Database
  readonly log: Log
}

let topics = 0

/** A topic that no other test has touched. */
function newTopic(): TopicName {
  return `retention:${++topics}` as TopicName
}

/** What the retention promises, whatever the database. */
export function describeRetention(open: () => RetentionParts): void {
  function sweeper(
    rules: readonly RetentionRule[],
    options: { intervalMs?: number; database?: Database } = {},
  ) {
    return new RetentionSweeper({
      database: open().database,
      rules: parseRetention(rules),
      intervalMs: 3_600_000,
      onFault: (error) => {
        throw error
      },
      ...options,
    })
  }

  async function apply(...rules: RetentionRule[]) {
    await using retention = sweeper(rules)
    return await retention.apply()
  }

  function execute(sql: string, ...values: unknown[]): Promise<number> {
    return open().database.prisma.$executeRawUnsafe(sql, ...values)
  }

  async function fill(topic: TopicName, count: number, fields: Partial<Draft> = {}) {
    await open().log.append(Array.from({ length: count }, () => draft(topic, fields)))
  }

  /** As if the messages up to one had been published so long ago. */
  function age(topic: TopicName, upTo: number, seconds: number): Promise<number> {
    return execute(
      `UPDATE carillon.messages SET published_at = now() - $3::int * interval '1 second'
       WHERE sequence <= $2::bigint AND topic_id = (SELECT id FROM carillon.topics WHERE name = $1)`,
      topic,
      upTo,
      seconds,
    )
  }

  /** As if these messages had expired just now. */
  function expire(topic: TopicName, ...sequences: number[]): Promise<number> {
    return execute(
      `UPDATE carillon.messages SET expires_at = now() - interval '1 second'
       WHERE sequence = ANY ($2::bigint[])
         AND topic_id = (SELECT id FROM carillon.topics WHERE name = $1)`,
      topic,
      sequences,
    )
  }

  /** As if a run had ended right after it moved the tail. */
  function moveTail(topic: TopicName, tail: number): Promise<number> {
    return execute('UPDATE carillon.topics SET tail = $2::bigint WHERE name = $1', topic, tail)
  }

  async function stored(topic: TopicName): Promise<readonly number[]> {
    const rows = await open().database.prisma.$queryRawUnsafe<{ sequence: number }[]>(
      `SELECT m.sequence::float8 AS sequence
       FROM carillon.messages m JOIN carillon.topics t ON t.id = m.topic_id
       WHERE t.name = $1 ORDER BY m.sequence`,
      topic,
    )
    return rows.map(({ sequence }) => sequence)
  }

  async function sweptOf(topic: TopicName): Promise<number | undefined> {
    const [row] = await open().database.prisma.$queryRawUnsafe<{ swept: number }[]>(
      'SELECT swept::float8 AS swept FROM carillon.topics WHERE name = $1',
      topic,
    )
    return row?.swept
  }

  async function ends(topic: TopicName): Promise<readonly [tail: number, head: number]> {
    const { tail, head } = await open().log.topic(topic)
    return [tail, head]
  }

  async function history(topic: TopicName): Promise<readonly number[]> {
    const { messages } = await open().log.page({
      topic,
      take: 'last',
      limit: 1_000,
      reader: BACKEND,
    })
    return messages.map(({ sequence }) => sequence)
  }

  async function read(topic: TopicName, after = 0, limit = 1_000) {
    const { messages } = await open().log.read(topic, after as Sequence, limit)
    return messages
  }

  async function ack(topic: TopicName, name: string, sequence: number) {
    const store = new PrismaConsumerStore(open().database)
    const ack = { userId: 'ann', name, topic, sequence: sequence as Sequence }
    const [outcome] = await store.ack([ack])
    if (outcome?.kind !== 'acked') throw new Error(`The ack was not written: ${outcome?.kind}`)
    return outcome.consumer
  }

  test('keeps the newest messages, as many as a rule says', async () => {
    const [topic, other] = [newTopic(), newTopic()]
    await fill(topic, 10)
    await fill(other, 10)
    const report = await apply({ topics: topic, maxMessages: 4 })
    expect(report).toEqual({
      removed: 6,
      removedByTopic: new Map([[topic, 6]]),
      isComplete: true,
    })
    expect(await ends(topic)).toEqual([7, 10])
    expect(await stored(topic)).toEqual([7, 8, 9, 10])
    expect(await ends(other)).toEqual([1, 10])
    expect(await apply({ topics: topic, maxMessages: 4 })).toMatchObject({ removed: 0 })
  })

  test('removes what is older than a rule says', async () => {
    const topic = newTopic()
    await fill(topic, 10)
    await age(topic, 3, 60)
    expect(await apply({ topics: topic, maxAge: 61 })).toMatchObject({ removed: 0 })
    expect(await apply({ topics: topic, maxAge: 59 })).toMatchObject({ removed: 3 })
    expect(await ends(topic)).toEqual([4, 10])
  })

  test('moves the tail no further than to the first message that is young enough', async () => {
    const topic = newTopic()
    await fill(topic, 10)
    await age(topic, 10, 60)
    await age(topic, 5, 1) // as after a clock that was set back
    await age(topic, 2, 60)
    await apply({ topics: topic, maxAge: 30 })
    expect(await history(topic)).toEqual([3, 4, 5, 6, 7, 8, 9, 10])
  })

  test('removes by age and by number what either of them does not allow', async () => {
    const [byAge, byNumber] = [newTopic(), newTopic()]
    for (const topic of [byAge, byNumber]) await fill(topic, 10)
    await age(byAge, 8, 60)
    await age(byNumber, 2, 60)
    const limits = { maxAge: 30, maxMessages: 5 }
    await apply({ topics: byAge, ...limits }, { topics: byNumber, ...limits })
    expect(await ends(byAge)).toEqual([9, 10])
    expect(await ends(byNumber)).toEqual([6, 10])
  })

  test('goes by the first rule that matches a topic', async () => {
    const topic = newTopic()
    await fill(topic, 5)
    await apply({ topics: topic }, { topics: '*', maxMessages: 1 })
    expect(await ends(topic)).toEqual([1, 5])
    await apply({ topics: 'elsewhere', maxMessages: 1 }, { topics: 'retention:*', maxMessages: 2 })
    expect(await ends(topic)).toEqual([4, 5])
  })

  test('removes more than one batch, of more topics than one page', async () => {
    const names = Array.from({ length: 501 }, (_, n) => `many:${n}` as TopicName)
    const long = newTopic()
    await open().log.append(names.flatMap((name) => [draft(name), draft(name)]))
    for (let n = 0; n < 24; n++) await fill(long, 500)
    await age(long, 11_000, 7_200)
    const { removed } = await apply(
      { topics: 'many:*', maxMessages: 1 },
      { topics: long, maxAge: 3_600 },
    )
    expect(removed).toBe(501 + 11_000)
    expect(await ends(long)).toEqual([11_001, 12_000])
    expect(await ends(names[500] as TopicName)).toEqual([2, 2])
  }, 60_000)

  test('leaves a topic without messages with its head, and numbers on from there', async () => {
    const topic = newTopic()
    await fill(topic, 3)
    await age(topic, 3, 60)
    await apply({ topics: topic, maxAge: 30 })
    expect(await ends(topic)).toEqual([0, 3])
    expect(await history(topic)).toEqual([])
    expect(await read(topic)).toEqual([])
    await fill(topic, 1)
    expect(await ends(topic)).toEqual([4, 4])
    expect((await read(topic)).map(({ sequence }) => sequence)).toEqual([4])
  })

  test('keeps what the slowest consumer has to acknowledge, where a rule says so', async () => {
    const [topic, nobody] = [newTopic(), newTopic()]
    for (const each of [topic, nobody]) await fill(each, 10)
    await ack(topic, 'slow', 3)
    await ack(topic, 'fast', 9)
    const rule = { maxMessages: 2, keepUnacked: true }
    const rules = [topic, nobody].map((topics) => ({ topics, ...rule }))
    await apply(...rules)
    expect(await ends(topic)).toEqual([4, 10])
    expect(await ends(nobody)).toEqual([9, 10])
    await ack(topic, 'slow', 10)
    await apply(...rules)
    expect(await ends(topic)).toEqual([9, 10])
  })

  test('keeps what is not due, however far the consumers are', async () => {
    const topic = newTopic()
    await fill(topic, 10)
    await ack(topic, 'fast', 10)
    await apply({ topics: topic, maxAge: 60, maxMessages: 50, keepUnacked: true })
    expect(await ends(topic)).toEqual([1, 10])
  })

  test('counts only what is kept into the lag of a consumer', async () => {
    const topic = newTopic()
    await fill(topic, 10)
    await ack(topic, 'reader', 2)
    await apply({ topics: topic, maxMessages: 3 })
    expect(await ack(topic, 'reader', 2)).toMatchObject({ acked: 2, lag: 3 })
  })

  test('removes expired messages without any rule, and keeps their place for readers', async () => {
    const topic = newTopic()
    await fill(topic, 6, { payload: '"text"' as Draft['payload'] })
    await expire(topic, 3, 4, 6)
    await apply()
    expect(await stored(topic)).toEqual([1, 2, 5])
    expect(await ends(topic)).toEqual([1, 6])
    expect(await history(topic)).toEqual([1, 2, 5])
    const messages = await read(topic)
    expect(messages.map(({ sequence }) => sequence)).toEqual([1, 2, 3, 4, 5, 6])
    const shown = messages.filter((message) => !isExpired(message, Date.now()))
    expect(shown.map(({ sequence }) => sequence)).toEqual([1, 2, 5])
    expect((await read(topic, 2, 2)).map(({ sequence }) => sequence)).toEqual([3, 4])
    expect((await read(topic, 5, 2)).map(({ sequence }) => sequence)).toEqual([6])
  })

  test('moves the tail over expired messages to the first that is kept', async () => {
    const topic = newTopic()
    await fill(topic, 6)
    await expire(topic, 3)
    await apply()
    await expire(topic, 1, 2)
    await apply()
    expect(await ends(topic)).toEqual([4, 6])
    await expire(topic, 4, 5, 6)
    await apply()
    expect(await ends(topic)).toEqual([0, 6])
  })

  test('moves the tail along while it removes many expired messages', async () => {
    const topic = newTopic()
    for (let n = 0; n < 13; n++) await fill(topic, 500)
    await expire(topic, ...Array.from({ length: 6_500 }, (_, n) => n + 1))
    const kinds: string[] = []
    const look = (sql: string) => {
      if (sql.includes('expires_at <= now()')) kinds.push('expire')
      if (sql.includes('UPDATE carillon.topics')) kinds.push('move')
    }
    await using retention = sweeper([], { database: watched(open().database, look) })
    expect(await retention.apply()).toMatchObject({ removed: 6_500 })
    expect(kinds.indexOf('move')).toBeGreaterThan(0)
    expect(kinds.indexOf('move')).toBeLessThan(kinds.lastIndexOf('expire'))
    expect(await ends(topic)).toEqual([0, 6_500])
    expect(await sweptOf(topic)).toBe(6_501)
  }, 60_000)

  test('notes how far it has come, so that it looks there no more', async () => {
    const topic = newTopic()
    await fill(topic, 6)
    expect(await sweptOf(topic)).toBe(1)
    await apply({ topics: topic, maxMessages: 3 })
    expect(await sweptOf(topic)).toBe(4)
    await expire(topic, 4, 6)
    await apply()
    expect(await sweptOf(topic)).toBe(5)
    await moveTail(topic, 6)
    await apply({ topics: topic })
    expect(await sweptOf(topic)).toBe(7)
  })

  test('begins anew in a topic that was purged', async () => {
    const topic = newTopic()
    await fill(topic, 6)
    await apply({ topics: topic, maxMessages: 2 })
    await execute('SELECT carillon.carillon_purge($1, NULL)', topic)
    expect(await sweptOf(topic)).toBe(1)
    await fill(topic, 4)
    await moveTail(topic, 3)
    expect(await apply({ topics: topic })).toMatchObject({ removed: 2 })
    expect(await stored(topic)).toEqual([3, 4])
  })

  test('removes expired messages behind those of a topic that was purged', async () => {
    const [purged, topic] = [newTopic(), newTopic()]
    await fill(purged, 150)
    await expire(purged, ...Array.from({ length: 150 }, (_, n) => n + 1))
    await fill(topic, 3)
    await expire(topic, 2)
    await execute('SELECT carillon.carillon_purge($1, NULL)', purged)
    await apply()
    expect(await stored(topic)).toEqual([1, 3])
  })

  test('fills no place of a message that a slice has no room for', async () => {
    const topic = newTopic()
    await fill(topic, 4, { payload: JSON.stringify('x'.repeat(200_000)) as Draft['payload'] })
    await expire(topic, 2)
    await apply()
    expect((await read(topic)).map(({ sequence }) => sequence)).toEqual([1, 2, 3])
    expect((await read(topic, 3)).map(({ sequence }) => sequence)).toEqual([4])
  })

  test('what the tail has passed is read by nobody, and deleted by the next run', async () => {
    const topic = newTopic()
    await fill(topic, 6)
    const [first] = await read(topic)
    await moveTail(topic, 4)
    expect(await history(topic)).toEqual([4, 5, 6])
    expect((await read(topic)).map(({ sequence }) => sequence)).toEqual([4, 5, 6])
    const position = { epoch: first?.epoch ?? '', sequence: 3 as Sequence } as never
    expect(await open().log.message(topic, position, BACKEND)).toBeUndefined()
    const newest = { topic, take: 'last', limit: 3, reader: BACKEND } as const
    expect(await open().log.page(newest)).toMatchObject({ hasPrevious: false })

    expect(await apply({ topics: topic })).toMatchObject({ removed: 3 })
    expect(await stored(topic)).toEqual([4, 5, 6])
  })

  test('an idempotency key lives as long as its message', async () => {
    const topic = newTopic()
    const keyed = draft(topic, { idempotencyKey: 'key' })
    await open().log.append([keyed])
    await fill(topic, 1)
    expect(await open().log.append([keyed])).toMatchObject([{ duplicate: true }])
    await apply({ topics: topic, maxMessages: 1 })
    expect(await open().log.append([keyed])).toMatchObject([
      { duplicate: false, message: { sequence: 3 } },
    ])
  })

  test('works by itself from time to time', async () => {
    const topic = newTopic()
    await using _retention = sweeper([{ topics: topic, maxMessages: 1 }], { intervalMs: 1 })
    await fill(topic, 5)
    await expect.poll(() => ends(topic), PATIENCE).toEqual([5, 5])
    await fill(topic, 5)
    await expect.poll(() => ends(topic), PATIENCE).toEqual([10, 10])
  })

  test('stops when it is closed, after the delete under way', async () => {
    const topic = newTopic()
    for (let n = 0; n < 2; n++) await fill(topic, 500)
    const statements: string[] = []
    const retention = new RetentionSweeper({
      database: watched(open().database, (sql) => {
        if (!sql.includes('DELETE FROM carillon.messages m USING carillon.topics')) return
        statements.push(sql)
        void retention.close()
      }),
      rules: parseRetention([{ topics: topic, maxMessages: 1 }]),
      intervalMs: 3_600_000,
      onFault: () => undefined,
    })
    const { removed, isComplete } = await retention.apply()
    expect(isComplete).toBe(false)
    expect(statements).toHaveLength(1)
    expect(removed).toBeGreaterThan(0)
    expect(await stored(topic)).toHaveLength(1_000 - removed)
    expect(await ends(topic)).toEqual([1_000, 1_000])
    expect(await rejection(retention.apply())).toMatchObject({ code: 'SHUTTING_DOWN' })
    await apply({ topics: topic })
    expect(await stored(topic)).toEqual([1_000])
  })

  test('whatever happens, the head stays and what is read has no hole from tail to head', async () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('publish' as const), count: fc.integer({ min: 1, max: 9 }) }),
      fc.record({ kind: fc.constant('expire' as const), at: fc.nat(30) }),
      fc.record({ kind: fc.constant('age' as const), upTo: fc.nat(30) }),
      fc.record({ kind: fc.constant('ack' as const), at: fc.nat(30) }),
      fc.record({ kind: fc.constant('cut short' as const), by: fc.nat(5) }),
      fc.record({
        kind: fc.constant('apply' as const),
        maxMessages: fc.option(fc.integer({ min: 1, max: 12 }), { nil: undefined }),
        keepUnacked: fc.boolean(),
      }),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 12 }), async (steps) => {
        const topic = newTopic()
        const expired = new Set<number>()
        let [head, tail, acked] = [0, 1, 0]
        for (const each of steps) {
          switch (each.kind) {
            case 'publish':
              await fill(topic, each.count)
              head += each.count
              break
            case 'expire':
              if (each.at >= 1 && each.at <= head) expired.add(each.at)
              await expire(topic, each.at)
              break
            case 'age':
              await age(topic, each.upTo, 60)
              break
            case 'ack':
              if (head === 0) break
              acked = Math.max(acked, Math.min(each.at, head))
              await ack(topic, 'reader', Math.min(each.at, head))
              break
            case 'cut short':
              tail = Math.min(tail + each.by, head + 1)
              await moveTail(topic, tail)
              break
            case 'apply': {
              const { maxMessages, keepUnacked } = each
              const { tail: before } = await open().log.topic(topic)
              await apply({ topics: topic, maxAge: 30, maxMessages, keepUnacked })
              const { tail: after } = await open().log.topic(topic)
              expect(after === 0 || after >= before).toBe(true)
              const isKept = (sequence: number) => sequence > acked && !expired.has(sequence)
              const passed = Array.from({ length: head }, (_, n) => n + 1).filter(
                (sequence) => sequence >= tail && (sequence < after || after === 0),
              )
              const hasConsumer = acked > 0
              if (keepUnacked && hasConsumer) expect(passed.filter(isKept)).toEqual([])
              tail = after === 0 ? head + 1 : after
              break
            }
            default:
              each satisfies never
          }
          const state = await open().log.topic(topic)
          expect([state.head, state.tail]).toEqual([head, tail <= head ? tail : BEFORE_ALL])
          const messages = await read(topic)
          const numbers = Array.from({ length: head - tail + 1 }, (_, n) => tail + n)
          expect(messages.map(({ sequence }) => sequence)).toEqual(numbers)
          const visible = messages.filter((message) => !isExpired(message, Date.now()))
          expect(await history(topic)).toEqual(visible.map(({ sequence }) => sequence))
        }
      }),
      { numRuns: 30 },
    )
  }, 60_000)
}

/** The same database, but for a look at each statement before it is sent. */
function watched(database: Database, look: (sql: string) => void): Database {
  const prisma = new Proxy(database.prisma, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name)
      if (name !== '$queryRaw') return value
      return (statement: Prisma.Sql | TemplateStringsArray, ...values: unknown[]) => {
        look('sql' in statement ? statement.sql : statement.join('?'))
        return target.$queryRaw(statement, ...values)
      }
    },
  })
  return { ...database, prisma }
}

import { afterAll, beforeAll, expect, test } from 'vitest'
import { BACKEND } from '../../src/access/viewer.ts'
import { MemoryBus } from '../../src/bus/memory-bus.ts'
import { Acks } from '../../src/consumers/acks.ts'
import type { ConsumeRequest } from '../../src/consumers/consume-request.ts'
import { Consumers } from '../../src/consumers/consumers.ts'
import type { Pause } from '../../src/consumers/patience.ts'
import { PrismaConsumerStore } from '../../src/consumers/prisma-consumer-store.ts'
import { PrismaDeadLetterStore } from '../../src/consumers/prisma-dead-letter-store.ts'
import { PrismaLeaseStore } from '../../src/consumers/prisma-lease-store.ts'
import type { Database } from '../../src/database/database.ts'
import { MEMORY, openEmbedded } from '../../src/database/embedded.ts'
import { PrismaLog } from '../../src/log/prisma-log.ts'
import { gate, Handled } from '../support/handled.ts'
import { draft } from '../support/messages.ts'

let database: Database

beforeAll(async () => {
  database = await openEmbedded(MEMORY)
})
afterAll(() => database.close())

/** Consumers whose waiting is up to the test. */
function consumersThat(pause: Pause): { consumers: Consumers; log: PrismaLog; bus: MemoryBus } {
  const log = new PrismaLog(database)
  const bus = new MemoryBus(() => {})
  const store = new PrismaConsumerStore(database)
  const consumers = new Consumers({
    log,
    bus,
    acks: new Acks(store),
    store,
    leases: new PrismaLeaseStore(database),
    deadLetters: new PrismaDeadLetterStore(database),
    limits: { subscriptionTopics: 100, page: 1_000 },
    onFault: () => {},
    pause,
  })
  return { consumers, log, bus }
}

function failing(topic: string, request: Partial<ConsumeRequest>): ConsumeRequest {
  return {
    topics: [topic],
    consumer: 'mailer',
    handler: () => {
      throw new Error('No')
    },
    ...request,
  }
}

test('attempts are as far apart as the policy says, and as many', async () => {
  const delays: number[] = []
  const buried = gate()
  const { consumers, log } = consumersThat(async (ms) => {
    delays.push(ms)
  })
  await log.append([draft('retries:1'), draft('retries:1')])
  let calls = 0
  const handler = () => {
    if (++calls > 5) buried.open()
    if (calls <= 5) throw new Error('No')
  }
  const retry = { attempts: 5, baseDelay: 100, maxDelay: 500, jitter: 0 }
  const consumption = consumers.consume(failing('retries:1', { handler, retry }), BACKEND)
  await buried.opened
  await consumption.stop()
  expect(delays).toEqual([100, 200, 400, 500])
  expect(calls).toBe(6)
})

test('a topic that waits for its next attempt leaves the others its place', async () => {
  const waits = gate()
  const { consumers, log } = consumersThat(async () => waits.opened)
  await log.append([draft('poison'), draft('poison'), draft('healthy'), draft('healthy')])
  const handled = new Handled()
  const consumption = consumers.consume(
    {
      topics: ['poison', 'healthy'],
      consumer: 'mailer',
      concurrency: 1,
      retry: { attempts: 2 },
      handler: (message) => {
        if (message.topic === 'poison' && message.sequence === 1) throw new Error('No')
        handled.add(message)
      },
    },
    BACKEND,
  )
  await handled.atLeast(2)
  expect(handled.sequencesOf('healthy')).toEqual([1, 2])
  expect(handled.sequencesOf('poison')).toEqual([]) // what is behind it waits: the order is kept
  waits.open()
  await handled.atLeast(3)
  expect(handled.sequencesOf('poison')).toEqual([2])
  await consumption.stop()
})

test('who is stopped between two attempts leaves the message to whoever comes next', async () => {
  const waiting = gate()
  const { consumers, log } = consumersThat((_ms, signal) => {
    waiting.open()
    return new Promise((resolve) => signal.addEventListener('abort', () => resolve()))
  })
  await log.append([draft('left')])
  const consumption = consumers.consume(failing('left', {}), BACKEND)
  await waiting.opened
  await consumption.stop()
  const handled = new Handled()
  const attempts: number[] = []
  const next = consumers.consume(
    failing('left', {
      handler: (message, { attempt }) => {
        attempts.push(attempt)
        handled.add(message)
      },
    }),
    BACKEND,
  )
  await handled.atLeast(1)
  await next.stop()
  expect(attempts).toEqual([1])
})

test('an error of any kind is kept as a text of bounded length', async () => {
  const { consumers, log } = consumersThat(async () => {})
  const store = new PrismaDeadLetterStore(database)
  const thrown: readonly unknown[] = [
    new Error(`${'x'.repeat(2_000)}`),
    'a\0b\ud800',
    undefined,
    Object.create(null),
    new TypeError(''),
  ]
  await log.append(thrown.map(() => draft('errors')))
  const handler: ConsumeRequest['handler'] = ({ sequence }) => {
    throw thrown[sequence - 1]
  }
  const request = failing('errors', { handler, retry: { attempts: 1 } })
  const consumption = consumers.consume(request, BACKEND)
  const query = { userId: 'backend', topic: 'errors', consumer: undefined, limit: 10 }
  const page = () => store.page({ ...query, topic: draft('errors').topic, after: undefined })
  await expect.poll(async () => (await page()).letters.length).toBe(5)
  await consumption.stop()
  const errors = (await page()).letters.map(({ error }) => error)
  expect(errors[0]).toBe('x'.repeat(1_000))
  expect(errors.slice(1)).toEqual([
    expect.stringContaining('a'),
    'undefined',
    '[Object: null prototype] {}',
    'TypeError',
  ])
})

test('a handler that takes longer than the lease after a stop keeps its topic', async () => {
  const { consumers, log } = consumersThat(async () => {})
  await log.append([draft('long')])
  const [begun, finish] = [gate(), gate()]
  const first = consumers.consume(
    failing('long', {
      leaseMs: 500,
      handler: async () => {
        begun.open()
        await finish.opened
      },
    }),
    BACKEND,
  )
  await begun.opened
  const stopping = first.stop()
  const stolen: number[] = []
  const second = consumers.consume(
    failing('long', { leaseMs: 500, handler: ({ sequence }) => stolen.push(sequence) }),
    BACKEND,
  )
  await renewals('long', 6) // two leases
  finish.open()
  await stopping
  await log.append([draft('long')])
  await expect.poll(() => stolen).toEqual([2])
  await second.stop()
})

/** Resolves once the lease of a topic has been renewed so often. */
async function renewals(topic: string, count: number): Promise<void> {
  const seen = new Set<unknown>()
  const look = async () => {
    const [row] = await database.prisma.$queryRaw<{ readonly until: Date }[]>`
      SELECT l.expires_at AS until FROM carillon.consumer_leases l
      JOIN carillon.topics t ON t.id = l.topic_id WHERE t.name = ${topic}`
    return seen.add(row?.until.getTime()).size
  }
  await expect.poll(look, { timeout: 10_000, interval: 20 }).toBeGreaterThan(count)
}

test('a topic that was quiet for long is given up, and taken again at once', async () => {
  const { consumers, log, bus } = consumersThat(async () => {})
  const handled = new Handled()
  const [first] = await log.append([draft('quiet')])
  const consumption = consumers.consume(
    failing('quiet', { leaseMs: 500, handler: (message) => handled.add(message) }),
    BACKEND,
  )
  await handled.atLeast(1)
  const leases = () => database.prisma.$queryRaw<unknown[]>`
    SELECT 1 FROM carillon.consumer_leases l
    JOIN carillon.topics t ON t.id = l.topic_id WHERE t.name = 'quiet'`
  await expect.poll(leases, { timeout: 10_000 }).toEqual([])
  const [second] = await log.append([draft('quiet')])
  bus.publish([second?.message, first?.message].flatMap((message) => message ?? []))
  await handled.atLeast(2)
  await consumption.stop()
  expect(handled.sequencesOf('quiet')).toEqual([1, 2])
})

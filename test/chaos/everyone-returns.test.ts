import { fileURLToPath } from 'node:url'
import { describe, expect, inject, test } from 'vitest'
import { execute } from '../support/postgresql.ts'
import { judge } from './checker/judge.ts'
import { Publisher } from './checker/publisher.ts'
import { Random } from './checker/random.ts'
import { readLog } from './checker/read-log.ts'
import { Subscriber } from './checker/subscriber.ts'
import { createWorld, type World } from './checker/world.ts'

const describeWithAll = describe.skipIf(
  inject('redisServer') === null || inject('postgresqlBinaries') === null,
)

const CLIENTS = 400
const TOPICS = ['lobby:1', 'lobby:2', 'lobby:3', 'lobby:4']
const BUILD = fileURLToPath(new URL('../../dist', import.meta.url))

describeWithAll('everyone returns at once', () => {
  test('a rolling restart loses nothing, and costs far fewer queries than there are clients', async () => {
    await using world = await createWorld(BUILD, 2)
    const ports = world.instances.map(({ port }) => port)
    const publisher = new Publisher({
      ...{ name: 'publisher', topics: TOPICS, ports, random: new Random(1), pauseMs: 0 },
    })
    const subscribers = openSubscribers(world)
    const publishToAll = async () => {
      for (const topic of TOPICS) await publisher.publish(topic)
    }
    const isLive = () =>
      subscribers.every((one) => one.history.topics.every((topic) => one.positionIn(topic) > 0))
    while (!isLive()) await publishToAll()
    await untilAtHead(subscribers, publisher)

    const before = await queriesOf(world)
    const published = publisher.acknowledged.length + publisher.failures
    for (const instance of world.instances) {
      await instance.end('SIGTERM')
      await publishToAll() // while half of them are on their way
      await untilAtHead(subscribers, publisher)
      await instance.start()
    }
    const attempts = publisher.acknowledged.length + publisher.failures - published
    const queries = (await queriesOf(world)) - before - attempts

    await publishToAll()
    await untilAtHead(subscribers, publisher)
    const log = await readLog(ports[0] ?? 0, TOPICS)
    const histories = subscribers.map(({ history }) => history)
    expect(judge({ acknowledged: publisher.acknowledged, subscribers: histories, log })).toEqual([])
    const returned = subscribers.reduce((sum, { connections }) => sum + connections - 1, 0)
    expect(returned).toBeGreaterThanOrEqual(CLIENTS)
    expect(queries).toBeLessThan(returned / 2)
    await Promise.all(subscribers.map((one) => one[Symbol.asyncDispose]()))
  }, 120_000)
})

function openSubscribers({ instances, networks }: World): readonly Subscriber[] {
  const startedAt = performance.now()
  const ports = instances.map(({ port }) => port)
  const networkPorts = networks.map(({ port }) => port)
  return Array.from({ length: CLIENTS }, (_, n) => {
    const kind = n % 2 === 0 ? 'cursor' : 'automatic'
    const topics = [TOPICS[n % TOPICS.length] ?? '']
    const random = new Random(n)
    return new Subscriber({
      ...{
        name: `${kind} ${n}`,
        kind,
        topics,
        patterns: topics,
        networkPorts,
        ports,
        random,
        startedAt,
      },
    })
  })
}

async function untilAtHead(subscribers: readonly Subscriber[], { acknowledged }: Publisher) {
  const heads = new Map(acknowledged.map(({ topic, sequence }) => [topic, sequence]))
  const isAtHead = (one: Subscriber) =>
    one.history.topics.every((topic) => one.positionIn(topic) >= (heads.get(topic) ?? 0))
  await expect.poll(() => subscribers.every(isAtHead), { timeout: 60_000 }).toBe(true)
}

/** Each of them is a transaction of its own. */
async function queriesOf({ postgresql }: World): Promise<number> {
  const [row] = await execute(
    postgresql.url,
    `SELECT xact_commit::int AS count FROM pg_stat_database WHERE datname = current_database()`,
  )
  return Number(row?.count)
}

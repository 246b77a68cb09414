import { createCarillon, type DeadLetterPage, type Message } from 'carillon'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { fieldOf, request, startServer, type TestServer } from '../support/carillon.ts'
import { Handled } from '../support/handled.ts'
import { createDatabase, describeWithPostgresql, execute } from '../support/postgresql.ts'

/** Whom GraphQL takes everyone for, in open mode. */
const as = { userId: 'anonymous' }
const retry = { attempts: 2, baseDelay: 0 }

const PAGE = `query ($topic: TopicName!, $consumer: ID, $first: Int, $after: Cursor) {
  deadLetters(topic: $topic, consumer: $consumer, first: $first, after: $after) {
    edges { cursor node { id consumer attempts error failedAt message { id sequence payload } } }
    nodes { id }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
  }
}`

interface Connection {
  readonly edges: readonly {
    readonly cursor: string
    readonly node: { readonly id: string; readonly message: { readonly sequence: number } }
  }[]
  readonly pageInfo: { readonly hasNextPage: boolean; readonly endCursor: string | null }
}

let server: TestServer

beforeAll(async () => {
  server = await startServer()
})
afterAll(() => server[Symbol.asyncDispose]())

/** A topic with so many messages, of which a consumer could not handle the even ones. */
async function failingTopic(topic: string, count: number): Promise<Handled> {
  const { carillon } = server
  const inputs = Array.from({ length: count }, (_, n) => ({ topic, payload: n + 1 }))
  await carillon.publishMany(inputs)
  const handled = new Handled()
  const handler = (message: Message) => {
    handled.add(message)
    if (Number(message.payload) % 2 === 0) throw new Error(`No ${message.payload}`)
  }
  const calls = count + Math.floor(count / 2)
  const consumption = await carillon.consume(
    { topics: [topic], consumer: 'mailer', handler, retry },
    { as },
  )
  await handled.atLeast(calls)
  await acked(topic, count)
  await consumption.stop()
  return handled
}

/** Resolves once the consumer has acknowledged everything up to this. */
async function acked(topic: string, sequence: number): Promise<void> {
  const ack = () => server.carillon.ack({ topic, consumer: 'mailer', sequence: 0 }, { as })
  await expect.poll(async () => (await ack()).acked).toBe(sequence)
}

async function pageOf(variables: Record<string, unknown>): Promise<Connection> {
  return fieldOf(await request(server.url, PAGE, variables), 'deadLetters')
}

function sequencesOf({ letters }: DeadLetterPage): readonly number[] {
  return letters.map(({ message }) => message.sequence)
}

test('a message that cannot be handled is tried again, kept apart, and blocks none behind it', async () => {
  const handled = await failingTopic('dead:1', 4)
  expect(handled.payloads).toEqual([1, 2, 2, 3, 4, 4])
  const { edges, pageInfo } = await pageOf({ topic: 'dead:1' })
  expect(edges.map(({ node }) => node)).toMatchObject([
    { consumer: 'mailer', attempts: 2, error: 'No 2', message: { sequence: 2, payload: 2 } },
    { consumer: 'mailer', attempts: 2, error: 'No 4', message: { sequence: 4, payload: 4 } },
  ])
  expect(pageInfo).toMatchObject({ hasNextPage: false, endCursor: edges[1]?.cursor })
})

test('dead letters are paged by cursor, and are nodes of their user', async () => {
  const topic = 'dead:2'
  await failingTopic(topic, 6)
  const first = await pageOf({ topic, first: 2 })
  expect(first.edges.map(({ node }) => node.message.sequence)).toEqual([2, 4])
  expect(first.pageInfo.hasNextPage).toBe(true)
  const next = await pageOf({ topic, first: 2, after: first.pageInfo.endCursor })
  expect(next.edges.map(({ node }) => node.message.sequence)).toEqual([6])
  const id = next.edges[0]?.node.id
  const node = `query ($id: ID!) { node(id: $id) { __typename id ... on DeadLetter { error } } }`
  expect(fieldOf(await request(server.url, node, { id }), 'node')).toEqual({
    __typename: 'DeadLetter',
    id,
    error: 'No 6',
  })
  expect((await pageOf({ topic, consumer: 'other' })).edges).toEqual([])
  expect((await server.carillon.deadLetters({ topic })).letters).toEqual([])
  expect(sequencesOf(await server.carillon.deadLetters({ topic }, { as }))).toEqual([2, 4, 6])
})

test('what is put back is handled again at once, and dead again where it fails again', async () => {
  const { carillon, url } = server
  const topic = 'dead:3'
  await failingTopic(topic, 6)
  const attempts: unknown[] = []
  const handled = new Handled()
  await using _consumption = await carillon.consume(
    {
      topics: [topic],
      consumer: 'mailer',
      retry,
      leaseMs: 3_600_000, // whatever is found by looking around would come too late
      handler: (message, { attempt }) => {
        attempts.push([message.payload, attempt])
        handled.add(message)
        if (message.payload === 4) throw new Error('Still no')
      },
    },
    { as },
  )
  const replay = `mutation ($topic: TopicName!) {
    replayDeadLetters(topic: $topic, consumer: "mailer", limit: 2)
  }`
  expect(fieldOf(await request(url, replay, { topic }), 'replayDeadLetters')).toBe(2)
  await handled.atLeast(3)
  expect(attempts).toEqual([
    [2, 1],
    [4, 1],
    [4, 2],
  ])
  const letters = async () => (await carillon.deadLetters({ topic }, { as })).letters
  await expect.poll(letters).toHaveLength(2)
  expect(await letters()).toMatchObject([
    { error: 'Still no', message: { sequence: 4 } },
    { error: 'No 6', message: { sequence: 6 } },
  ])
  await acked(topic, 6)
})

test('what is put back waits for a consumer to come', async () => {
  const { carillon } = server
  const topic = 'dead:4'
  await failingTopic(topic, 2)
  expect(await carillon.replayDeadLetters({ topic }, { as })).toBe(1)
  expect(await carillon.replayDeadLetters({ topic }, { as })).toBe(0)
  const handled = new Handled()
  const handler = (message: Message) => handled.add(message)
  await using _consumption = await carillon.consume(
    { topics: ['dead:*'], consumer: 'mailer', handler },
    { as },
  )
  await handled.atLeast(1)
  expect(handled.payloads).toEqual([2])
})

test('dead letters are discarded for good', async () => {
  const topic = 'dead:5'
  await failingTopic(topic, 6)
  const discard = `mutation ($topic: TopicName!, $limit: Int) {
    discardDeadLetters(topic: $topic, limit: $limit)
  }`
  const discarded = await request(server.url, discard, { topic, limit: 2 })
  expect(fieldOf(discarded, 'discardDeadLetters')).toBe(2)
  expect(sequencesOf(await server.carillon.deadLetters({ topic }, { as }))).toEqual([6])
  expect(await server.carillon.discardDeadLetters({ topic, consumer: 'mailer' }, { as })).toBe(1)
  expect(await server.carillon.discardDeadLetters({ topic }, { as })).toBe(0)
})

test('a purge of the topic takes its dead letters along', async () => {
  const { carillon } = server
  const topic = 'dead:6'
  await failingTopic(topic, 2)
  expect(sequencesOf(await carillon.deadLetters({ topic }, { as }))).toEqual([2])
  await carillon.purgeTopic(topic)
  expect(sequencesOf(await carillon.deadLetters({ topic }, { as }))).toEqual([])
})

test('a consumer goes on in the new epoch of a topic that is purged', async () => {
  const { carillon } = server
  const topic = 'dead:7'
  const handled = new Handled()
  await using _consumption = await carillon.consume({
    topics: [topic],
    consumer: 'mailer',
    leaseMs: 1_000,
    handler: (message) => handled.add(message),
  })
  await carillon.publish({ topic, payload: 'old 1' })
  await carillon.publish({ topic, payload: 'old 2' })
  await handled.atLeast(2)
  await carillon.purgeTopic(topic)
  await carillon.publish({ topic, payload: 'new 1' })
  await handled.atLeast(3)
  expect(handled.payloads).toEqual(['old 1', 'old 2', 'new 1'])
  expect(handled.sequencesOf(topic)).toEqual([1, 2, 1])
})

test('limits that are out of range are refused', async () => {
  const { carillon } = server
  for (const limit of [0, 1_001, 1.5]) {
    const refused = { code: 'INVALID_LIMIT' }
    const topic = 'dead:1'
    await expect(carillon.deadLetters({ topic, first: limit })).rejects.toMatchObject(refused)
    await expect(carillon.replayDeadLetters({ topic, limit })).rejects.toMatchObject(refused)
    await expect(carillon.discardDeadLetters({ topic, limit })).rejects.toMatchObject(refused)
  }
})

describeWithPostgresql('dead letters of several instances', () => {
  test('what one puts back, the one that has the topic handles', async () => {
    await using database = await createDatabase()
    const options = { databaseUrl: database.url, logLevel: 'silent' } as const
    await using worker = await createCarillon(options)
    await using operator = await createCarillon(options)
    const handled = new Handled()
    let isBroken = true
    await using _consumption = await worker.consume({
      topics: ['shared'],
      consumer: 'mailer',
      leaseMs: 1_000,
      retry: { attempts: 1 },
      handler: (message) => {
        handled.add(message)
        if (isBroken) throw new Error('No')
      },
    })
    await operator.publish({ topic: 'shared', payload: 1 })
    const letters = async () => (await operator.deadLetters({ topic: 'shared' })).letters.length
    await expect.poll(letters, { timeout: 10_000 }).toBe(1)
    isBroken = false
    expect(await operator.replayDeadLetters({ topic: 'shared' })).toBe(1)
    await handled.atLeast(2)
    expect(handled.payloads).toEqual([1, 1])
  })

  test('nothing of a purged topic stays in the database', async () => {
    await using database = await createDatabase()
    await using carillon = await createCarillon({ databaseUrl: database.url, logLevel: 'silent' })
    const handler = () => {
      throw new Error('No')
    }
    const request = { topics: ['gone'], consumer: 'mailer', retry: { attempts: 1 }, handler }
    await using _consumption = await carillon.consume(request)
    await carillon.publish({ topic: 'gone', payload: 1 })
    const rows = async () => {
      const [row] = await execute(
        database.url,
        `SELECT (SELECT count(*) FROM carillon.dead_letters)::int AS letters,
                (SELECT count(*) FROM carillon.consumer_leases)::int AS leases`,
      )
      return row
    }
    await expect.poll(rows).toEqual({ letters: 1, leases: 1 })
    await carillon.purgeTopic('gone')
    await expect.poll(rows).toEqual({ letters: 0, leases: 0 })
  })
})

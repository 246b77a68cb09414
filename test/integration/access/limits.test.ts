import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { setTimeout as delay, setImmediate } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { LIMIT_NAMES, type LimitName, type Limits } from '../../../src/access/limits.ts'
import { startServer, type TestServer } from '../../support/carillon.ts'
import { createDatabase, describeWithPostgresql } from '../../support/postgresql.ts'
import { describeWithRedis, type PrivateRedis, startPrivateRedis } from '../../support/redis.ts'
import { lockTable } from '../../support/table-lock.ts'
import { openTalk, type Talk, type TalkResult, talkOver } from '../../support/talk.ts'
import { SECRET, tokenOf } from '../../support/tokens.ts'
import { openRawSocket } from '../../support/websocket.ts'

const SOON = { timeout: 20_000, interval: 20 }

/** Small ones, so that a test can go up to them. */
const SMALL = {
  payloadBytes: 20,
  metadataBytes: 21,
  presenceStateBytes: 22,
  snapshotBytes: 23,
  jsonDepth: 4,
  typeLength: 8,
  idempotencyKeyLength: 6,
  recipients: 2,
  publishMany: 3,
  ttl: 7,
  page: 8,
  filterValues: 3,
  subscriptionTopics: 2,
  maxPerSecond: 9,
  nodes: 4,
} satisfies Partial<Limits>

type Edge = readonly [limit: keyof typeof SMALL, where: string, ask: Ask]

/** Asks for so much. */
type Ask = (talk: Talk, amount: number) => Promise<TalkResult>

const PUBLISH = 'mutation ($input: PublishInput!) { publish(input: $input) { duplicate } }'

const publishing =
  (fields: (amount: number) => object): Ask =>
  (talk, amount) =>
    talk.ask(PUBLISH, { input: { topic: 'chat:1', payload: 1, ...fields(amount) } })

const asking =
  (query: string, variables: (amount: number) => object): Ask =>
  (talk, amount) =>
    talk.ask(query, variables(amount))

const text = (bytes: number) => 'é'.repeat((bytes - 2) / 2) + 'x'.repeat((bytes - 2) % 2)
const list = (length: number) => Array.from({ length }, (_, n) => `v:${n}`)
const nested = (depth: number): unknown => (depth === 0 ? 1 : [nested(depth - 1)])

const HISTORY = (args: string) =>
  `query ($n: Int, $from: [ID!], $types: [String!]) {
    messages(topic: "chat:1", ${args}) { headSequence }
  }`.replace(/query \(.*\)/, `query (${declared(args)})`)
const declared = (args: string) =>
  args.includes('$n') ? '$n: Int' : args.includes('$from') ? '$from: [ID!]' : '$types: [String!]'

const SAVE = 'mutation ($input: SnapshotInput!) { saveSnapshot(input: $input) { sequence } }'
const saving = (state: (amount: number) => unknown) =>
  asking(SAVE, (n) => ({ input: { topic: 'chat:1', sequence: 1, state: state(n) } }))

const ENTER = `subscription ($state: JSON) {
  presence(topics: "room:1", enter: { state: $state }) { type }
}`
const UPDATE =
  'mutation ($state: JSON) { updatePresence(topic: "room:1", state: $state) { userId } }'

/** Subscribes with what its first result comes from: a message that is there. */
const subscribing = (field: string, args: string) =>
  `subscription (${declared(args)}) { ${field}(topics: "chat:1", last: 1, ${args}) { __typename } }`

const TOPICS = (field: string, args = '') =>
  `subscription ($topics: [TopicPattern!]!) { ${field}(topics: $topics${args}) { __typename } }`
const topics = (count: number) => ({ topics: ['chat:1', ...list(count - 1)] })

const EDGES: readonly Edge[] = [
  ['payloadBytes', 'publish', publishing((n) => ({ payload: text(n) }))],
  [
    'payloadBytes',
    'publishMany',
    asking(
      'mutation ($inputs: [PublishInput!]!) { publishMany(inputs: $inputs) { duplicate } }',
      (n) => ({
        inputs: [1, text(n)].map((payload) => ({ topic: 'chat:1', payload })),
      }),
    ),
  ],
  ['metadataBytes', 'publish', publishing((n) => ({ metadata: text(n) }))],
  ['jsonDepth', 'a payload', publishing((n) => ({ payload: nested(n) }))],
  ['jsonDepth', 'metadata', publishing((n) => ({ metadata: nested(n) }))],
  ['jsonDepth', 'a snapshot', saving(nested)],
  ['jsonDepth', 'a state of presence', asking(ENTER, (n) => ({ state: nested(n) }))],
  ['typeLength', 'publish', publishing((n) => ({ type: 't'.repeat(n) }))],
  ['idempotencyKeyLength', 'publish', publishing((n) => ({ idempotencyKey: 'k'.repeat(n) }))],
  ['recipients', 'publish', publishing((n) => ({ to: list(n) }))],
  ['ttl', 'publish', publishing((n) => ({ ttl: n }))],
  [
    'publishMany',
    'publishMany',
    asking(
      'mutation ($inputs: [PublishInput!]!) { publishMany(inputs: $inputs) { duplicate } }',
      (n) => ({
        inputs: list(n).map((payload) => ({ topic: 'chat:1', payload })),
      }),
    ),
  ],
  ['snapshotBytes', 'saveSnapshot', saving(text)],
  ['presenceStateBytes', 'presence', asking(ENTER, (n) => ({ state: text(n) }))],
  [
    'presenceStateBytes',
    'updatePresence',
    async (talk, amount) => {
      const entered = talk.start(ENTER, { state: 1 })
      await entered.next()
      const answer = await talk.ask(UPDATE, { state: text(amount) })
      entered.complete()
      return answer
    },
  ],
  ['page', 'messages(first:)', asking(HISTORY('first: $n'), (n) => ({ n }))],
  ['page', 'messages(last:)', asking(HISTORY('last: $n'), (n) => ({ n }))],
  [
    'page',
    'topics',
    asking('query ($n: Int) { topics(first: $n) { nodes { name } } }', (n) => ({ n })),
  ],
  [
    'page',
    'deadLetters',
    asking('query ($n: Int) { deadLetters(topic: "chat:1", first: $n) { nodes { id } } }', (n) => ({
      n,
    })),
  ],
  [
    'page',
    'a subscription’s last',
    asking('subscription ($n: Int) { messages(topics: "chat:1", last: $n) { sequence } }', (n) => ({
      n,
    })),
  ],
  ['filterValues', 'messages(from:)', asking(HISTORY('from: $from'), (n) => ({ from: list(n) }))],
  [
    'filterValues',
    'messages(types:)',
    asking(HISTORY('types: $types'), (n) => ({ types: list(n) })),
  ],
  [
    'filterValues',
    'a subscription’s from',
    asking(subscribing('messages', 'from: $from'), (n) => ({
      from: ['anonymous', ...list(n - 1)],
    })),
  ],
  [
    'filterValues',
    'a subscription’s types',
    asking(subscribing('events', 'types: $types'), (n) => ({ types: ['message', ...list(n - 1)] })),
  ],
  ['subscriptionTopics', 'messages', asking(TOPICS('messages', ', last: 1'), topics)],
  ['subscriptionTopics', 'events', asking(TOPICS('events', ', last: 1'), topics)],
  ['subscriptionTopics', 'presence', asking(TOPICS('presence'), topics)],
  ['maxPerSecond', 'messages', asking(subscribing('messages', 'maxPerSecond: $n'), (n) => ({ n }))],
  [
    'nodes',
    'nodes',
    asking('query ($ids: [ID!]!) { nodes(ids: $ids) { id } }', (n) => ({ ids: list(n) })),
  ],
]

/** Limits that the suites below go up to. */
const BELOW: readonly LimitName[] = [
  'connectionsPerUser',
  'operationsPerSocket',
  'subscribesPerSecond',
  'messagesPerSecond',
  'publishesPerSecondPerUser',
  'publishesPerSecondPerTopic',
  'historyPagesPerUser',
  'socketBufferBytes',
  'bufferBytes',
]

/** Where the others are gone up to. */
const ELSEWHERE: Partial<Record<LimitName, string>> = {
  connections: 'connection-limits.test.ts',
  connectionsPerAddress: 'connection-limits.test.ts',
  unauthenticatedConnections: 'connection-limits.test.ts',
  initTimeoutMs: 'connection-limits.test.ts',
  initBytes: 'connection-limits.test.ts',
  frameBytes: 'connection-limits.test.ts',
  bodyBytes: 'connection-limits.test.ts',
  queryDepth: 'query-limits.test.ts',
  queryTokens: 'query-limits.test.ts',
  queryAliases: 'query-limits.test.ts',
  queryDirectives: 'query-limits.test.ts',
  queryCost: 'query-limits.test.ts',
}

/** How often something was refused because of a limit; all of them where none is named. */
async function refusals({ carillon, url }: TestServer): Promise<Readonly<Record<string, number>>> {
  const answered = await (await fetch(new URL('/metrics', url))).text()
  expect(answered).toBe(await carillon.metrics())
  const lines = answered.matchAll(/^carillon_limit_exceeded_total\{limit="(\w+)"\} (\d+)$/gm)
  return Object.fromEntries([...lines].map(([, limit, count]) => [limit, Number(count)]))
}

/** What a limit has refused during this, on all of these servers. */
async function refusedDuring<T>(servers: readonly TestServer[], work: () => Promise<T>) {
  const total = async () => {
    const sum: Record<string, number> = {}
    for (const server of servers) {
      for (const [limit, count] of Object.entries(await refusals(server))) {
        sum[limit] = (sum[limit] ?? 0) + count
      }
    }
    return sum
  }
  const before = await total()
  const answer = await work()
  const counted: Record<string, number> = {}
  for (const [limit, count] of Object.entries(await total())) {
    const difference = count - (before[limit] ?? 0)
    if (difference > 0) counted[limit] = difference
  }
  return { answer, counted }
}

test('every limit has a test of what happens at it', async () => {
  const here: readonly string[] = [...EDGES.map(([limit]) => limit), ...BELOW]
  const untested = LIMIT_NAMES.filter((name) => !here.includes(name) && !(name in ELSEWHERE))
  expect(untested).toEqual([])
  for (const [limit, file] of Object.entries(ELSEWHERE)) {
    const source = await readFile(new URL(`../${file}`, import.meta.url), 'utf8')
    expect(source, `${file} tests ${limit}`).toMatch(new RegExp(`\\b${limit}\\b`))
  }
  const own = await readFile(new URL(import.meta.url), 'utf8')
  for (const limit of BELOW) {
    const isSet = own.includes(`{ ${limit}: `) || own.includes(`['${limit}', (`)
    expect(isSet, `${limit} is set to something`).toBe(true)
  }
})

describe('What one request asks for', () => {
  let server: TestServer
  let talk: Talk

  beforeAll(async () => {
    server = await startServer({ limits: SMALL })
    talk = await openTalk(server.socketUrl)
    await server.carillon.publish({ topic: 'chat:1', payload: 1 }, { as: { userId: 'anonymous' } })
  })
  afterAll(async () => {
    await talk[Symbol.asyncDispose]()
    await server[Symbol.asyncDispose]()
  })

  test.each(EDGES)('%s of %s: as much passes, one more does not', async (limit, _where, ask) => {
    const max = SMALL[limit]
    const passed = await refusedDuring([server], () => ask(talk, max))
    expect(passed.answer.errors).toBeUndefined()
    expect(passed.counted).toEqual({})
    const refused = await refusedDuring([server], () => ask(talk, max + 1))
    expect(refused.answer.errors?.map(({ extensions }) => extensions.limit)).toEqual([limit])
    expect(refused.counted).toEqual({ [limit]: 1 })
  })

  test('the library is held to them, too, and what it asks is counted', async () => {
    const { carillon } = server
    const topics = list(SMALL.subscriptionTopics + 1)
    const calls: readonly (readonly [LimitName, () => Promise<unknown>])[] = [
      ['payloadBytes', () => carillon.publish({ topic: 'chat:1', payload: text(21) })],
      ['publishMany', () => carillon.publishMany(list(4).map((topic) => ({ topic, payload: 1 })))],
      ['subscriptionTopics', () => carillon.subscribe({ topics })],
      [
        'subscriptionTopics',
        () => carillon.consume({ topics, consumer: 'worker', handler: () => {} }),
      ],
      ['page', () => carillon.messages({ topic: 'chat:1', last: 9 })],
    ]
    for (const [limit, call] of calls) {
      const { counted } = await refusedDuring([server], () =>
        expect(call()).rejects.toMatchObject({ limit }),
      )
      expect(counted).toEqual({ [limit]: 1 })
    }
  })
})

function secured(limits: Partial<Limits>, options: Parameters<typeof startServer>[0] = {}) {
  return startServer({ jwt: { secret: SECRET }, limits, ...options })
}

async function talkOf(server: TestServer, sub = 'ann'): Promise<Talk> {
  return openTalk(server.socketUrl, { token: await tokenOf({ sub }) })
}

/** What each of the answers that are refused says. */
function refusalsOf(answers: readonly TalkResult[]) {
  return answers.flatMap(({ errors = [] }) => errors.map(({ extensions }) => extensions))
}

describe('Of one socket', () => {
  test('connectionsPerUser are open at once: one more is closed with 1013', async () => {
    await using server = await secured({ connectionsPerUser: 2 })
    const first = await talkOf(server)
    await using second = await talkOf(server)
    const { counted } = await refusedDuring([server], async () => {
      await using raw = await openRawSocket(server.socketUrl)
      raw.send({ type: 'connection_init', payload: { token: await tokenOf() } })
      expect(await raw.closed()).toEqual({
        code: 1013,
        reason: 'RATE_LIMIT_EXCEEDED: At most 2 at once (connectionsPerUser).',
      })
    })
    expect(counted).toEqual({ connectionsPerUser: 1 })
    await using other = await talkOf(server, 'bob')
    for (const { raw } of [second, other]) expect(raw.socket.readyState).toBe(raw.socket.OPEN)
    await first[Symbol.asyncDispose]()
    const open = async () => (await server.carillon.metrics()).match(/^carillon_connections (.*)$/m)
    await expect.poll(async () => (await open())?.[1], SOON).toBe('2')
    await using again = await talkOf(server)
    expect(again.raw.socket.readyState).toBe(again.raw.socket.OPEN)
  })

  test('connectionsPerUser are not counted in open mode', async () => {
    await using server = await startServer({ limits: { connectionsPerUser: 1 } })
    await using one = await openTalk(server.socketUrl, { userId: 'ann' })
    await using other = await openTalk(server.socketUrl, { userId: 'ann' })
    for (const { raw } of [one, other]) expect(raw.socket.readyState).toBe(raw.socket.OPEN)
  })

  test('operationsPerSocket are under way at once: one more is refused', async () => {
    await using server = await startServer({ limits: { operationsPerSocket: 3 } })
    await using talk = await openTalk(server.socketUrl)
    const query = 'subscription { presence(topics: "room:1") { type } }'
    const open = [1, 2].map(() => talk.start(query))
    for (const operation of open) expect((await operation.next()).type).toBe('next')
    expect((await talk.ask('{ __typename }')).errors).toBeUndefined()
    const third = talk.start(query)
    expect((await third.next()).type).toBe('next')
    for (const more of [query, '{ __typename }']) {
      const { answer, counted } = await refusedDuring([server], () => talk.ask(more))
      expect(refusalsOf([answer])).toEqual([
        { code: 'TOO_MANY_SUBSCRIPTIONS', retryable: false, limit: 'operationsPerSocket' },
      ])
      expect(counted).toEqual({ operationsPerSocket: 1 })
    }
    third.complete()
    const asked = async () => (await talk.ask('{ __typename }')).errors
    await expect.poll(asked, SOON).toBeUndefined()
    await using another = await openTalk(server.socketUrl)
    expect((await another.ask(query)).errors).toBeUndefined()
  })

  test('subscribesPerSecond: when to try again is said, and it passes then', async () => {
    const limits = { subscribesPerSecond: 1, operationsPerSocket: 4 }
    await using server = await startServer({ limits })
    await using talk = await openTalk(server.socketUrl)
    // Counted before it is looked at what it is about: none of them stays.
    const start = () => talk.ask(TOPICS('presence'), { topics: 'not a topic' })
    const begun = performance.now()
    const { answer, counted } = await refusedDuring([server], async () => {
      const answers = [await start()]
      while (refusalsOf(answers).at(-1)?.code === 'INVALID_TOPIC_PATTERN')
        answers.push(await start())
      return answers
    })
    const refusal = refusalsOf(answer).at(-1)
    expect(refusal).toMatchObject({ code: 'RATE_LIMIT_EXCEEDED', limit: 'subscribesPerSecond' })
    expect(answer.length).toBeGreaterThanOrEqual(5)
    expect(answer.length).toBeLessThanOrEqual(5 + (performance.now() - begun) / 1_000)
    expect(refusal?.retryAfterMs).toBeGreaterThan(0)
    expect(refusal?.retryAfterMs).toBeLessThanOrEqual(1_000)
    expect(counted).toEqual({ subscribesPerSecond: 1 })
    expect((await talk.ask('{ __typename }')).errors).toBeUndefined()
    await delay((refusal?.retryAfterMs ?? 0) + 1) // timers may be early by a part of a millisecond
    expect(refusalsOf([await start()])[0]?.code).toBe('INVALID_TOPIC_PATTERN')
  })

  test.each([
    ['messages of the protocol', (talk: Talk) => talk.raw.send({ type: 'ping' })],
    ['pings of the WebSocket', (talk: Talk) => talk.raw.socket.ping()],
  ])('messagesPerSecond, twice as many at once: one more of %s closes it', async (_what, send) => {
    await using server = await startServer({ limits: { messagesPerSecond: 5 } })
    const open = async () => {
      const talk = talkOver(await openRawSocket(server.socketUrl))
      talk.raw.send({ type: 'connection_init' })
      await talk.raw.receive()
      return talk
    }
    const passed = await refusedDuring([server], async () => {
      await using talk = await open()
      for (let n = 0; n < 7; n++) send(talk)
      expect((await talk.ask('{ __typename }')).errors).toBeUndefined()
    })
    expect(passed.counted).toEqual({})
    const refused = await refusedDuring([server], async () => {
      await using talk = await open()
      for (let n = 0; n < 20; n++) send(talk)
      expect(await talk.raw.closed()).toEqual({
        code: 1013,
        reason: 'RATE_LIMIT_EXCEEDED: More than 5 messages a second (messagesPerSecond).',
      })
    })
    expect(refused.counted).toEqual({ messagesPerSecond: 1 })
  })
})

type PublishLimit = 'publishesPerSecondPerUser' | 'publishesPerSecondPerTopic'

const RATES: readonly [PublishLimit, (n: number) => string, (n: number) => string][] = [
  ['publishesPerSecondPerUser', () => 'ann', (n) => `chat:${n}`],
  ['publishesPerSecondPerTopic', (n) => `user-${n % 3}`, () => 'chat:1'],
]

/** Publishes so much at once, one message each, in the names of users. */
async function burst(
  servers: readonly TestServer[],
  count: number,
  { user, topic }: { user: (n: number) => string; topic: (n: number) => string },
): Promise<readonly PromiseRejectedResult[]> {
  const publishing = Array.from({ length: count }, (_, n) => {
    const carillon = servers[n % servers.length]?.carillon
    return carillon?.publish({ topic: topic(n), payload: n }, { as: { userId: user(n) } })
  })
  const settled = await Promise.allSettled(publishing)
  return settled.filter(({ status }) => status === 'rejected') as PromiseRejectedResult[]
}

describe.each(RATES)('%s', (limit, user, topic) => {
  test('on one instance: so many pass, and the others when it is said', async () => {
    await using server = await secured({ [limit]: 5 })
    const { answer: refused, counted } = await refusedDuring([server], () =>
      burst([server], 8, { user, topic }),
    )
    expect(refused.length).toBe(3)
    expect(counted).toEqual({ [limit]: 3 })
    const waits = refused.map(({ reason }) => {
      expect(reason).toMatchObject({ code: 'RATE_LIMIT_EXCEEDED', limit })
      return Number((reason as { retryAfterMs?: number }).retryAfterMs)
    })
    for (const ms of waits) expect(ms).toBeGreaterThan(0)
    for (const ms of waits) expect(ms).toBeLessThanOrEqual(1_000)
    await delay(Math.max(...waits) + 1) // timers of Node may be early by a part of a millisecond
    expect(await burst([server], 5, { user, topic })).toEqual([])
  })

  test('over GraphQL, a publishMany counts all its messages, and is refused as a whole', async () => {
    await using server = await secured({ [limit]: 5 })
    await using talk = await talkOf(server)
    const query = `mutation ($inputs: [PublishInput!]!) {
      publishMany(inputs: $inputs) { duplicate }
    }`
    const inputs = Array.from({ length: 3 }, (_, n) => ({ topic: topic(n), payload: n }))
    const { answer, counted } = await refusedDuring([server], () =>
      Promise.all([talk.ask(query, { inputs }), talk.ask(query, { inputs })]),
    )
    expect(refusalsOf(answer).map((refusal) => refusal.limit)).toEqual([limit])
    expect(counted).toEqual({ [limit]: 1 })
    const { topic: state } = await server.carillon.messages({ topic: topic(0), last: 1 })
    expect(state.head).toBe(limit === 'publishesPerSecondPerTopic' ? 3 : 1)
  })

  test('API keys and the library are not counted', async () => {
    await using server = await secured({ [limit]: 1 })
    const { key } = await server.carillon.createApiKey({
      name: 'ann',
      capabilities: [{ topics: '*', actions: ['*'] }],
    })
    await using talk = await openTalk(server.socketUrl, { token: key })
    for (let n = 0; n < 5; n++) {
      const input = { topic: topic(n), payload: n }
      expect((await talk.ask(PUBLISH, { input })).errors).toBeUndefined()
      await server.carillon.publish(input)
    }
    expect(await refusals(server)).toEqual({})
  })

  test('in open mode holds only where it is set', async () => {
    const ask = async (limits: Partial<Limits>) => {
      await using server = await startServer({ limits })
      return (await burst([server], 4, { user, topic })).length
    }
    expect(await ask({ [limit]: 3 })).toBe(1)
    expect(await ask({ [limit]: 0 })).toBe(0)
    await using unlimited = await startServer()
    expect(await burst([unlimited], 1_500, { user, topic })).toEqual([])
  })
})

/** Until an instance counts in Redis: before it has connected, it counts for itself. */
async function untilCounting({ carillon }: TestServer, redis: PrivateRedis): Promise<void> {
  const counted = async () => {
    const name = randomUUID()
    await carillon.publish({ topic: name, payload: 1 }, { as: { userId: name } })
    return redis.call('KEYS', `carillon:publishes*${name}`)
  }
  await expect.poll(counted, SOON).toHaveLength(2) // the user and the topic
}

describeWithPostgresql('Two instances', () => {
  describeWithRedis('over Redis', () => {
    test.each(RATES)('let together not more than %s pass', async (limit, user, topic) => {
      await using database = await createDatabase()
      await using redis = await startPrivateRedis()
      const options = { databaseUrl: database.url, redisUrl: redis.url }
      await using one = await secured({ [limit]: 10 }, options)
      await using other = await secured({ [limit]: 10 }, options)
      for (const server of [one, other]) await untilCounting(server, redis)
      for (let round = 0; ; round++) {
        const begun = performance.now()
        const refused = await burst([one, other], 24, {
          user: (n) => `${round}-${user(n)}`,
          topic: (n) => `${round}-${topic(n)}`,
        })
        const reasons = refused.map(({ reason }) => (reason as { limit?: string }).limit)
        expect(new Set(reasons)).toEqual(new Set([limit]))
        if (performance.now() - begun > 900) continue // it was perhaps not one window
        expect(refused.length).toBe(14)
        break
      }
    })

    test.each(RATES)(
      'count each for themselves %s while Redis is away',
      async (limit, user, topic) => {
        await using database = await createDatabase()
        await using redis = await startPrivateRedis()
        const options = { databaseUrl: database.url, redisUrl: redis.url }
        await using one = await secured({ [limit]: 5 }, options)
        await using other = await secured({ [limit]: 5 }, options)
        expect(await burst([one, other], 2, { user, topic })).toEqual([])
        await redis.kill()
        for (const server of [one, other]) {
          for (let round = 0; ; round++) {
            const begun = performance.now()
            const refused = await burst([server], 8, {
              user: (n) => `${round}-${user(n)}`,
              topic: (n) => `${round}-${topic(n)}`,
            })
            for (const { reason } of refused) expect(reason).toMatchObject({ limit })
            if (performance.now() - begun > 900) continue
            expect(refused.length).toBe(3)
            break
          }
        }
      },
    )
  })

  test('historyPagesPerUser: one more than are held up is refused, and others are not', async () => {
    await using database = await createDatabase()
    const limits = { historyPagesPerUser: 2 }
    await using server = await secured(limits, { databaseUrl: database.url })
    await server.carillon.publish({ topic: 'chat:1', payload: 1 })
    await using ann = await talkOf(server)
    await using bob = await talkOf(server, 'bob')
    const page = (talk: Talk) => talk.ask('{ messages(topic: "chat:1") { headSequence } }')
    await using lock = await lockTable(database.url, 'carillon.messages')
    const held = [page(ann), page(ann)]
    await lock.untilAwaited()
    const { answer, counted } = await refusedDuring([server], () => page(ann))
    expect(refusalsOf([answer])).toEqual([
      { code: 'RATE_LIMIT_EXCEEDED', retryable: true, limit: 'historyPagesPerUser' },
    ])
    expect(counted).toEqual({ historyPagesPerUser: 1 })
    held.push(page(bob))
    const own = Array.from({ length: 3 }, () => server.carillon.messages({ topic: 'chat:1' }))
    await lock[Symbol.asyncDispose]()
    for (const { errors } of await Promise.all(held)) expect(errors).toBeUndefined()
    await Promise.all(own) // the library is no user
    for (const again of await Promise.all([page(ann), page(ann)])) {
      expect(again.errors).toBeUndefined()
    }
    expect(await refusals(server)).toEqual({ historyPagesPerUser: 1 })
  })
})

const KIB = 1024
const MIB = 1024 * KIB

describe('What waits for a client that does not read', { timeout: 120_000 }, () => {
  test.each<[string, Partial<Limits>, boolean]>([
    ['over socketBufferBytes is left out', { socketBufferBytes: 64 * KIB }, true],
    ['over bufferBytes is left out', { bufferBytes: 64 * KIB, socketBufferBytes: 64 * MIB }, true],
    ['below both comes', { bufferBytes: 128 * MIB, socketBufferBytes: 64 * MIB }, false],
  ])('%s', async (_what, limits, isDropped) => {
    await using server = await startServer({ limits })
    await using talk = await openTalk(server.socketUrl)
    const query = `subscription {
      messages(topics: "chat:1", last: 1) { sequence ephemeral payload }
    }`
    await server.carillon.publish({ topic: 'chat:1', payload: 'first' })
    const operation = talk.start(query)
    await operation.next()
    talk.raw.socket.pause()
    const payload = 'x'.repeat(30_000)
    for (let n = 0; n < 600; n++) {
      await server.carillon.publish({ topic: 'chat:1', payload, ephemeral: true })
      await setImmediate() // for the socket to take what it takes
    }
    await server.carillon.publish({ topic: 'chat:1', payload: 'last' })
    talk.raw.socket.resume()
    let [received, dropped] = [0, 0]
    for (let isLast = false; !isLast; ) {
      const { data, extensions } = await operation.next()
      const { messages } = data as { messages: { sequence: number | null } }
      dropped += extensions?.carillon?.dropped ?? 0
      isLast = messages.sequence !== null
      if (!isLast) received++
    }
    expect(received + dropped).toBe(600)
    expect(dropped > 0).toBe(isDropped)
  })
})

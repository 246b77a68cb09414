import { PGlite } from '@electric-sql/pglite'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import type { CapabilityGrant } from '../../../src/access/capabilities.ts'
import { encodeCursor } from '../../../src/core/cursor.ts'
import {
  fieldOf,
  type GraphQLResponse,
  request,
  startServer,
  type TestServer,
} from '../../support/carillon.ts'
import { AUDIENCE, covers, TOPIC } from '../../support/matrix/credentials.ts'
import { type Asked, OPERATIONS } from '../../support/matrix/operations.ts'
import { EVENTS, POST, SOCKET } from '../../support/matrix/transports.ts'
import { prepareWorld, type World } from '../../support/matrix/world.ts'
import { SECRET, tokenOf } from '../../support/tokens.ts'
import { openAcknowledged, untilLive } from '../../support/websocket.ts'

/** As long a name as that of the topic, which is there. */
const MISSING = 'room:9'

let world: World

beforeAll(async () => {
  world = await prepareWorld()
})
afterAll(() => world[Symbol.asyncDispose]())
afterEach(() => void vi.restoreAllMocks())

function tokenFor(sub: string, ...can: readonly CapabilityGrant[]): Promise<string> {
  return tokenOf({ sub, can, claims: { aud: AUDIENCE } })
}

/** What someone gets who may do this. */
async function ask(
  { url }: TestServer,
  token: string,
  query: string,
  variables: Record<string, unknown> = {},
): Promise<GraphQLResponse> {
  return request(url, query, variables, { authorization: `Bearer ${token}` })
}

function codesOf({ errors }: GraphQLResponse): readonly string[] {
  return errors?.map(({ extensions }) => extensions.code) ?? []
}

/** The same, of the topic that is not there. */
function ofMissing(asked: Asked): Asked {
  const { ids } = asked
  return {
    ...asked,
    topic: MISSING,
    target: MISSING,
    cursor: renamed(asked.cursor),
    ids: {
      topic: renamedId(ids.topic),
      message: renamedId(ids.message),
      consumer: renamedId(ids.consumer),
      // It has a cursor inside, in the same letters.
      deadLetter: deadLetterOf(ids.deadLetter),
    },
  }
}

function renamed(text: string): string {
  const decoded = Buffer.from(text, 'base64url').toString()
  expect(decoded).toContain(TOPIC)
  return Buffer.from(decoded.replace(TOPIC, MISSING)).toString('base64url')
}

function renamedId(id: string): string {
  return `${id.slice(0, 2)}${renamed(id.slice(2))}`
}

function deadLetterOf(id: string): string {
  const [cursor, ...rest] = JSON.parse(Buffer.from(id.slice(2), 'base64url').toString()) as string[]
  const changed = JSON.stringify([renamed(String(cursor)), ...rest])
  return `${id.slice(0, 2)}${Buffer.from(changed).toString('base64url')}`
}

/** Statements that were sent to the database, but for those that ask for revocations from time to time. */
function countStatements(): () => readonly string[] {
  const spies = [
    vi.spyOn(PGlite.prototype, 'query'),
    vi.spyOn(PGlite.prototype, 'exec'),
    vi.spyOn(PGlite.prototype, 'transaction'),
  ]
  return () =>
    spies
      .flatMap(({ mock }) => mock.calls.map(([statement]) => String(statement)))
      .filter((statement) => !statement.includes('revocations'))
}

const CALLERS: readonly (readonly [string, readonly CapabilityGrant[]])[] = [
  ['may do nothing', []],
  ['may do everything elsewhere', [{ topics: 'other:1', actions: ['*'] }]],
  ['may publish only', [{ topics: 'room:*', actions: ['PUBLISH'] }]],
  ['may be present only', [{ topics: 'room:*', actions: ['PRESENCE'] }]],
]

describe.each([POST, EVENTS, SOCKET])('over $name', (transport) => {
  test.each(CALLERS)(
    'a topic that is there looks like one that is not, to who %s, and nobody looks it up',
    async (_name, grants) => {
      const token = await tokenFor('bob', ...grants)
      await using channel = await transport.open(world.server, token)
      await channel.ask('{ viewer { userId } }')
      const asked = { ...world.prepared, target: TOPIC, mark: 'denied' as const, token }
      const statements = countStatements()
      let compared = 0
      for (const { name, kind, needs, denied, document } of OPERATIONS) {
        const isPermitted = needs.every((action) => covers(grants, action, TOPIC))
        if (isPermitted || !transport.kinds.includes(kind) || denied === 'empty') continue
        const there = await channel.ask(document(asked))
        const missing = await channel.ask(document(ofMissing(asked)))
        expect(`${name}: ${there.outcome}`).toBe(`${name}: ${denied}`)
        expect(missing.text.replaceAll(MISSING, TOPIC)).toBe(there.text)
        expect(missing.status).toBe(there.status)
        compared++
      }
      expect(compared).toBeGreaterThan(9)
      expect(statements()).toEqual([])
    },
  )
})

test('statements are counted: what is permitted sends some', async () => {
  const statements = countStatements()
  await ask(world.server, world.token, `{ topic(name: "${TOPIC}") { epoch } }`)
  expect(statements().length).toBeGreaterThan(0)
})

const TOPICS = `query ($first: Int, $after: Cursor, $prefix: String) {
  topics(first: $first, after: $after, prefix: $prefix) {
    nodes { name } pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
  }
}`

interface TopicsPage {
  readonly nodes: readonly { readonly name: string }[]
  readonly pageInfo: {
    readonly hasNextPage: boolean
    readonly hasPreviousPage: boolean
    readonly endCursor: string | null
  }
}

describe('topics that may not be seen', () => {
  const SEEN = ['b:eu:1', 'b:eu:2', 'b:eu:3']
  /** Before, among and behind those that are seen. */
  const UNSEEN = ['a:1', 'b:eu', 'b:euro:1', 'b:us:1', 'c:1']
  const crowd = Array.from({ length: 40 }, (_, n) => `d:${n}`)
  const jwt = { secret: SECRET, audience: AUDIENCE }
  let byCapabilities: TestServer
  let byAuthorize: TestServer

  beforeAll(async () => {
    byCapabilities = await startServer({ jwt })
    byAuthorize = await startServer({ jwt, authorize: ({ topic }) => SEEN.includes(topic) })
    for (const { carillon } of [byCapabilities, byAuthorize]) {
      const names = [...SEEN, ...UNSEEN, ...crowd]
      await carillon.publishMany(names.map((topic) => ({ topic, payload: topic })))
    }
  })
  afterAll(async () => {
    await byCapabilities[Symbol.asyncDispose]()
    await byAuthorize[Symbol.asyncDispose]()
  })

  const cases: readonly (readonly [string, () => TestServer, readonly CapabilityGrant[]])[] = [
    ['by capabilities', () => byCapabilities, [{ topics: 'b:eu:*', actions: ['*'] }]],
    ['by names', () => byCapabilities, [{ topics: SEEN, actions: ['*'] }]],
    ['by authorize', () => byAuthorize, [{ topics: '*', actions: ['*'] }]],
  ]

  test.each(cases)('%s: pages do not tell of them', async (_name, server, can) => {
    const token = await tokenFor('bob', ...can)
    for (const first of [1, 2, 3, 4, 25]) {
      const seen: string[] = []
      let after: string | null = null
      do {
        const page: TopicsPage = fieldOf(
          await ask(server(), token, TOPICS, { first, after }),
          'topics',
        )
        seen.push(...page.nodes.map(({ name }) => name))
        expect(page.pageInfo.hasNextPage).toBe(seen.length < SEEN.length)
        expect(page.pageInfo.hasPreviousPage).toBe(after !== null)
        after = page.pageInfo.hasNextPage ? page.pageInfo.endCursor : null
      } while (after !== null)
      expect(seen).toEqual(SEEN)
    }
    for (const prefix of ['a:', 'b:us', 'd:']) {
      const answer = await ask(server(), token, TOPICS, { prefix, first: 1 })
      const none = await ask(server(), token, TOPICS, { prefix: 'x:', first: 1 })
      expect(answer).toEqual(none)
    }
  })

  test.each(cases)('%s: nodes are not there', async (_name, server, can) => {
    const all = await ask(
      server(),
      await tokenFor('admin', { topics: '*', actions: ['*'] }),
      TOPICS,
    )
    expect(codesOf(all)).toEqual([])
    const names = [...SEEN, ...UNSEEN, 'e:1']
    const ids = names.map((name) => `t.${Buffer.from(name).toString('base64url')}`)
    const query = 'query ($ids: [ID!]!) { nodes(ids: $ids) { ... on Topic { name } } }'
    const answer = await ask(server(), await tokenFor('bob', ...can), query, { ids })
    const nodes = names.map((name) => (SEEN.includes(name) ? { name } : null))
    expect(answer).toEqual({ data: { nodes } })
  })
})

describe('patterns', () => {
  test('no wider ones are delivered than the capabilities cover', async () => {
    const token = await tokenFor('bob', { topics: 'chat:eu:*', actions: ['SUBSCRIBE'] })
    await using raw = await openAcknowledged(world.server.socketUrl, { token })
    for (const pattern of ['chat:*', 'chat:eu', 'chat:e:*', 'cha:*']) {
      const query = `subscription { messages(topics: ["chat:eu:1", "${pattern}"]) { topic payload } }`
      raw.send({ id: pattern, type: 'subscribe', payload: { query } })
      expect(JSON.stringify(await raw.receive())).toContain('PERMISSION_DENIED')
      await raw.receive().catch(() => {})
    }
  })

  test('of those that are covered, what is outside is not delivered', async () => {
    const { carillon, socketUrl } = world.server
    const token = await tokenFor('bob', { topics: 'chat:eu:*', actions: ['SUBSCRIBE'] })
    await using raw = await openAcknowledged(socketUrl, { token })
    const query = 'subscription { messages(topics: "chat:eu:*") { topic payload } }'
    raw.send({ id: 's', type: 'subscribe', payload: { query } })
    await untilLive(raw, (payload) => carillon.publish({ topic: 'chat:eu:1', payload }))
    const inputs = ['chat:us:1', 'chat:eu', 'chat:euro:1', 'chat:eu:2']
    await carillon.publishMany(inputs.map((topic) => ({ topic, payload: 'seen?' })))
    expect(JSON.stringify(await raw.receive())).toContain('"chat:eu:2"')
    expect(raw.pending()).toEqual([])
  })
})

describe('what is of other users', () => {
  const everything = { topics: 'room:*', actions: ['*'] } as const

  test('consumers and dead letters are not there', async () => {
    const { server, prepared } = world
    const before = await world.fingerprint()
    const token = await tokenFor('bob', everything)
    const query = `query ($ids: [ID!]!) {
      nodes(ids: $ids) { __typename }
      consumer(topic: "${TOPIC}", name: "mailer") { lag }
      deadLetters(topic: "${TOPIC}") { nodes { id } pageInfo { hasNextPage hasPreviousPage } }
    }`
    const ids = [prepared.ids.consumer, prepared.ids.deadLetter]
    expect(await ask(server, token, query, { ids })).toEqual({
      data: {
        nodes: [null, null],
        consumer: null,
        deadLetters: { nodes: [], pageInfo: { hasNextPage: false, hasPreviousPage: false } },
      },
    })
    const mutations = `mutation {
      replayDeadLetters(topic: "${TOPIC}") discardDeadLetters(topic: "${TOPIC}", consumer: "mailer")
    }`
    expect(await ask(server, token, mutations)).toEqual({
      data: { replayDeadLetters: 0, discardDeadLetters: 0 },
    })
    expect(await world.fingerprint()).toEqual(before)
  })

  test('messages to others are neither in history nor nodes, nor delivered, nor counted as missing', async () => {
    const { server } = world
    const { carillon, socketUrl } = server
    const topic = 'room:to'
    await carillon.publish({ topic, payload: 'for all' })
    const { message } = await carillon.publish({ topic, payload: 'for ann', to: ['ann'] })
    const token = await tokenFor('bob', everything)
    const history = `query ($id: ID!) {
      messages(topic: "${topic}") { nodes { payload } pageInfo { hasNextPage hasPreviousPage } }
      newest: messages(topic: "${topic}", last: 1) { nodes { payload } }
      node(id: $id) { __typename }
    }`
    expect(await ask(server, token, history, { id: message.id })).toEqual({
      data: {
        messages: {
          nodes: [{ payload: 'for all' }],
          pageInfo: { hasNextPage: false, hasPreviousPage: false },
        },
        newest: { nodes: [{ payload: 'for all' }] },
        node: null,
      },
    })
    await using raw = await openAcknowledged(socketUrl, { token })
    const query = `subscription { messages(topics: "${topic}", last: 10) { payload } }`
    raw.send({ id: 's', type: 'subscribe', payload: { query } })
    expect(JSON.stringify(await raw.receive())).toContain('for all')
    await carillon.publish({ topic, payload: 'for ann, too', to: ['ann'] })
    await carillon.publish({ topic, payload: 'the end' })
    expect(JSON.stringify(await raw.receive())).toContain('the end')
  })

  test('members are not seen without PRESENCE, wherever they are asked for', async () => {
    const token = await tokenFor('bob', {
      topics: 'room:*',
      actions: ['HISTORY', 'ADMIN', 'SUBSCRIBE', 'PUBLISH', 'ACK'],
    })
    const queries = [
      `{ presence(topic: "${TOPIC}") { userId } }`,
      `{ topic(name: "${TOPIC}") { presence { userId } } }`,
      '{ topics(prefix: "room:") { nodes { presence { userId } } } }',
      `{ node(id: "${world.prepared.ids.topic}") { ... on Topic { presence { userId } } } }`,
    ]
    for (const query of queries) {
      const answer = await ask(world.server, token, query)
      expect(new Set(codesOf(answer))).toEqual(new Set(['PERMISSION_DENIED']))
      expect(JSON.stringify(answer)).not.toContain('ann')
    }
  })
})

describe('who may publish and subscribe, but not read what was published', () => {
  const topic = 'room:secret'
  const SECRET_PAYLOAD = 'what was said before'
  const PUBLISH = `mutation ($input: PublishInput!) {
    publish(input: $input) { duplicate message { id from sequence payload metadata to } }
  }`
  let token: string
  let epoch: Parameters<typeof encodeCursor>[0]['epoch']

  beforeAll(async () => {
    token = await tokenFor('bob', { topics: 'room:*', actions: ['PUBLISH', 'SUBSCRIBE'] })
    const { carillon } = world.server
    const input = { topic, payload: SECRET_PAYLOAD, idempotencyKey: 'first' }
    await carillon.publish(input, { as: { userId: 'ann' } })
    const saved = await carillon.saveSnapshot({ topic, sequence: 1, state: SECRET_PAYLOAD })
    expect(saved.state).toBe(SECRET_PAYLOAD)
    epoch = (await carillon.messages({ topic })).topic.epoch
  })

  test.each([
    ['another payload', { payload: 'a guess' }, 'IDEMPOTENCY_CONFLICT'],
    ['the same payload, of another user', { payload: SECRET_PAYLOAD }, 'IDEMPOTENCY_CONFLICT'],
  ])('a known idempotency key with %s shows nothing', async (_name, given, code) => {
    const input = { topic, idempotencyKey: 'first', ...given }
    const answer = await ask(world.server, token, PUBLISH, { input })
    expect(codesOf(answer)).toEqual([code])
    expect(answer.data).toBeNull()
    expect(JSON.stringify(answer)).not.toContain(SECRET_PAYLOAD)
  })

  test('a wrong guess of the payload is answered as a right one is', async () => {
    const [right, wrong] = await Promise.all(
      [SECRET_PAYLOAD, 'a guess'].map((payload) => {
        const input = { topic, idempotencyKey: 'first', payload }
        return ask(world.server, token, PUBLISH, { input })
      }),
    )
    expect(right).toEqual(wrong)
  })

  test('a head that was not expected shows no message', async () => {
    const input = { topic, payload: 'mine', expectedHead: 0 }
    const answer = await ask(world.server, token, PUBLISH, { input })
    expect(codesOf(answer)).toEqual(['SEQUENCE_CONFLICT'])
    expect(JSON.stringify(answer)).not.toContain(SECRET_PAYLOAD)
  })

  test('what was published is shown to its publisher, and nothing else', async () => {
    const input = { topic, payload: 'mine' }
    const query = `mutation ($input: PublishInput!) { publish(input: $input) { message { payload } } }`
    expect(await ask(world.server, token, query, { input })).toEqual({
      data: { publish: { message: { payload: 'mine' } } },
    })
  })

  test('neither cursors that are made up nor consumers nor snapshots lead into the past', async () => {
    const start = encodeCursor({ topic: topic as never, epoch, sequence: 0 as never })
    const elsewhere = encodeCursor({ topic: 'room:9' as never, epoch, sequence: 0 as never })
    const args = [`after: "${start}"`, `after: ["${elsewhere}"]`, 'last: 1', 'consumer: "mine"']
    await using raw = await openAcknowledged(world.server.socketUrl, { token })
    const queries = args
      .flatMap((arg) => [
        `subscription { messages(topics: "${topic}", ${arg}) { payload } }`,
        `subscription { events(topics: "${topic}", ${arg}) { __typename } }`,
      ])
      .concat(
        `subscription { events(topics: "${topic}", snapshot: true) { __typename } }`,
        `{ topic(name: "${topic}") { snapshot { state } } }`,
        `mutation { ack(input: { topic: "${topic}", consumer: "mine", sequence: 0 }) { consumer { lag } } }`,
        `mutation { saveSnapshot(input: { topic: "${topic}", sequence: 1, state: 1 }) { state } }`,
      )
    for (const [index, query] of queries.entries()) {
      const id = String(index)
      raw.send({ id, type: 'subscribe', payload: { query } })
      let message = await raw.receive()
      while (message.id !== id || message.type === 'complete') message = await raw.receive()
      expect([query, JSON.stringify(message.payload)]).toEqual([
        query,
        expect.stringContaining('PERMISSION_DENIED'),
      ])
    }
    expect(queries).toHaveLength(12)
  })

  test('an empty list of cursors is no past: what comes is live', async () => {
    await using raw = await openAcknowledged(world.server.socketUrl, { token })
    const query = `subscription { messages(topics: "${topic}", after: []) { payload } }`
    raw.send({ id: 's', type: 'subscribe', payload: { query } })
    const first = raw.receive()
    let isThere = false
    void first.then(() => {
      isThere = true
    })
    while (!isThere) await world.server.carillon.publish({ topic, payload: 'probe' })
    expect(JSON.stringify(await first)).toContain('probe')
  })
})

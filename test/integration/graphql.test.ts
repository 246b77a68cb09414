import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  fieldOf,
  type GraphQLResponse,
  request,
  startServer,
  type TestServer,
} from '../support/carillon.ts'
import { openAcknowledged, untilLive } from '../support/websocket.ts'

let server: TestServer
let topics = 0

beforeAll(async () => {
  server = await startServer()
})
afterAll(() => server[Symbol.asyncDispose]())

function newTopic(): string {
  return `graphql:${++topics}`
}

function ask(query: string, variables: Record<string, unknown> = {}): Promise<GraphQLResponse> {
  return request(server.url, query, variables)
}

function codeOf({ errors }: GraphQLResponse): unknown {
  return errors?.[0]?.extensions
}

const PUBLISH = `mutation ($input: PublishInput!) {
  publish(input: $input) {
    duplicate
    message {
      id topic sequence cursor type payload metadata encrypted from clientId to idempotencyKey
      publishedAt expiresAt
    }
  }
}`

async function publish(input: Record<string, unknown>) {
  const { data, errors } = await ask(PUBLISH, { input })
  if (errors !== undefined) throw new Error(errors[0]?.message)
  return data?.publish as { duplicate: boolean; message: Record<string, unknown> }
}

test('publish answers with the message as history and node() know it', async () => {
  const topic = newTopic()
  const { message, duplicate } = await publish({
    topic,
    payload: { text: 'hi' },
    type: 'chat.message',
    metadata: ['m'],
    encrypted: true,
    to: ['bob'],
    idempotencyKey: 'k',
    ttl: 60,
  })
  expect(duplicate).toBe(false)
  expect(message).toMatchObject({
    topic,
    sequence: 1,
    type: 'chat.message',
    payload: { text: 'hi' },
    metadata: ['m'],
    encrypted: true,
    from: 'anonymous',
    clientId: null,
    to: ['bob'],
    idempotencyKey: 'k',
    publishedAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
  })
  const fields = Object.keys(message).join(' ')
  const { data } = await ask(
    `query ($topic: TopicName!, $id: ID!) {
      messages(topic: $topic) { nodes { ${fields} } }
      node(id: $id) { __typename ... on Message { ${fields} } }
    }`,
    { topic, id: message.id },
  )
  expect(data).toEqual({
    messages: { nodes: [message] },
    node: { __typename: 'Message', ...message },
  })
})

const VALUES: readonly (readonly [string, string])[] = [
  ['keys in their order', '{"b":1,"a":2,"c":{"z":1,"y":2}}'],
  ['large and small numbers', '[1e21,-1.5e-7,0.1,9007199254740991,1.7976931348623157e308]'],
  ['NUL and control characters', '"a\\u0000b\\u0001\\u001f\\u007f"'],
  ['lone surrogates', '["\\ud800","\\udfff x","\\ud83d\\ude00"]'],
  ['keys that JavaScript treats specially', '{"__proto__":{"a":1},"constructor":2,"toString":3}'],
  ['scalars', '[true,false,0,"",[],{}]'],
  ['null within', '{"a":null,"b":[null]}'],
]

test.each(VALUES)('gives %s back as published, live and from history', async (_what, text) => {
  const topic = newTopic()
  await using raw = await openAcknowledged(server.socketUrl)
  raw.send({
    id: 'live',
    type: 'subscribe',
    payload: { query: `subscription { messages(topics: "${topic}") { payload metadata } }` },
  })
  await untilLive(raw, (payload) => server.carillon.publish({ topic, payload }))
  const body = `{"query":${JSON.stringify(PUBLISH)},"variables":{"input":{"topic":"${topic}","type":"value","payload":${text},"metadata":${text}}}}`
  await fetch(server.url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body,
  })
  const expected = JSON.stringify(JSON.parse(text))
  const response = await fetch(server.url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      query: `{ messages(topic: "${topic}", types: ["value"]) { nodes { payload metadata } } }`,
    }),
  })
  expect(await response.text()).toContain(`{"payload":${expected},"metadata":${expected}}`)
  const live = await raw.receive()
  expect(JSON.stringify(live.payload)).toBe(
    `{"data":{"messages":{"payload":${expected},"metadata":${expected}}}}`,
  )
})

test('takes JSON as a literal of the document, with variables in it', async () => {
  const topic = newTopic()
  const { data } = await ask(
    `mutation ($x: JSON, $absent: JSON) {
      publish(input: {
        topic: "${topic}", payload: {b: [1, 2.5, "s", true, null, {}], a: $x, __proto__: $absent}
      }) { message { payload } }
    }`,
    { x: { deep: [1] } },
  )
  expect(JSON.stringify(data)).toBe(
    '{"publish":{"message":{"payload":{"b":[1,2.5,"s",true,null,{}],"a":{"deep":[1]},"__proto__":null}}}}',
  )
  expect(
    codeOf(
      await ask(`mutation { publish(input: {topic: "${topic}", payload: ENUM}) { duplicate } }`),
    ),
  ).toEqual({ code: 'INVALID_INPUT', retryable: false })
})

test('refuses 10,000 levels of nesting, as a variable and as a literal, and goes on', async () => {
  const topic = newTopic()
  const deep = `${'['.repeat(10_000)}${']'.repeat(10_000)}`
  const asVariable = await fetch(server.url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: `{"query":${JSON.stringify(PUBLISH)},"variables":{"input":{"topic":"${topic}","payload":${deep}}}}`,
  })
  const invalid = { code: 'INVALID_PAYLOAD', retryable: false, limit: 'jsonDepth' }
  expect(codeOf((await asVariable.json()) as GraphQLResponse)).toEqual(invalid)
  const asLiteral = `mutation { publish(input: {topic: "${topic}", payload: ${deep}}) { duplicate } }`
  expect(codeOf(await ask(asLiteral))).toEqual(invalid)
  const selections = `{ ${'a { '.repeat(10_000)} b ${'}'.repeat(10_000)} }`
  expect(codeOf(await ask(selections))).toMatchObject({ limit: 'queryDepth' })
  expect(await publish({ topic, payload: 1 })).toMatchObject({ message: { sequence: 1 } })
})

test('refuses a document of more tokens than it bounds, and goes on', async () => {
  const query = `{ ${'viewer { userId } '.repeat(6_000)} }`
  expect(codeOf(await ask(query))).toMatchObject({ code: 'INVALID_INPUT', limit: 'queryTokens' })
  expect((await ask('{ viewer { userId } }')).data).toEqual({ viewer: { userId: 'anonymous' } })
})

test('publishMany publishes all in order, or nothing', async () => {
  const [one, other] = [newTopic(), newTopic()]
  const query = `mutation ($inputs: [PublishInput!]!) {
    publishMany(inputs: $inputs) { message { topic sequence } }
  }`
  const inputs = [one, other, one].map((topic) => ({ topic, payload: 1 }))
  expect((await ask(query, { inputs })).data).toEqual({
    publishMany: [
      { message: { topic: one, sequence: 1 } },
      { message: { topic: other, sequence: 1 } },
      { message: { topic: one, sequence: 2 } },
    ],
  })
  const bad = [...inputs, { topic: one, payload: 1, expectedHead: 9 }]
  expect(codeOf(await ask(query, { inputs: bad }))).toEqual({
    code: 'SEQUENCE_CONFLICT',
    retryable: false,
  })
  const { data } = await ask(`{ topic(name: "${one}") { headSequence } }`)
  expect(data).toEqual({ topic: { headSequence: 2 } })
})

test('publishMany takes 100 inputs, and not 101', async () => {
  const topic = newTopic()
  const query =
    'mutation ($inputs: [PublishInput!]!) { publishMany(inputs: $inputs) { duplicate } }'
  const inputs = Array.from({ length: 101 }, () => ({ topic, payload: 1 }))
  expect(codeOf(await ask(query, { inputs }))).toEqual({
    code: 'INVALID_INPUT',
    retryable: false,
    limit: 'publishMany',
  })
  expect((await ask(query, { inputs: inputs.slice(1) })).data?.publishMany).toHaveLength(100)
})

const REFUSED: readonly (readonly [string, string, string?])[] = [
  ['{ topic(name: "a b") { id } }', 'INVALID_TOPIC_NAME'],
  ['mutation { publish(input: {topic: "", payload: 1}) { duplicate } }', 'INVALID_TOPIC_NAME'],
  ['mutation { publish(input: {topic: "t", payload: null}) { duplicate } }', 'INVALID_INPUT'],
  ['mutation { publish(input: {topic: "t", payload: 1e400}) { duplicate } }', 'INVALID_PAYLOAD'],
  [
    'mutation { publish(input: {topic: "t", payload: 1, ttl: 0}) { duplicate } }',
    'INVALID_INPUT',
    'ttl',
  ],
  [
    'mutation { publish(input: {topic: "t", payload: 1, to: []}) { duplicate } }',
    'INVALID_INPUT',
    'recipients',
  ],
  [
    'mutation { publish(input: {topic: "t", payload: 1, expectedHead: -1}) { duplicate } }',
    'INVALID_INPUT',
  ],
  ['{ messages(topic: "t", first: 0) { headSequence } }', 'INVALID_LIMIT', 'page'],
  ['{ messages(topic: "t", last: 1001) { headSequence } }', 'INVALID_LIMIT', 'page'],
  ['{ messages(topic: "t", first: -1) { headSequence } }', 'INVALID_LIMIT', 'page'],
  ['{ messages(topic: "t", first: 1, last: 1) { headSequence } }', 'INVALID_HISTORY_OPTS'],
  ['{ messages(topic: "t", after: "garbage") { headSequence } }', 'INVALID_CURSOR'],
  ['{ topics(prefix: "a b") { nodes { id } } }', 'INVALID_TOPIC_NAME'],
  ['{ topics(first: 0) { nodes { id } } }', 'INVALID_LIMIT', 'page'],
  ['{ topics(after: "garbage") { nodes { id } } }', 'INVALID_CURSOR'],
  ['mutation { ack(input: {topic: "t", consumer: "c"}) { consumer { id } } }', 'INVALID_INPUT'],
  [
    'mutation { ack(input: {topic: "t", consumer: "c", sequence: 1}) { consumer { id } } }',
    'INVALID_INPUT',
  ],
  [
    'mutation { ack(input: {topic: "t", consumer: "", sequence: 1}) { consumer { id } } }',
    'INVALID_INPUT',
  ],
  [
    'mutation { ack(input: {topic: "t", consumer: "c", sequence: 1.5}) { consumer { id } } }',
    'INVALID_INPUT',
  ],
  [
    'mutation { ack(input: {topic: "t", consumer: "c", cursor: "x"}) { consumer { id } } }',
    'INVALID_CURSOR',
  ],
  ['{ nope }', 'INVALID_INPUT'],
  ['{', 'INVALID_INPUT'],
] as readonly (readonly [string, string, string?])[]

test.each(REFUSED.map(([query, code, limit]) => ({ query, code, limit })))(
  'refuses $query with $code',
  async ({ query, code, limit }) => {
    const named = limit === undefined ? {} : { limit }
    expect(codeOf(await ask(query))).toEqual({ code, retryable: false, ...named })
  },
)

test('after and before do not go together', async () => {
  const { message } = await publish({ topic: newTopic(), payload: 1 })
  const { topic, cursor } = message
  const answer = await ask(
    'query ($t: TopicName!, $c: Cursor) { messages(topic: $t, after: $c, before: $c) { headSequence } }',
    { t: topic, c: cursor },
  )
  expect(codeOf(answer)).toEqual({ code: 'INVALID_HISTORY_OPTS', retryable: false })
})

test('a cursor of another topic is INVALID_CURSOR, one of another epoch CURSOR_EXPIRED', async () => {
  const { message } = await publish({ topic: newTopic(), payload: 1 })
  const query =
    'query ($t: TopicName!, $c: Cursor) { messages(topic: $t, after: $c) { headSequence } }'
  const elsewhere = newTopic()
  expect(codeOf(await ask(query, { t: elsewhere, c: message.cursor }))).toMatchObject({
    code: 'INVALID_CURSOR',
  })
  const other = Buffer.from(`1:000000000000:${String(message.topic)}`).toString('base64url')
  expect(codeOf(await ask(query, { t: message.topic, c: other }))).toMatchObject({
    code: 'CURSOR_EXPIRED',
  })
  const [, epoch = ''] = Buffer.from(String(message.cursor), 'base64url').toString().split(':')
  const ahead = Buffer.from(`9:${epoch}:${String(message.topic)}`).toString('base64url')
  expect(codeOf(await ask(query, { t: message.topic, c: ahead }))).toMatchObject({
    code: 'INVALID_CURSOR',
  })
})

test('history is the newest 25 by default, or with after the 25 that follow', async () => {
  const topic = newTopic()
  await server.carillon.publishMany(Array.from({ length: 60 }, () => ({ topic, payload: 1 })))
  const query = `query ($t: TopicName!, $after: Cursor, $before: Cursor) {
    messages(topic: $t, after: $after, before: $before) {
      nodes { sequence cursor } edges { cursor node { sequence } }
      pageInfo { hasNextPage hasPreviousPage startCursor endCursor } headSequence
    }
  }`
  interface Connection {
    nodes: { sequence: number; cursor: string }[]
    edges: { cursor: string; node: { sequence: number } }[]
    pageInfo: Record<string, unknown>
    headSequence: number
  }
  const page = async (bounds: Record<string, unknown>) =>
    (await ask(query, { t: topic, ...bounds })).data?.messages as Connection
  const newest = await page({})
  expect(newest.nodes.map(({ sequence }) => sequence)).toEqual(
    Array.from({ length: 25 }, (_, n) => 36 + n),
  )
  expect(newest.edges.map(({ cursor, node }) => [cursor, node.sequence])).toEqual(
    newest.nodes.map(({ cursor, sequence }) => [cursor, sequence]),
  )
  expect(newest.pageInfo).toEqual({
    hasNextPage: false,
    hasPreviousPage: true,
    startCursor: newest.nodes[0]?.cursor,
    endCursor: newest.nodes[24]?.cursor,
  })
  expect(newest.headSequence).toBe(60)
  const before = await page({ before: newest.pageInfo.startCursor })
  expect(before.nodes.map(({ sequence }) => sequence)).toEqual(
    Array.from({ length: 25 }, (_, n) => 11 + n),
  )
  const after = await page({ after: before.pageInfo.startCursor })
  expect(after.nodes[0]?.sequence).toBe(12)
  expect(after.nodes).toHaveLength(25)
  expect(after.pageInfo).toMatchObject({ hasNextPage: true, hasPreviousPage: true })
})

test('an empty topic has an empty page, not an error', async () => {
  const { data } = await ask(`{
    messages(topic: "graphql:never") {
      nodes { id } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } headSequence
    }
    topic(name: "graphql:never") { headSequence tailSequence messages { nodes { id } } }
  }`)
  expect(data).toEqual({
    messages: {
      nodes: [],
      pageInfo: {
        hasNextPage: false,
        hasPreviousPage: false,
        startCursor: null,
        endCursor: null,
      },
      headSequence: 0,
    },
    topic: { headSequence: 0, tailSequence: 0, messages: { nodes: [] } },
  })
})

test('from: "u1" is a list of one', async () => {
  const topic = newTopic()
  await server.carillon.publish({ topic, payload: 1 }, { as: { userId: 'u1' } })
  await server.carillon.publish({ topic, payload: 2 }, { as: { userId: 'u2' } })
  const { data } = await ask(`{ messages(topic: "${topic}", from: "u1") { nodes { payload } } }`)
  expect(data).toEqual({ messages: { nodes: [{ payload: 1 }] } })
})

test('messages to others are not shown, nor counted', async () => {
  const topic = newTopic()
  await server.carillon.publish({ topic, payload: 1, to: ['anonymous'] }, { as: { userId: 'u1' } })
  await server.carillon.publish({ topic, payload: 2, to: ['u2'] }, { as: { userId: 'u1' } })
  const { data } = await ask(`{
    messages(topic: "${topic}", first: 1) { nodes { payload } pageInfo { hasNextPage } }
  }`)
  expect(data).toEqual({
    messages: { nodes: [{ payload: 1 }], pageInfo: { hasNextPage: false } },
  })
  const page = await server.carillon.messages({ topic })
  const hidden = page.messages.find(({ sequence }) => sequence === 2)
  expect((await ask('query ($id: ID!) { node(id: $id) { id } }', { id: hidden?.id })).data).toEqual(
    {
      node: null,
    },
  )
})

test('lists topics by prefix, page by page', async () => {
  const prefix = `${newTopic()}:`
  for (const name of ['c', 'a', 'b']) await publish({ topic: `${prefix}${name}`, payload: 1 })
  const query = `query ($prefix: String, $after: Cursor) {
    topics(prefix: $prefix, first: 2, after: $after) {
      nodes { name headSequence } edges { cursor node { name } }
      pageInfo { hasNextPage hasPreviousPage endCursor }
    }
  }`
  const first = (await ask(query, { prefix })).data?.topics as {
    pageInfo: { endCursor: string }
  }
  expect(first).toMatchObject({
    nodes: [
      { name: `${prefix}a`, headSequence: 1 },
      { name: `${prefix}b`, headSequence: 1 },
    ],
    pageInfo: { hasNextPage: true, hasPreviousPage: false },
  })
  const { data } = await ask(query, { prefix, after: first.pageInfo.endCursor })
  expect(data?.topics).toMatchObject({
    nodes: [{ name: `${prefix}c` }],
    pageInfo: { hasNextPage: false, hasPreviousPage: true },
  })
})

test('finds nodes by their ids, and nothing for what is no id', async () => {
  const topic = newTopic()
  const { message } = await publish({ topic, payload: 1 })
  const acked = await ask(
    `mutation { ack(input: {topic: "${topic}", consumer: "c", sequence: 1}) { consumer { id } } }`,
  )
  const { consumer } = fieldOf<{ consumer: { id: string } }>(acked, 'ack')
  const found = await ask(`{ topic(name: "${topic}") { id } }`)
  const { id: topicId } = fieldOf<{ id: string }>(found, 'topic')
  const nodes = await ask('query ($ids: [ID!]!) { nodes(ids: $ids) { __typename id } }', {
    ids: [consumer.id, 'nonsense', message.id, topicId],
  })
  expect(nodes.data?.nodes).toEqual([
    { __typename: 'Consumer', id: consumer.id },
    null,
    { __typename: 'Message', id: message.id },
    { __typename: 'Topic', id: topicId },
  ])
  const tooMany = await ask('query ($ids: [ID!]!) { nodes(ids: $ids) { id } }', {
    ids: Array.from({ length: 101 }, () => 'x'),
  })
  expect(codeOf(tooMany)).toMatchObject({ code: 'INVALID_INPUT' })
})

test('acks by sequence and by cursor move a consumer forward only', async () => {
  const topic = newTopic()
  await server.carillon.publishMany(Array.from({ length: 5 }, () => ({ topic, payload: 1 })))
  const query = `mutation ($input: AckInput!) {
    ack(input: $input) { consumer { name topic ackedSequence lag cursor } }
  }`
  const ack = async (input: Record<string, unknown>) =>
    (await ask(query, { input: { topic, consumer: 'worker', ...input } })).data?.ack
  const { messages } = await server.carillon.messages({ topic })
  expect(await ack({ cursor: messages[2]?.cursor })).toEqual({
    consumer: { name: 'worker', topic, ackedSequence: 3, lag: 2, cursor: messages[2]?.cursor },
  })
  expect(await ack({ sequence: 1 })).toMatchObject({ consumer: { ackedSequence: 3 } })
  expect(await ack({ sequence: 5 })).toMatchObject({ consumer: { ackedSequence: 5, lag: 0 } })
  const both = await ask(query, {
    input: { topic, consumer: 'worker', sequence: 1, cursor: messages[2]?.cursor },
  })
  expect(codeOf(both)).toMatchObject({ code: 'INVALID_INPUT' })
  const { data } = await ask(`{
    mine: consumer(topic: "${topic}", name: "worker") { ackedSequence }
    none: consumer(topic: "${topic}", name: "other") { ackedSequence }
  }`)
  expect(data).toEqual({ mine: { ackedSequence: 5 }, none: null })
})

test('many keys at once over GraphQL make one message', async () => {
  const topic = newTopic()
  const answers = await Promise.all(
    Array.from({ length: 20 }, () => publish({ topic, payload: 'once', idempotencyKey: 'k' })),
  )
  expect(answers.filter(({ duplicate }) => !duplicate)).toHaveLength(1)
  expect(new Set(answers.map(({ message }) => message.id)).size).toBe(1)
  const conflict = await ask(PUBLISH, { input: { topic, payload: 'other', idempotencyKey: 'k' } })
  expect(codeOf(conflict)).toEqual({ code: 'IDEMPOTENCY_CONFLICT', retryable: false })
})

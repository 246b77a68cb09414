import { extendSchema, type GraphQLSchema, isObjectType, parse } from 'graphql'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { fieldOf, request, startServer, type TestServer } from '../support/carillon.ts'
import { readEvents } from '../support/event-stream.ts'
import { createDatabase, describeWithPostgresql } from '../support/postgresql.ts'
import { describeWithRedis, startPrivateRedis } from '../support/redis.ts'
import { rejection } from '../support/rejection.ts'
import { type Sources, watchSources } from '../support/subscription-sources.ts'
import { openAcknowledged, type RawSocket } from '../support/websocket.ts'

let server: TestServer
let sources: Sources
let topics = 0
/** How often the shared field was executed. */
let executions = 0

beforeAll(async () => {
  server = await startServer({ extendSchema: withFields })
  sources = watchSources(server.carillon)
})
afterAll(() => server[Symbol.asyncDispose]())

/** With what a host application may add to a message. */
function withFields(schema: GraphQLSchema): GraphQLSchema {
  const added = extendSchema(
    schema,
    parse('extend type Message { counted: Int! viewer: String later: Int! refused: Int }'),
  )
  const type = added.getType('Message')
  if (!isObjectType(type)) throw new Error('There is no such type.')
  const { counted, viewer, later, refused } = type.getFields()
  const shared = { carillon: { shared: true } }
  if (!counted || !viewer || !later || !refused) throw new Error('There are no such fields.')
  counted.resolve = () => ++executions
  viewer.resolve = (_message, _args, context) => context.viewer.clientId
  later.resolve = async ({ sequence }) => {
    await new Promise((resolve) => setTimeout(resolve, sequence % 3))
    return sequence
  }
  refused.resolve = async () => {
    throw new Error('on purpose')
  }
  for (const field of [counted, later, refused]) field.extensions = shared
  return added
}

function newTopic(): string {
  return `options:${++topics}`
}

async function subscribe(
  raw: RawSocket,
  topic: string,
  { args = '', fields = 'payload' } = {},
): Promise<void> {
  const query = `subscription { messages(topics: "${topic}" ${args}) { ${fields} } }`
  raw.send({ id: '1', type: 'subscribe', payload: { query } })
  await sources.opened(topic)
}

interface Result {
  readonly data?: { readonly messages: Record<string, unknown> } | null
  readonly errors?: readonly { readonly extensions: { readonly code: string } }[]
  readonly extensions?: { readonly carillon: { readonly dropped: number } }
}

/** The results up to that of the payload `end`. */
async function untilEnd(raw: RawSocket): Promise<readonly Result[]> {
  const results: Result[] = []
  for (;;) {
    const { payload } = (await raw.receive()) as unknown as { readonly payload: Result }
    if (payload.data?.messages.payload === 'end') return results
    results.push(payload)
  }
}

function payloads(results: readonly Result[]): readonly unknown[] {
  return results.map(({ data }) => data?.messages.payload)
}

describe('Subscribers with the same selection', () => {
  test('get each their own, of one execution a message', async () => {
    const topic = newTopic()
    const fields = 'payload counted'
    await using all = await openAcknowledged(server.socketUrl, { clientId: 'all' })
    await using fromAnn = await openAcknowledged(server.socketUrl)
    await using ofType = await openAcknowledged(server.socketUrl)
    await using silent = await openAcknowledged(server.socketUrl, { clientId: 'phone' })
    await subscribe(all, topic, { fields })
    await subscribe(fromAnn, topic, { fields, args: 'from: ["ann", "end"]' })
    await subscribe(ofType, topic, { fields, args: 'types: ["special", "end"]' })
    await subscribe(silent, topic, { fields, args: 'echo: false' })
    const before = executions
    const publish = (userId: string, clientId: string, message: object) =>
      server.carillon.publish({ topic, payload: 1, ...message }, { as: { userId, clientId } })
    await publish('ann', 'laptop', { payload: 'of ann' })
    await publish('bob', 'phone', { payload: 'of the phone' })
    await publish('bob', 'laptop', { payload: 'special', type: 'special' })
    await publish('bob', 'laptop', { payload: 'for eve', to: ['eve'] })
    await publish('end', 'laptop', { payload: 'end', type: 'end' })
    expect(payloads(await untilEnd(all))).toEqual(['of ann', 'of the phone', 'special'])
    expect(payloads(await untilEnd(fromAnn))).toEqual(['of ann'])
    expect(payloads(await untilEnd(ofType))).toEqual(['special'])
    expect(payloads(await untilEnd(silent))).toEqual(['of ann', 'special'])
    expect(executions - before).toBe(4) // nobody could see the one for Eve
  })

  test('get what is addressed to them, and nothing that has expired', async () => {
    const topic = newTopic()
    await using raw = await openAcknowledged(server.socketUrl)
    await subscribe(raw, topic, { fields: 'payload counted' })
    const eve = await server.carillon.subscribe({ topics: [topic] }, { as: { userId: 'eve' } })
    const publish = (payload: string, fields: object = {}) =>
      server.carillon.publish({ topic, payload, ...fields })
    await publish('for eve', { to: ['eve'] })
    await publish('for all of open mode', { to: ['anonymous'] })
    await publish('soon gone', { ttl: 1 })
    // Eve has taken nothing yet.
    const history = async () => (await server.carillon.messages({ topic })).messages.length
    await expect.poll(history, { timeout: 20_000 }).toBe(2)
    await publish('end')
    expect(payloads(await untilEnd(raw))).toEqual(['for all of open mode', 'soon gone'])
    const seen: unknown[] = []
    for await (const { payload } of eve) {
      seen.push(payload)
      if (payload === 'end') break
    }
    expect(seen).toEqual(['for eve', 'end'])
  })

  test('and a field that depends on the viewer get each the value of their own', async () => {
    const topic = newTopic()
    const raws = await Promise.all(
      ['phone', 'laptop', 'phone'].map((clientId) =>
        openAcknowledged(server.socketUrl, { clientId }),
      ),
    )
    for (const raw of raws) await subscribe(raw, topic, { fields: 'viewer' })
    await server.carillon.publish({ topic, payload: 1 })
    const viewers = await Promise.all(raws.map(async (raw) => (await raw.receive()).payload))
    expect(viewers).toEqual(
      ['phone', 'laptop', 'phone'].map((viewer) => ({ data: { messages: { viewer } } })),
    )
    for (const raw of raws) await raw[Symbol.asyncDispose]()
  })
})

describe('A field of the host', () => {
  test('that rejects gives an error to those who select it, and the others go on', async () => {
    const topic = newTopic()
    await using broken = await openAcknowledged(server.socketUrl)
    await using whole = await openAcknowledged(server.socketUrl)
    await subscribe(broken, topic, { fields: 'payload refused' })
    await subscribe(whole, topic)
    for (const payload of [1, 2, 'end']) await server.carillon.publish({ topic, payload })
    const results = await untilEnd(broken)
    expect(payloads(results)).toEqual([1, 2])
    for (const { errors } of results) expect(errors?.[0]?.extensions.code).toBe('INTERNAL')
    expect(await untilEnd(whole)).toEqual(
      [1, 2].map((payload) => ({ data: { messages: { payload } } })),
    )
  })

  test('that takes its time keeps messages in order', async () => {
    const topic = newTopic()
    await using raw = await openAcknowledged(server.socketUrl)
    await subscribe(raw, topic, { fields: 'payload later' })
    const numbers = Array.from({ length: 200 }, (_, n) => n + 1)
    for (let start = 0; start < 200; start += 50) {
      const some = numbers.slice(start, start + 50)
      await server.carillon.publishMany(some.map((payload) => ({ topic, payload })))
    }
    await server.carillon.publish({ topic, payload: 'end' })
    const results = await untilEnd(raw)
    expect(results.map(({ data }) => data?.messages.later)).toEqual(numbers)
  })
})

describe('maxPerSecond', () => {
  const burst = Array.from({ length: 20 }, (_, n) => n + 1)

  /** The first 3 come at once, the newest 3 with the next window. */
  const expected = [1, 2, 3, 18, 19, 20]

  test('keeps the newest, in order, and says how many were left out', async () => {
    const topic = newTopic()
    await using raw = await openAcknowledged(server.socketUrl)
    await subscribe(raw, topic, { args: 'maxPerSecond: 3' })
    await server.carillon.publishMany(burst.map((payload) => ({ topic, payload })))
    const results: Result[] = []
    while (results.length < 6) results.push((await raw.receive()).payload as Result)
    expect(payloads(results)).toEqual(expected)
    const dropped = results.map(({ extensions }) => extensions?.carillon.dropped ?? 0)
    expect(dropped).toEqual([0, 0, 0, 14, 0, 0])
  })

  test('does so over server-sent events', async () => {
    const topic = newTopic()
    const abort = new AbortController()
    const query = `subscription { messages(topics: "${topic}", maxPerSecond: 3) { payload } }`
    const response = await fetch(`${server.url}?query=${encodeURIComponent(query)}`, {
      headers: { accept: 'text/event-stream' },
      signal: abort.signal,
    })
    await sources.opened(topic)
    await server.carillon.publishMany(burst.map((payload) => ({ topic, payload })))
    const results: Result[] = []
    for await (const { data } of readEvents(response)) {
      if (data !== '') results.push(JSON.parse(data) as Result)
      if (results.length === 6) break
    }
    abort.abort()
    expect(payloads(results)).toEqual(expected)
    const dropped = results.map(({ extensions }) => extensions?.carillon.dropped ?? 0)
    expect(dropped.reduce((sum, count) => sum + count)).toBe(14)
  })

  test('does so in the library', async () => {
    const topic = newTopic()
    const subscription = await server.carillon.subscribe({ topics: [topic], maxPerSecond: 3 })
    await server.carillon.publishMany(burst.map((payload) => ({ topic, payload })))
    const seen: unknown[] = []
    for await (const { payload } of subscription) {
      seen.push(payload)
      if (seen.length === 6) break
    }
    expect(seen).toEqual(expected)
    expect(subscription.dropped).toBe(14)
  })

  test('is 1 to 1000', async () => {
    for (const maxPerSecond of [0, 1_001, 1.5]) {
      const subscribing = server.carillon.subscribe({ topics: [newTopic()], maxPerSecond })
      expect(await rejection(subscribing)).toMatchObject({ code: 'INVALID_LIMIT' })
    }
  })
})

test('maxPerSecond is refused over GraphQL where it is none, to that operation only', async () => {
  const topic = newTopic()
  await using raw = await openAcknowledged(server.socketUrl)
  await subscribe(raw, topic)
  for (const maxPerSecond of [0, 1_001]) {
    const query = `subscription ($n: Int) {
      messages(topics: "${topic}", maxPerSecond: $n) { payload }
    }`
    const id = String(maxPerSecond)
    raw.send({ id, type: 'subscribe', payload: { query, variables: { n: maxPerSecond } } })
    expect(await raw.receive()).toMatchObject({
      id,
      type: 'next',
      payload: { errors: [{ extensions: { code: 'INVALID_LIMIT' } }] },
    })
    expect(await raw.receive()).toEqual({ id, type: 'complete' })
    const response = await fetch(server.url, {
      method: 'POST',
      headers: { accept: 'text/event-stream', 'content-type': 'application/json' },
      body: JSON.stringify({ query, variables: { n: maxPerSecond } }),
    })
    expect(await response.text()).toContain('"INVALID_LIMIT"')
  }
  for (const payload of [1, 'end']) await server.carillon.publish({ topic, payload })
  expect(payloads(await untilEnd(raw))).toEqual([1])
})

describe('An ephemeral message', () => {
  const PUBLISH = `mutation ($input: PublishInput!) {
    publish(input: $input) { duplicate message { id sequence cursor ephemeral } }
  }`

  test('reaches subscribers, and is in no history', async () => {
    const topic = newTopic()
    await using raw = await openAcknowledged(server.socketUrl)
    await subscribe(raw, topic, { fields: 'id payload sequence ephemeral' })
    const input = { topic, payload: 'typing', ephemeral: true }
    const published = fieldOf<{ message: { id: string } }>(
      await request(server.url, PUBLISH, { input }),
      'publish',
    )
    const { id } = published.message
    expect(published).toEqual({
      duplicate: false,
      message: { id, sequence: null, cursor: null, ephemeral: true },
    })
    expect((await raw.receive()).payload).toEqual({
      data: { messages: { id, payload: 'typing', sequence: null, ephemeral: true } },
    })
    const { topic: state, messages } = await server.carillon.messages({ topic })
    expect([state.head, messages]).toEqual([0, []])
    const query = 'query ($id: ID!) { node(id: $id) { id } }'
    expect(await request(server.url, query, { id })).toEqual({ data: { node: null } })
  })

  test('takes neither a key nor an expected head', async () => {
    for (const fields of [{ idempotencyKey: 'k' }, { expectedHead: 0 }]) {
      const publishing = server.carillon.publish({
        topic: newTopic(),
        payload: 1,
        ephemeral: true,
        ...fields,
      })
      expect(await rejection(publishing)).toMatchObject({ code: 'INVALID_INPUT' })
      const input = { topic: newTopic(), payload: 1, ephemeral: true, ...fields }
      const { errors } = await request(server.url, PUBLISH, { input })
      expect(errors?.[0]?.extensions.code).toBe('INVALID_INPUT')
    }
  })

  test('keeps its place among those that are published with it', async () => {
    const topic = newTopic()
    const subscription = await server.carillon.subscribe({ topics: [topic] })
    await using raw = await openAcknowledged(server.socketUrl)
    await subscribe(raw, topic)
    const published = await server.carillon.publishMany(
      [1, 2, 3, 4].map((payload) => ({ topic, payload, ephemeral: payload % 2 === 0 })),
    )
    expect(published.map(({ message }) => message.sequence)).toEqual([1, null, 2, null])
    await server.carillon.publish({ topic, payload: 'end' })
    expect(payloads(await untilEnd(raw))).toEqual([1, 2, 3, 4])
    await subscription.return()
  })

  describeWithPostgresql('on several instances', () => {
    describeWithRedis('over Redis', () => {
      test('reaches the subscribers of the others', async () => {
        await using database = await createDatabase()
        await using redis = await startPrivateRedis()
        const options = { databaseUrl: database.url, redisUrl: redis.url }
        await using here = await startServer(options)
        await using there = await startServer(options)
        for (const { carillon } of [here, there]) {
          const bus = async () => (await carillon.health()).bus
          await expect.poll(bus, { timeout: 10_000 }).toBe('up')
        }
        const subscription = await there.carillon.subscribe({ topics: ['far:*'] })
        const first = subscription.next()
        const published = await here.carillon.publish({
          topic: 'far:1',
          payload: { typing: true },
          ephemeral: true,
        })
        expect((await first).value).toEqual(published.message)
        const burst = Array.from({ length: 80 }, (_, n) => n)
        await here.carillon.publishMany(
          burst.map((payload) => ({ topic: 'far:2', payload, ephemeral: true })),
        )
        const seen: unknown[] = []
        while (seen.length < 80) seen.push((await subscription.next()).value?.payload)
        expect(seen).toEqual(burst)
        await here.carillon.publish({ topic: 'far:2', payload: 'end' })
        expect((await subscription.next()).value?.payload).toBe('end')
      })
    })
  })
})

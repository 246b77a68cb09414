import { CarillonError, operationLogger, payloadSchema, tenant, type Viewer } from 'carillon'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { fieldOf, request, startServer } from '../support/carillon.ts'
import { SECRET, tokenOf } from '../support/tokens.ts'
import { openAcknowledged } from '../support/websocket.ts'

const PUBLISH =
  'mutation ($input: PublishInput!) { publish(input: $input) { message { id topic cursor payload } } }'

async function as(sub: string, org?: string) {
  return { authorization: `Bearer ${await tokenOf({ sub, claims: { org } })}` }
}

test('middleware changes, observes and blocks, the first one outermost', async () => {
  await using server = await startServer()
  const seen: string[] = []
  server.carillon.use(async ({ operation }, next) => {
    seen.push(`> ${operation}`)
    await next()
    seen.push(`< ${operation}`)
  })
  server.carillon.use(
    async (context, next) => {
      const { payload } = context.request
      if (payload === 'secret') throw new CarillonError('PERMISSION_DENIED', 'Not this.')
      context.request = { ...context.request, payload: `${payload}!` }
      return next()
    },
    { operations: 'publish' },
  )
  const published = await server.carillon.publish({ topic: 'a', payload: 'hi' })
  expect(published.message.payload).toBe('hi!')
  const { messages } = await server.carillon.messages({ topic: 'a' })
  expect(messages.map(({ payload }) => payload)).toEqual(['hi!'])
  await expect(server.carillon.publish({ topic: 'a', payload: 'secret' })).rejects.toThrow(
    'Not this.',
  )
  expect(seen).toEqual(['> publish', '< publish', '> history', '< history', '> publish'])
})

test('publishMany passes message by message, and is published as a whole or not at all', async () => {
  await using server = await startServer()
  server.carillon.use(
    async (context, next) => {
      if (context.request.payload === 13) throw new CarillonError('INVALID_PAYLOAD', 'No 13.')
      return next()
    },
    { operations: 'publish' },
  )
  const inputs = (payloads: number[]) => payloads.map((payload) => ({ topic: 'a', payload }))
  const published = await server.carillon.publishMany(inputs([1, 2, 3]))
  expect(published.map(({ message }) => message.sequence)).toEqual([1, 2, 3])
  await expect(server.carillon.publishMany(inputs([4, 13, 5]))).rejects.toThrow('No 13.')
  expect((await server.carillon.messages({ topic: 'a' })).topic.head).toBe(3)
})

test('a middleware that neither goes on nor answers refuses the operation', async () => {
  await using server = await startServer()
  server.carillon.use(async () => {}, { operations: ['history', 'subscribe', 'presence', 'ack'] })
  const { carillon } = server
  await carillon.publish({ topic: 'a', payload: 1 })
  const denied = { code: 'PERMISSION_DENIED' }
  await expect(carillon.messages({ topic: 'a' })).rejects.toMatchObject(denied)
  await expect(carillon.subscribe({ topics: ['a'] })).rejects.toMatchObject(denied)
  await expect(carillon.presence({ topics: ['a'] })).rejects.toMatchObject(denied)
  await expect(carillon.ack({ topic: 'a', consumer: 'c', sequence: 1 })).rejects.toMatchObject(
    denied,
  )
})

test('deliveries are changed, left out or told as errors, live and out of the log', async () => {
  await using server = await startServer()
  const { carillon } = server
  carillon.use(
    async (context, next) => {
      const { request: event, viewer } = context
      if (event.kind !== 'message') return next()
      if (event.message.payload === 'hide') return
      if (event.message.payload === 'fail')
        throw new CarillonError('INVALID_PAYLOAD', 'Unreadable.')
      const payload = `${event.message.payload} for ${viewer.userId}`
      context.request = { ...event, message: event.message.with({ payload }) }
      return next()
    },
    { operations: 'deliver' },
  )
  for (const payload of ['one', 'hide', 'two']) await carillon.publish({ topic: 'a', payload })
  const open = async (userId: string) => {
    const raw = await openAcknowledged(server.socketUrl, { userId })
    const query = 'subscription { messages(topics: "a", last: 10) { sequence payload } }'
    raw.send({ id: userId, type: 'subscribe', payload: { query } })
    const take = async () =>
      (await raw.receive()).payload as {
        data?: { messages: object }
        errors?: { message: string }[]
      }
    expect([await take(), await take()].map(({ data }) => data?.messages)).toEqual([
      { sequence: 1, payload: `one for ${userId}` },
      { sequence: 3, payload: `two for ${userId}` },
    ])
    return { raw, take }
  }
  const ann = await open('ann')
  const bob = await open('bob')
  for (const payload of ['hide', 'fail', 'three']) await carillon.publish({ topic: 'a', payload })
  for (const [who, { take, raw }] of Object.entries({ ann, bob })) {
    expect((await take()).errors?.map(({ message }) => message)).toEqual(['Unreadable.'])
    expect((await take()).data?.messages).toEqual({ sequence: 6, payload: `three for ${who}` })
    await raw[Symbol.asyncDispose]()
  }
  const subscription = await carillon.subscribe({ topics: ['a'], last: 1 })
  expect((await subscription.next()).value?.payload).toBe('three for backend')
  await subscription.return()
})

test('subscribers that a middleware treats alike share the work', async () => {
  await using server = await startServer()
  let delivered = 0
  server.carillon.use(
    async (_context, next) => {
      delivered++
      return next()
    },
    { operations: 'deliver', cohort: () => '' },
  )
  const raws = await Promise.all(
    ['a', 'b', 'c'].map((userId) => openAcknowledged(server.socketUrl, { userId })),
  )
  for (const raw of raws) {
    const query = 'subscription { messages(topics: "a") { payload } }'
    raw.send({ id: '1', type: 'subscribe', payload: { query } })
  }
  // Those who are behind are served, too: each gets the one message.
  const got = Promise.all(raws.map((raw) => raw.receive()))
  let isDone = false
  void got.then(() => {
    isDone = true
  })
  let published = 0
  while (!isDone) {
    await server.carillon.publish({ topic: 'a', payload: ++published })
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  expect(delivered).toBeLessThanOrEqual(published)
  for (const raw of raws) await raw[Symbol.asyncDispose]()
})

test('tenants do not meet, and see nothing of how they are kept apart', async () => {
  await using server = await startServer({ jwt: { secret: SECRET } })
  const { carillon } = server
  const tenantOf = ({ kind, claims }: Viewer) =>
    kind === 'backend' ? null : (claims.org as string | undefined)
  const { middleware, cohort } = tenant(tenantOf)
  carillon.use(middleware, { cohort })
  const [ann, bob] = [await as('ann', 'acme'), await as('bob', 'globex')]
  const publish = async (headers: Record<string, string>, payload: string) =>
    fieldOf<{ message: Record<string, string> }>(
      await request(server.url, PUBLISH, { input: { topic: 'chat:1', payload } }, headers),
      'publish',
    ).message
  const first = await publish(ann, 'of acme')
  await publish(bob, 'of globex')
  expect(first.topic).toBe('chat:1')
  expect((await carillon.messages({ topic: 'acme:chat:1' })).messages).toHaveLength(1)

  const query = `query ($id: ID!, $after: Cursor) {
    node(id: $id) { ... on Message { payload topic } }
    topics { nodes { name } }
    topic(name: "chat:1") { name headSequence }
    messages(topic: "chat:1", after: $after, first: 5) { nodes { payload topic } headSequence }
  }`
  const answer = await request(server.url, query, { id: first.id, after: null }, ann)
  expect(answer).toEqual({
    data: {
      node: { payload: 'of acme', topic: 'chat:1' },
      topics: { nodes: [{ name: 'chat:1' }] },
      topic: { name: 'chat:1', headSequence: 1 },
      messages: { nodes: [{ payload: 'of acme', topic: 'chat:1' }], headSequence: 1 },
    },
  })
  const behind = await request(server.url, query, { id: first.id, after: first.cursor }, ann)
  expect(behind.data?.messages).toEqual({ nodes: [], headSequence: 1 })
  const foreign = await request(server.url, query, { id: first.id, after: null }, bob)
  expect(foreign.data?.messages).toMatchObject({ nodes: [{ payload: 'of globex' }] })

  const token = (await as('ann', 'acme')).authorization.slice('Bearer '.length)
  await using raw = await openAcknowledged(server.socketUrl, { token })
  const events = `subscription { events(topics: "chat:*", after: "${first.cursor}") {
    __typename ... on MessageEvent { message { topic payload } } ... on CaughtUpEvent { topic cursor }
  } }`
  raw.send({ id: 'e', type: 'subscribe', payload: { query: events } })
  expect((await raw.receive()).payload).toEqual({
    data: { events: { __typename: 'CaughtUpEvent', topic: 'chat:1', cursor: first.cursor } },
  })
  await publish(bob, 'not for acme')
  await publish(ann, 'more of acme')
  expect((await raw.receive()).payload).toMatchObject({
    data: { events: { message: { topic: 'chat:1', payload: 'more of acme' } } },
  })
  const can = [{ topics: 'chat:*', actions: ['HISTORY'] }] as const
  const narrow = { authorization: `Bearer ${await tokenOf({ can, claims: { org: 'acme' } })}` }
  await carillon.publish({ topic: 'acme:news:1', payload: 'not covered' })
  const list = '{ topics { nodes { name } pageInfo { hasPreviousPage hasNextPage } } }'
  expect((await request(server.url, list, {}, narrow)).data?.topics).toEqual({
    nodes: [{ name: 'chat:1' }],
    pageInfo: { hasPreviousPage: false, hasNextPage: false },
  })
  const nobody = await request(server.url, '{ topics { nodes { name } } }', {}, await as('eve'))
  expect(nobody.errors?.[0]?.extensions.code).toBe('PERMISSION_DENIED')
})

test('a tenant may have topics and consumers that are called as it is', async () => {
  await using server = await startServer()
  const { middleware, cohort } = tenant(() => 'acme')
  server.carillon.use(middleware, { cohort })
  const topic = 'acme:chat'
  const as = { userId: 'ann' }
  await server.carillon.publish({ topic, payload: 1 }, { as })
  const { messages } = await server.carillon.messages({ topic }, { as })
  expect(messages.map((message) => message.topic)).toEqual([topic])
  const subscription = await server.carillon.subscribe({ topics: [topic], last: 1 }, { as })
  expect((await subscription.next()).value?.topic).toBe(topic)
  await subscription.return()
  const consumer = await server.carillon.ack(
    { topic, consumer: 'acme:mailer', sequence: 1 },
    { as },
  )
  expect(consumer).toMatchObject({ topic, name: 'acme:mailer', acked: 1 })
})

test('payloads have to fit, and become what the schema makes of them', async () => {
  await using server = await startServer()
  const schema = z.object({ text: z.string().min(1).trim() })
  const rules = [{ topics: 'chat:*', type: 'message', schema }]
  server.carillon.use(payloadSchema(rules), { operations: 'publish' })
  const publish = (topic: string, payload: unknown, rest = {}) =>
    server.carillon.publish({ topic, payload, ...rest })
  expect((await publish('chat:1', { text: ' hi ' })).message.payload).toEqual({ text: 'hi' })
  await expect(publish('chat:1', { text: 1 })).rejects.toThrow(/does not fit: text: .*string/)
  await expect(publish('chat:1', { text: 1 })).rejects.toMatchObject({ code: 'INVALID_PAYLOAD' })
  await publish('chat:1', { text: 1 }, { type: 'other' })
  await publish('news', { text: 1 })
  await publish('chat:1', 'ciphertext', { encrypted: true })
})

test('the logger tells who did what, and nothing of what they said', async () => {
  await using server = await startServer()
  const lines: object[] = []
  const log = {
    info: (fields: object) => lines.push(fields),
    warn: (fields: object) => lines.push(fields),
  }
  server.carillon.use(operationLogger(log))
  await server.carillon.publish({ topic: 'a', payload: 'private' }, { as: { userId: 'ann' } })
  await expect(server.carillon.messages({ topic: 'a', last: 0 })).rejects.toThrow()
  expect(lines).toMatchObject([
    { operation: 'publish', userId: 'ann', topic: 'a' },
    { operation: 'history', userId: 'backend', code: 'INVALID_LIMIT' },
  ])
  expect(JSON.stringify(lines)).not.toContain('private')
})

test('middleware that awaits what goes on later, or never, ends no process', async () => {
  await using server = await startServer()
  server.carillon.use(
    async (_context, next) => {
      const published = next()
      await new Promise((resolve) => setTimeout(resolve, 50))
      return published
    },
    { operations: 'publish' },
  )
  await expect(server.carillon.publish({ topic: 'a b', payload: 1 })).rejects.toThrow()
  await expect(server.carillon.publish({ topic: 'a', payload: null })).rejects.toThrow('null')
})

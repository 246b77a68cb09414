import { expect, test } from 'vitest'
import {
  type GraphQLResponse,
  request,
  startServer,
  type TestServer,
} from '../../support/carillon.ts'
import { readEvents } from '../../support/event-stream.ts'
import { SECRET, type TokenClaims, tokenOf } from '../../support/tokens.ts'
import {
  openAcknowledged,
  openRawSocket,
  type ProtocolMessage,
  type RawSocket,
} from '../../support/websocket.ts'

const MESSAGES = 'subscription { messages(topics: "chat:*", after: []) { sequence } }'
const SOON = { timeout: 10_000, interval: 20 }

function secured(options: Parameters<typeof startServer>[0] = {}): Promise<TestServer> {
  return startServer({ jwt: { secret: SECRET }, ...options })
}

async function open(server: TestServer, claims: TokenClaims = {}, clientId?: string) {
  return openAcknowledged(server.socketUrl, { token: await tokenOf(claims), clientId })
}

function subscribe(raw: RawSocket, query = MESSAGES, id = 's'): void {
  raw.send({ id, type: 'subscribe', payload: { query } })
}

const others = new WeakMap<RawSocket, ProtocolMessage[]>()

/** The next message of an operation; those of others are kept for who takes them. */
async function take(raw: RawSocket, id: string): Promise<ProtocolMessage> {
  const kept = others.get(raw) ?? []
  others.set(raw, kept)
  const index = kept.findIndex((message) => message.id === id)
  const [known] = index === -1 ? [] : kept.splice(index, 1)
  if (known !== undefined) return known
  for (;;) {
    const message = await raw.receive()
    if (message.id === id) return message
    kept.push(message)
  }
}

/** What has come of an operation, and was not taken. */
function pending(raw: RawSocket, id: string): readonly ProtocolMessage[] {
  return [...(others.get(raw) ?? []), ...raw.pending()].filter((message) => message.id === id)
}

function sequenceOf({ payload }: ProtocolMessage): unknown {
  return (payload as { data?: { messages?: { sequence: number } } } | undefined)?.data?.messages
    ?.sequence
}

function codesOf(message: ProtocolMessage): readonly string[] {
  const errors =
    message.type === 'error' ? message.payload : (message.payload as GraphQLResponse).errors
  return (errors as GraphQLResponse['errors'])?.map(({ extensions }) => extensions.code) ?? []
}

async function ask(
  raw: RawSocket,
  query: string,
  variables: object = {},
): Promise<ProtocolMessage> {
  const id = `q${Math.random()}`
  raw.send({ id, type: 'subscribe', payload: { query, variables } })
  return take(raw, id)
}

const REFRESH = 'mutation ($token: String!) { refreshToken(token: $token) { userId expiresAt } }'

async function publish(server: TestServer, count = 1, topic = 'chat:1'): Promise<void> {
  for (let n = 0; n < count; n++) await server.carillon.publish({ topic, payload: n })
}

async function untilLive(server: TestServer, raw: RawSocket): Promise<number> {
  const first = take(raw, 's')
  let isLive = false
  void first.then(() => {
    isLive = true
  })
  while (!isLive) await publish(server)
  const seen = Number(sequenceOf(await first))
  const { topic } = await server.carillon.messages({ topic: 'chat:1', last: 1 })
  for (let last = seen; last < topic.head; ) last = Number(sequenceOf(await take(raw, 's')))
  return topic.head
}

/** Renews the credentials by some that run out within a second, and waits for that. */
async function letRunOut(raw: RawSocket): Promise<void> {
  const renewed = await ask(raw, REFRESH, { token: await tokenOf({ expiresIn: 1 }) })
  expect(codesOf(renewed)).toEqual([])
  const refused = async () => codesOf(await ask(raw, '{ viewer { userId } }')).join()
  await expect.poll(refused, SOON).toBe('UNAUTHENTICATED')
}

test('nothing is delivered once the token has run out, and nothing is lost by a fresh one', async () => {
  await using server = await secured()
  await using raw = await open(server)
  subscribe(raw)
  const head = await untilLive(server, raw)
  await letRunOut(raw)
  await publish(server, 5)
  const refused = await ask(raw, '{ messages(topic: "chat:1") { headSequence } }')
  expect(codesOf(refused)).toEqual(['UNAUTHENTICATED'])
  expect(pending(raw, 's')).toEqual([])

  const renewed = await ask(raw, REFRESH, { token: await tokenOf({ expiresIn: 60 }) })
  expect(renewed.payload).toMatchObject({ data: { refreshToken: { userId: 'ann' } } })
  const got: unknown[] = []
  for (let n = 0; n < 5; n++) got.push(sequenceOf(await take(raw, 's')))
  expect(got).toEqual([1, 2, 3, 4, 5].map((n) => head + n))
  await publish(server)
  expect(sequenceOf(await take(raw, 's'))).toBe(head + 6)
})

test('a token that is renewed in time is not noticed by its subscriptions', async () => {
  await using server = await secured()
  await using raw = await open(server)
  subscribe(raw)
  const head = await untilLive(server, raw)
  const publishing = publish(server, 50)
  await ask(raw, REFRESH, { token: await tokenOf({ expiresIn: 2 }) })
  await ask(raw, REFRESH, { token: await tokenOf() })
  await publishing
  await new Promise((resolve) => setTimeout(resolve, 2_100)) // the second one has run out
  await publish(server)
  const got: unknown[] = []
  while (got.length < 51) got.push(sequenceOf(await take(raw, 's')))
  expect(got).toEqual(Array.from({ length: 51 }, (_, n) => head + 1 + n))
})

test('without a fresh token the socket is closed with a code that clients retry', async () => {
  await using server = await secured({ renewalMs: 300 })
  await using raw = await open(server, { expiresIn: 1 })
  subscribe(raw)
  const { code, reason } = await raw.closed()
  expect([code, reason]).toEqual([4403, 'UNAUTHENTICATED: The credentials have run out.'])
  expect(raw.pending().filter(({ type }) => type === 'complete' || type === 'error')).toEqual([])
})

test.each([
  ['of another user', { sub: 'bob' }, 'PERMISSION_DENIED'],
  ['that has run out', { expiresIn: -60 }, 'UNAUTHENTICATED'],
] as const)('a fresh token %s changes nothing', async (_what, claims, code) => {
  await using server = await secured()
  await using raw = await open(server)
  subscribe(raw)
  const head = await untilLive(server, raw)
  expect(codesOf(await ask(raw, REFRESH, { token: await tokenOf(claims) }))).toEqual([code])
  expect(codesOf(await ask(raw, REFRESH, { token: 'garbage' }))).toEqual(['UNAUTHENTICATED'])
  await publish(server)
  expect(sequenceOf(await take(raw, 's'))).toBe(head + 1)
})

test('narrowed capabilities end just the subscriptions that they cover no more', async () => {
  await using server = await secured()
  await using raw = await open(server)
  subscribe(raw)
  const head = await untilLive(server, raw)
  subscribe(raw, 'subscription { messages(topics: "news:1") { sequence } }', 'other')
  subscribe(raw, 'subscription { presence(topics: "news:1") { type } }', 'presence')
  expect((await take(raw, 'presence')).type).toBe('next')
  const can = [{ topics: 'chat:*', actions: ['SUBSCRIBE', 'HISTORY'] }] as const
  await ask(raw, REFRESH, { token: await tokenOf({ can }) })
  const ended = await take(raw, 'other')
  expect(codesOf(ended)).toEqual(['PERMISSION_DENIED'])
  await publish(server, 1, 'news:1')
  await publish(server)
  expect(sequenceOf(await take(raw, 's'))).toBe(head + 1)
  expect(
    codesOf(
      await ask(raw, 'mutation { publish(input: { topic: "chat:1", payload: 1 }) { duplicate } }'),
    ),
  ).toEqual(['PERMISSION_DENIED'])
})

test('what runs out in the middle of a catch-up rests, and goes on where it was', async () => {
  await using server = await secured()
  await publish(server, 1)
  const inputs = Array.from({ length: 100 }, () => ({
    topic: 'chat:1',
    payload: 'x'.repeat(10_000),
  }))
  for (let n = 0; n < 10; n++) await server.carillon.publishMany(inputs)
  await using raw = await open(server)
  const replay = 'subscription { messages(topics: "chat:1", last: 1000) { sequence payload } }'
  subscribe(raw, replay)
  expect(sequenceOf(await take(raw, 's'))).toBe(2)
  raw.socket.pause() // so that it is still catching up when the token runs out
  raw.send({
    id: 'refresh',
    type: 'subscribe',
    payload: { query: REFRESH, variables: { token: await tokenOf({ expiresIn: 0.5 }) } },
  })
  await new Promise((resolve) => setTimeout(resolve, 1_500))
  raw.socket.resume()
  raw.send({ id: 'asked', type: 'subscribe', payload: { query: '{ viewer { userId } }' } })
  const isAsked = () => raw.pending().some(({ id, type }) => id === 'asked' && type === 'error')
  await expect.poll(isAsked, SOON).toBe(true)
  const before = pending(raw, 's').length
  expect(before).toBeLessThan(999)
  await ask(raw, REFRESH, { token: await tokenOf() })
  const got: unknown[] = []
  while (got.length < 999) got.push(sequenceOf(await take(raw, 's')))
  expect(got).toEqual(Array.from({ length: 999 }, (_, n) => n + 3))
})

test('a stream of server-sent events ends with its token', async () => {
  await using server = await secured()
  const response = await fetch(server.url, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'text/event-stream',
      authorization: `Bearer ${await tokenOf({ expiresIn: 1 })}`,
    },
    body: JSON.stringify({ query: MESSAGES }),
  })
  const events: string[] = []
  for await (const { data } of readEvents(response)) if (data !== '') events.push(data)
  expect(events.join('')).toContain('UNAUTHENTICATED')
})

test('a subscription of the library on behalf of someone ends when that one is out', async () => {
  await using server = await secured()
  const as = { userId: 'ann', expiresAt: new Date(Date.now() + 300) }
  const subscription = await server.carillon.subscribe({ topics: ['chat:1'] }, { as })
  await expect(subscription.next()).rejects.toMatchObject({ code: 'UNAUTHENTICATED' })
})

test('authorize is asked again: what it allows no more ends', async () => {
  const members = new Set(['ann', 'bob'])
  let asked = 0
  await using server = await secured({
    authorize: ({ viewer, topic }) => {
      asked++
      return topic !== 'room:1' || members.has(viewer.userId)
    },
    authorizeCacheMs: 60_000,
  })
  await using ann = await open(server, { sub: 'ann' })
  await using bob = await open(server, { sub: 'bob' })
  const query = 'subscription { messages(topics: "room:1") { sequence } }'
  for (const raw of [ann, bob]) subscribe(raw, query)
  for (const raw of [ann, bob]) await ask(raw, '{ __typename }')
  await expect.poll(() => asked, SOON).toBe(2)
  members.delete('ann')
  await server.carillon.reauthorize('ann')
  expect(codesOf(await take(ann, 's'))).toEqual(['PERMISSION_DENIED'])
  await publish(server, 1, 'room:1')
  expect(sequenceOf(await take(bob, 's'))).toBe(1)
  expect(ann.pending().filter(({ type }) => type === 'next')).toEqual([])
  const again = await ask(ann, '{ messages(topic: "room:1") { headSequence } }')
  expect(codesOf(again)).toEqual(['PERMISSION_DENIED'])
})

test('an authorize that fails lets nothing pass, and says that it may be tried again', async () => {
  await using server = await secured({
    authorize: () => {
      throw new Error('the directory is away')
    },
  })
  const headers = { authorization: `Bearer ${await tokenOf()}` }
  const query = 'mutation { publish(input: { topic: "chat:1", payload: 1 }) { duplicate } }'
  const { errors } = await request(server.url, query, {}, headers)
  expect(errors?.[0]?.extensions).toMatchObject({ code: 'SERVICE_UNAVAILABLE', retryable: true })
  expect(JSON.stringify(errors)).not.toContain('directory')
})

test('a host application says itself who callers are', async () => {
  await using server = await startServer({
    authenticate: ({ headers, connectionParams }) => {
      const cookie = headers.cookie ?? connectionParams.cookie
      if (cookie === 'broken') throw new Error('no database')
      return cookie === 'session=1'
        ? { userId: 'ann', capabilities: [{ topics: 'dm:{user}', actions: ['*'] }] }
        : undefined
    },
  })
  const who = '{ viewer { userId capabilities { topics } } }'
  const known = await request(server.url, who, {}, { cookie: 'session=1' })
  expect(known.data?.viewer).toEqual({ userId: 'ann', capabilities: [{ topics: 'dm:ann' }] })
  expect((await request(server.url, who)).errors?.[0]?.extensions.code).toBe('UNAUTHENTICATED')
  expect(
    (await request(server.url, who, {}, { cookie: 'broken' })).errors?.[0]?.extensions.code,
  ).toBe('SERVICE_UNAVAILABLE')
  await using raw = await openAcknowledged(server.socketUrl, { cookie: 'session=1' })
  expect((await ask(raw, who)).payload).toMatchObject({ data: { viewer: { userId: 'ann' } } })
  await using refused = await openRawSocket(server.socketUrl)
  refused.send({ type: 'connection_init', payload: { cookie: 'session=2' } })
  expect((await refused.closed()).code).toBe(4403)
})

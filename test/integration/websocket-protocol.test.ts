import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startServer, type TestServer } from '../support/carillon.ts'
import {
  createDatabase,
  describeWithPostgresql,
  execute,
  type ThrowawayDatabase,
} from '../support/postgresql.ts'
import { type Sources, watchSources } from '../support/subscription-sources.ts'
import { lockTable } from '../support/table-lock.ts'
import {
  openAcknowledged,
  openRawSocket,
  type ProtocolMessage,
  type RawSocket,
} from '../support/websocket.ts'
import { closedAfterHandshake } from '../support/websocket-handshake.ts'

// The graphql-transport-ws protocol:
// https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md

let server: TestServer
let sources: Sources

beforeAll(async () => {
  server = await startServer()
  sources = watchSources(server.carillon)
})

afterAll(() => server[Symbol.asyncDispose]())

/** A `subscribe` message. */
function operation(id: string, query: string, rest: Record<string, unknown> = {}): ProtocolMessage {
  return { id, type: 'subscribe', payload: { query, ...rest } }
}

function subscription(id: string, topic: string): ProtocolMessage {
  return operation(id, `subscription { messages(topics: "${topic}") { payload } }`)
}

function mutation(id: string, topic: string, payload: unknown): ProtocolMessage {
  return operation(
    id,
    `mutation ($payload: JSON!) {
      publish(input: { topic: "${topic}", payload: $payload }) { message { payload } }
    }`,
    { variables: { payload } },
  )
}

/** The `next` message that brings a message with this payload. */
function delivered(id: string, payload: unknown): ProtocolMessage {
  return { id, type: 'next', payload: { data: { messages: { payload } } } }
}

function published(id: string, payload: unknown): ProtocolMessage {
  return { id, type: 'next', payload: { data: { publish: { message: { payload } } } } }
}

/** A message that stands behind whatever was published to its topic before. */
async function publishedNext(topic: string) {
  const { message } = await server.carillon.publish({ topic, payload: 'next' })
  return message
}

function coded(code: string, retryable = false, limit?: string) {
  return expect.objectContaining({
    message: expect.any(String),
    extensions: { code, retryable, ...(limit === undefined ? {} : { limit }) },
  })
}

/**
 * Nothing came between what was received last and the first pong, nor before the second: by then
 * the server has done all that it had to do at once when it sent the first.
 */
async function expectNothingMore(raw: RawSocket): Promise<void> {
  for (const round of [1, 2]) {
    const payload = { round, mark: crypto.randomUUID() }
    raw.send({ type: 'ping', payload })
    expect(await raw.receive()).toEqual({ type: 'pong', payload })
  }
}

async function expectUsable(raw: RawSocket): Promise<void> {
  raw.send(operation('still usable', '{ __typename }'))
  expect(await raw.receive()).toEqual({
    id: 'still usable',
    type: 'next',
    payload: { data: { __typename: 'Query' } },
  })
  expect(await raw.receive()).toEqual({ id: 'still usable', type: 'complete' })
}

describe('The subprotocol', () => {
  test('graphql-transport-ws is picked out of what a client offers', async () => {
    await using raw = await openRawSocket(server.socketUrl, ['graphql-ws', 'graphql-transport-ws'])
    expect(raw.socket.protocol).toBe('graphql-transport-ws')
  })

  test('a socket that offers only another one is closed with 4406', async () => {
    const closed = await closedAfterHandshake(server.socketUrl, 'graphql-ws')
    expect(closed).toEqual({ code: 4406, reason: 'Subprotocol not acceptable' })
  })

  test('a socket that offers none is closed with 4406', async () => {
    await using raw = await openRawSocket(server.socketUrl, [])
    expect(await raw.closed()).toEqual({ code: 4406, reason: 'Subprotocol not acceptable' })
  })
})

describe('Connection initialisation', () => {
  test('an init without payload is acknowledged, without payload', async () => {
    await using raw = await openRawSocket(server.socketUrl)
    raw.send({ type: 'connection_init' })
    expect(await raw.receive()).toEqual({ type: 'connection_ack' })
  })

  test('an init with a null payload is acknowledged', async () => {
    await using raw = await openRawSocket(server.socketUrl)
    raw.send({ type: 'connection_init', payload: null })
    expect(await raw.receive()).toEqual({ type: 'connection_ack' })
  })

  test('a socket without an init in time is closed with 4408', async () => {
    await using raw = await openRawSocket(server.socketUrl)
    expect(await raw.closed()).toEqual({
      code: 4408,
      reason: 'Connection initialisation timeout',
    })
  })

  test('pings do not count as an init', async () => {
    await using raw = await openRawSocket(server.socketUrl)
    raw.send({ type: 'ping' })
    expect(await raw.receive()).toEqual({ type: 'pong' })
    expect(await raw.closed()).toMatchObject({ code: 4408 })
  })

  test('a second init closes the socket with 4429', async () => {
    await using raw = await openAcknowledged(server.socketUrl)
    raw.send({ type: 'connection_init' })
    expect(await raw.closed()).toEqual({ code: 4429, reason: 'Too many initialisation requests' })
  })

  test('a second init closes the socket with 4429 even if the first is not acknowledged', async () => {
    await using raw = await openRawSocket(server.socketUrl)
    raw.send({ type: 'connection_init' })
    raw.send({ type: 'connection_init' })
    expect(await raw.closed()).toMatchObject({ code: 4429 })
  })

  test('an operation without an init closes the socket with 4401', async () => {
    await using raw = await openRawSocket(server.socketUrl)
    raw.send(operation('1', '{ __typename }'))
    expect(await raw.closed()).toEqual({ code: 4401, reason: 'Unauthorized' })
    expect(raw.pending()).toEqual([])
  })

  test('a client id without control characters is the viewer’s', async () => {
    await using raw = await openAcknowledged(server.socketUrl, { clientId: 'tab 1' })
    raw.send(operation('1', '{ viewer { userId clientId } }'))
    expect(await raw.receive()).toEqual({
      id: '1',
      type: 'next',
      payload: { data: { viewer: { userId: 'anonymous', clientId: 'tab 1' } } },
    })
  })

  test('a client that does not name itself has no client id', async () => {
    await using raw = await openAcknowledged(server.socketUrl)
    raw.send(operation('1', '{ viewer { clientId } }'))
    expect(await raw.receive()).toMatchObject({ payload: { data: { viewer: { clientId: null } } } })
  })

  test.each([
    ['with a control character', 'a\u0000b'],
    ['that is empty', ''],
    ['of 129 characters', 'x'.repeat(129)],
    ['that is a number', 1],
    ['that is an object', {}],
  ])('a client id %s closes the socket with 4400, and the reason says why', async (_, clientId) => {
    await using raw = await openRawSocket(server.socketUrl)
    raw.send({ type: 'connection_init', payload: { clientId } })
    expect(await raw.closed()).toEqual({
      code: 4400,
      reason: expect.stringMatching(/^INVALID_INPUT: /),
    })
    expect(raw.pending()).toEqual([])
  })
})

describe('An invalid message closes the socket with 4400', () => {
  test('such as an id of more than 256 characters, which would stand in front of every result', async () => {
    await using raw = await openAcknowledged(server.socketUrl)
    raw.send(subscription('x'.repeat(256), 'ws:long-id'))
    raw.send({ type: 'ping' })
    expect(await raw.receive()).toEqual({ type: 'pong' })
    raw.send(subscription('x'.repeat(257), 'ws:long-id'))
    expect(await raw.closed()).toEqual({
      code: 4400,
      reason: 'The id of an operation has at most 256 characters',
    })
  })

  const query = '{ __typename }'
  test.each<[string, string | Buffer]>([
    ['text that is not JSON', 'hello'],
    ['an empty text', ''],
    ['half a message', '{"type":"ping"'],
    ['binary garbage', Buffer.from([0x00, 0xff, 0xfe, 0x80])],
    ['an array', '[]'],
    ['null', 'null'],
    ['a number', '1'],
    ['a message without a type', '{}'],
    ['a type that is no text', '{"type":1}'],
    ['a type that there is not', '{"type":"start","id":"1"}'],
    ['a type of the old protocol', '{"type":"connection_terminate"}'],
    ['a type named like a method of objects', '{"type":"toString"}'],
    ['a ping whose payload is a text', '{"type":"ping","payload":"x"}'],
    ['a pong whose payload is an array', '{"type":"pong","payload":[]}'],
    ['an operation without an id', JSON.stringify({ type: 'subscribe', payload: { query } })],
    ['an empty id', JSON.stringify({ id: '', type: 'subscribe', payload: { query } })],
    ['an id that is a number', JSON.stringify({ id: 1, type: 'subscribe', payload: { query } })],
    ['an id that is null', JSON.stringify({ id: null, type: 'subscribe', payload: { query } })],
    ['an operation without a payload', '{"id":"1","type":"subscribe"}'],
    ['a payload that is an array', '{"id":"1","type":"subscribe","payload":[]}'],
    ['an operation without a query', '{"id":"1","type":"subscribe","payload":{}}'],
    ['a query that is a number', '{"id":"1","type":"subscribe","payload":{"query":1}}'],
    ['a query that is null', '{"id":"1","type":"subscribe","payload":{"query":null}}'],
    ['variables that are an array', JSON.stringify(operation('1', query, { variables: [] }))],
    ['variables that are a text', JSON.stringify(operation('1', query, { variables: '{}' }))],
    [
      'an operation name that is a number',
      JSON.stringify(operation('1', query, { operationName: 1 })),
    ],
    ['extensions that are a text', JSON.stringify(operation('1', query, { extensions: 'x' }))],
    ['a complete without an id', '{"type":"complete"}'],
    ['a complete whose id is a number', '{"type":"complete","id":1}'],
  ])('%s', async (_, message) => {
    await using raw = await openAcknowledged(server.socketUrl)
    raw.socket.send(message)
    expect(await raw.closed()).toEqual({ code: 4400, reason: expect.stringMatching(/./) })
    expect(raw.pending()).toEqual([])
  })

  // Messages that only servers send are a client's fault too, not one of the server (4500).
  test.each<[string, ProtocolMessage]>([
    ['connection_ack', { type: 'connection_ack' }],
    ['next', { id: '1', type: 'next', payload: { data: null } }],
    ['error', { id: '1', type: 'error', payload: [{ message: 'x' }] }],
  ])('%s, which only servers send', async (_, message) => {
    await using raw = await openAcknowledged(server.socketUrl)
    raw.send(message)
    expect(await raw.closed()).toMatchObject({ code: 4400 })
  })

  test('what follows it is not carried out', async () => {
    await using raw = await openAcknowledged(server.socketUrl)
    raw.socket.send('hello')
    raw.send(mutation('1', 'ws:after-invalid', 1))
    await raw.closed()
    const { sequence } = await publishedNext('ws:after-invalid')
    expect(sequence).toBe(1)
  })

  test('also before the connection is acknowledged', async () => {
    await using raw = await openRawSocket(server.socketUrl)
    raw.socket.send('hello')
    expect(await raw.closed()).toMatchObject({ code: 4400 })
  })
})

describe('Ping and pong', () => {
  test('a ping is answered by a pong with its payload', async () => {
    await using raw = await openAcknowledged(server.socketUrl)
    const payload = { mark: 'ä', nested: [1, null, { a: true }] }
    raw.send({ type: 'ping', payload })
    expect(await raw.receive()).toEqual({ type: 'pong', payload })
  })

  test.each([[{ type: 'ping' }], [{ type: 'ping', payload: null }]])(
    '%j is answered by a pong without a payload',
    async (ping) => {
      await using raw = await openAcknowledged(server.socketUrl)
      raw.send(ping)
      expect(await raw.receive()).toEqual({ type: 'pong' })
    },
  )

  test('a pong that nobody asked for is ignored', async () => {
    await using raw = await openAcknowledged(server.socketUrl)
    raw.send({ type: 'pong' })
    raw.send({ type: 'pong', payload: { mark: 1 } })
    await expectNothingMore(raw)
  })

  test('pings are answered before the acknowledgement', async () => {
    await using raw = await openRawSocket(server.socketUrl)
    raw.send({ type: 'ping', payload: { mark: 1 } })
    expect(await raw.receive()).toEqual({ type: 'pong', payload: { mark: 1 } })
  })
})

describe('Operations that cannot start', () => {
  test.each<[string, Record<string, unknown> & { readonly query: string }]>([
    ['A syntax error', { query: '{' }],
    ['An empty query', { query: '' }],
    ['A field that there is not', { query: '{ nope }' }],
    [
      'A subscription to two fields',
      {
        query: 'subscription { a: messages(topics: "x") { id } b: messages(topics: "x") { id } }',
      },
    ],
    ['An unknown operation name', { query: 'query A { __typename }', operationName: 'B' }],
    [
      'No operation name where there are two operations',
      {
        query: 'query A { __typename } query B { __typename }',
      },
    ],
    ['A document with fragments only', { query: 'fragment F on Query { __typename }' }],
  ])('%s is answered with an error, no complete, and the socket goes on', async (_, payload) => {
    await using raw = await openAcknowledged(server.socketUrl)
    raw.send({ id: '1', type: 'subscribe', payload })
    expect(await raw.receive()).toEqual({
      id: '1',
      type: 'error',
      payload: expect.arrayContaining([coded('INVALID_INPUT')]),
    })
    await expectNothingMore(raw)
    await expectUsable(raw)
  })

  test('validation errors say where', async () => {
    await using raw = await openAcknowledged(server.socketUrl)
    raw.send(operation('1', '{\n  nope\n  neither\n}'))
    const { payload } = await raw.receive()
    expect(payload).toEqual([
      expect.objectContaining({ locations: [{ line: 2, column: 3 }] }),
      expect.objectContaining({ locations: [{ line: 3, column: 3 }] }),
    ])
  })

  test('a topic name in the document that is none carries the catalogue’s code', async () => {
    await using raw = await openAcknowledged(server.socketUrl)
    raw.send(operation('1', '{ topic(name: "a b") { name } }'))
    expect(await raw.receive()).toEqual({
      id: '1',
      type: 'error',
      payload: [coded('INVALID_TOPIC_NAME')],
    })
  })

  test('an id is free again after an error', async () => {
    await using raw = await openAcknowledged(server.socketUrl)
    raw.send(operation('still usable', '{ nope }'))
    expect(await raw.receive()).toMatchObject({ id: 'still usable', type: 'error' })
    await expectUsable(raw)
  })
})

describe('Operations that fail', () => {
  test('a variable that is not valid carries the catalogue’s code', async () => {
    await using raw = await openAcknowledged(server.socketUrl)
    raw.send(
      operation('1', 'query ($name: TopicName!) { topic(name: $name) { name } }', {
        variables: { name: 'a b' },
      }),
    )
    expect(await raw.receive()).toEqual({
      id: '1',
      type: 'next',
      payload: { errors: [coded('INVALID_TOPIC_NAME')] },
    })
    expect(await raw.receive()).toEqual({ id: '1', type: 'complete' })
  })

  test('an error of a field carries its code and its path', async () => {
    await using raw = await openAcknowledged(server.socketUrl)
    raw.send(operation('1', '{ messages(topic: "ws:fails", first: 0) { headSequence } }'))
    expect(await raw.receive()).toEqual({
      id: '1',
      type: 'next',
      payload: {
        data: null,
        errors: [
          expect.objectContaining({
            path: ['messages'],
            extensions: { code: 'INVALID_LIMIT', retryable: false, limit: 'page' },
          }),
        ],
      },
    })
    expect(await raw.receive()).toEqual({ id: '1', type: 'complete' })
  })

  test('a subscription to no topics ends with INVALID_INPUT', async () => {
    await using raw = await openAcknowledged(server.socketUrl)
    raw.send(operation('1', 'subscription { messages(topics: []) { id } }'))
    expect(await raw.receive()).toEqual({
      id: '1',
      type: 'next',
      payload: { errors: [coded('INVALID_INPUT', false, 'subscriptionTopics')] },
    })
    expect(await raw.receive()).toEqual({ id: '1', type: 'complete' })
    await expectUsable(raw)
  })

  test('a subscription whose variable is not valid carries the catalogue’s code', async () => {
    await using raw = await openAcknowledged(server.socketUrl)
    raw.send(
      operation(
        '1',
        'subscription ($echo: Boolean) { messages(topics: "x", echo: $echo) { id } }',
        {
          variables: { echo: 'yes' },
        },
      ),
    )
    expect(await raw.receive()).toEqual({
      id: '1',
      type: 'next',
      payload: { errors: [coded('INVALID_INPUT')] },
    })
    expect(await raw.receive()).toEqual({ id: '1', type: 'complete' })
  })
})

describe('Single results', () => {
  test('a query is one next, then complete', async () => {
    await using raw = await openAcknowledged(server.socketUrl)
    raw.send(operation('1', '{ viewer { userId } }'))
    expect(await raw.receive()).toEqual({
      id: '1',
      type: 'next',
      payload: { data: { viewer: { userId: 'anonymous' } } },
    })
    expect(await raw.receive()).toEqual({ id: '1', type: 'complete' })
    await expectNothingMore(raw)
  })

  test('a mutation is one next, then complete', async () => {
    await using raw = await openAcknowledged(server.socketUrl)
    raw.send(mutation('1', 'ws:mutation', { n: 1 }))
    expect(await raw.receive()).toEqual(published('1', { n: 1 }))
    expect(await raw.receive()).toEqual({ id: '1', type: 'complete' })
    await expectNothingMore(raw)
  })

  test('the operation name picks one of two', async () => {
    await using raw = await openAcknowledged(server.socketUrl)
    const query = 'query A { a: __typename } query B { b: __typename }'
    raw.send(operation('1', query, { operationName: 'B' }))
    expect(await raw.receive()).toMatchObject({ payload: { data: { b: 'Query' } } })
  })

  test('null variables, operation name and extensions count as none', async () => {
    await using raw = await openAcknowledged(server.socketUrl)
    raw.send(
      operation('1', '{ __typename }', { variables: null, operationName: null, extensions: null }),
    )
    expect(await raw.receive()).toMatchObject({ type: 'next', payload: { data: {} } })
  })
})

describe('Subscriptions', () => {
  test('messages arrive as next, in order, without complete', async () => {
    await using raw = await openAcknowledged(server.socketUrl)
    raw.send(subscription('1', 'ws:order'))
    await sources.opened('ws:order')
    for (const payload of [1, 2, 3]) await server.carillon.publish({ topic: 'ws:order', payload })
    for (const payload of [1, 2, 3]) expect(await raw.receive()).toEqual(delivered('1', payload))
    await expectNothingMore(raw)
  })

  test('several on one socket get each their own', async () => {
    await using raw = await openAcknowledged(server.socketUrl)
    raw.send(subscription('a', 'ws:several:a'))
    raw.send(subscription('b', 'ws:several:b'))
    raw.send(subscription('a too', 'ws:several:a'))
    await sources.opened('ws:several:a')
    await sources.opened('ws:several:a')
    await sources.opened('ws:several:b')
    await server.carillon.publish({ topic: 'ws:several:a', payload: 1 })
    const both = [await raw.receive(), await raw.receive()]
    expect(both).toEqual(expect.arrayContaining([delivered('a', 1), delivered('a too', 1)]))
    await server.carillon.publish({ topic: 'ws:several:b', payload: 2 })
    expect(await raw.receive()).toEqual(delivered('b', 2))
    await expectNothingMore(raw)
  })

  test('queries and mutations are answered beside them', async () => {
    await using raw = await openAcknowledged(server.socketUrl)
    raw.send(subscription('live', 'ws:beside'))
    await sources.opened('ws:beside')
    raw.send(mutation('1', 'ws:beside', 'x'))
    const received = [await raw.receive(), await raw.receive(), await raw.receive()]
    expect(received).toEqual(
      expect.arrayContaining([
        delivered('live', 'x'),
        published('1', 'x'),
        { id: '1', type: 'complete' },
      ]),
    )
    await expectUsable(raw)
  })

  test('an ended one stops its source at once, and complete is not echoed', async () => {
    await using raw = await openAcknowledged(server.socketUrl)
    raw.send(subscription('ended', 'ws:ended'))
    const source = await sources.opened('ws:ended')
    raw.send(subscription('other', 'ws:ended'))
    await sources.opened('ws:ended')
    raw.send({ id: 'ended', type: 'complete' })
    await source.ended()
    await server.carillon.publish({ topic: 'ws:ended', payload: 'late' })
    expect(await raw.receive()).toEqual(delivered('other', 'late'))
    await expectNothingMore(raw)
  })

  test('nothing is delivered after complete even if messages are on their way', async () => {
    await using raw = await openAcknowledged(server.socketUrl)
    raw.send(subscription('1', 'ws:burst'))
    const source = await sources.opened('ws:burst')
    const burst = Array.from({ length: 100 }, (_, payload) => ({ topic: 'ws:burst', payload }))
    await server.carillon.publishMany(burst)
    expect(await raw.receive()).toEqual(delivered('1', 0))
    raw.send({ id: '1', type: 'complete' })
    raw.send({ type: 'ping', payload: { mark: 'completed' } })
    await source.ended()
    let received = await raw.receive()
    while (received.type === 'next') received = await raw.receive()
    expect(received).toEqual({ type: 'pong', payload: { mark: 'completed' } })
    await expectNothingMore(raw)
  })

  test('one that is completed before it is live never delivers', async () => {
    await using raw = await openAcknowledged(server.socketUrl)
    raw.send(subscription('1', 'ws:early-complete'))
    raw.send({ id: '1', type: 'complete' })
    const source = await sources.opened('ws:early-complete')
    await source.ended()
    await server.carillon.publish({ topic: 'ws:early-complete', payload: 1 })
    await expectNothingMore(raw)
  })

  test('complete for an id that is not there is ignored', async () => {
    await using raw = await openAcknowledged(server.socketUrl)
    raw.send({ id: 'never', type: 'complete' })
    raw.send({ id: '__proto__', type: 'complete' })
    await expectNothingMore(raw)
    await expectUsable(raw)
    raw.send({ id: 'still usable', type: 'complete' })
    await expectNothingMore(raw)
  })

  test('closing the socket ends its subscriptions', async () => {
    await using raw = await openAcknowledged(server.socketUrl)
    raw.send(subscription('1', 'ws:closing'))
    raw.send(subscription('__proto__', 'ws:closing'))
    const opened = [await sources.opened('ws:closing'), await sources.opened('ws:closing')]
    raw.socket.close(1000)
    for (const source of opened) await source.ended()
  })

  test('`echo: false` leaves out what the same client published, on any socket', async () => {
    await using subscriber = await openAcknowledged(server.socketUrl, { clientId: 'tab 1' })
    await using sameClient = await openAcknowledged(server.socketUrl, { clientId: 'tab 1' })
    await using otherClient = await openAcknowledged(server.socketUrl, { clientId: 'tab 2' })
    subscriber.send(
      operation('1', 'subscription { messages(topics: "ws:echo", echo: false) { payload } }'),
    )
    await sources.opened('ws:echo')
    for (const [socket, payload] of [
      [subscriber, 'own'],
      [sameClient, 'same client'],
      [otherClient, 'other client'],
    ] as const) {
      socket.send(mutation('publish', 'ws:echo', payload))
      expect(await socket.receive()).toEqual(published('publish', payload))
      expect(await socket.receive()).toEqual({ id: 'publish', type: 'complete' })
    }
    expect(await subscriber.receive()).toEqual(delivered('1', 'other client'))
  })

  test('`echo: false` leaves nothing out where the client did not name itself', async () => {
    await using raw = await openAcknowledged(server.socketUrl)
    raw.send(
      operation('1', 'subscription { messages(topics: "ws:no-name", echo: false) { payload } }'),
    )
    await sources.opened('ws:no-name')
    await using other = await openAcknowledged(server.socketUrl)
    other.send(mutation('publish', 'ws:no-name', 1))
    expect(await raw.receive()).toEqual(delivered('1', 1))
  })
})

describe('A subscription without a field', () => {
  const conditional = (skip: boolean) => `subscription { ...Root }
    fragment Root on Subscription { messages(topics: "ws:skip") @skip(if: ${skip}) { payload } }`

  test('is refused, and the socket goes on', async () => {
    await using raw = await openAcknowledged(server.socketUrl)
    raw.send(operation('1', conditional(true)))
    expect(await raw.receive()).toEqual({
      id: '1',
      type: 'next',
      payload: { errors: [coded('INVALID_INPUT')] },
    })
    expect(await raw.receive()).toEqual({ id: '1', type: 'complete' })
    await expectUsable(raw)
  })

  test('is not one whose directives leave the field in', async () => {
    await using raw = await openAcknowledged(server.socketUrl)
    raw.send(operation('1', conditional(false)))
    await sources.opened('ws:skip')
    await server.carillon.publish({ topic: 'ws:skip', payload: 1 })
    expect(await raw.receive()).toEqual(delivered('1', 1))
  })
})

describe('Ids', () => {
  test('one in use by a subscription closes the socket with 4409', async () => {
    await using raw = await openAcknowledged(server.socketUrl)
    raw.send(subscription('1', 'ws:duplicate'))
    const source = await sources.opened('ws:duplicate')
    raw.send(operation('1', '{ __typename }'))
    expect(await raw.closed()).toEqual({ code: 4409, reason: 'Subscriber for 1 already exists' })
    expect(raw.pending()).toEqual([])
    await source.ended()
  })

  // The reason of a close has room for 123 bytes.
  test.each([
    ['200 characters', 'x'.repeat(200)],
    ['characters of several bytes', '🔔'.repeat(30)],
  ])('one in use closes the socket with 4409 even if it has %s', async (_, id) => {
    await using raw = await openAcknowledged(server.socketUrl)
    raw.send(subscription(id, 'ws:long-id'))
    await sources.opened('ws:long-id')
    raw.send(operation(id, '{ __typename }'))
    expect(await raw.closed()).toMatchObject({ code: 4409 })
  })

  test('one is free again after complete from the server', async () => {
    await using raw = await openAcknowledged(server.socketUrl)
    await expectUsable(raw)
    await expectUsable(raw)
  })

  test('one is free again after complete from the client', async () => {
    await using raw = await openAcknowledged(server.socketUrl)
    raw.send(subscription('1', 'ws:reuse:first'))
    const first = await sources.opened('ws:reuse:first')
    raw.send({ id: '1', type: 'complete' })
    await first.ended()
    raw.send(subscription('1', 'ws:reuse:second'))
    await sources.opened('ws:reuse:second')
    await server.carillon.publish({ topic: 'ws:reuse:first', payload: 'first' })
    await server.carillon.publish({ topic: 'ws:reuse:second', payload: 'second' })
    expect(await raw.receive()).toEqual(delivered('1', 'second'))
    await expectNothingMore(raw)
  })

  test('a subscription may take one in the same breath as its complete', async () => {
    await using raw = await openAcknowledged(server.socketUrl)
    raw.send(subscription('1', 'ws:breath:first'))
    await sources.opened('ws:breath:first')
    raw.send({ id: '1', type: 'complete' })
    raw.send(subscription('1', 'ws:breath:second'))
    await sources.opened('ws:breath:second')
    await server.carillon.publish({ topic: 'ws:breath:first', payload: 'first' })
    await server.carillon.publish({ topic: 'ws:breath:second', payload: 'second' })
    expect(await raw.receive()).toEqual(delivered('1', 'second'))
    await expectNothingMore(raw)
  })

  test('a subscription may take one again even if the one before was not live yet', async () => {
    await using raw = await openAcknowledged(server.socketUrl)
    raw.send(subscription('1', 'ws:not-live:first'))
    raw.send({ id: '1', type: 'complete' })
    raw.send(subscription('1', 'ws:not-live:second'))
    await sources.opened('ws:not-live:first')
    await sources.opened('ws:not-live:second')
    await server.carillon.publish({ topic: 'ws:not-live:first', payload: 'first' })
    await server.carillon.publish({ topic: 'ws:not-live:second', payload: 'second' })
    expect(await raw.receive()).toEqual(delivered('1', 'second'))
    await expectNothingMore(raw)
  })

  test.each(['toString', '__proto__', 'constructor', 'hasOwnProperty', 'ü\u0000"\\', ' '])(
    '%j is one like any other',
    async (id) => {
      const topic = `ws:id:${Buffer.from(id).toString('hex')}`
      await using raw = await openAcknowledged(server.socketUrl)
      raw.send(operation(id, '{ __typename }'))
      expect(await raw.receive()).toEqual({
        id,
        type: 'next',
        payload: { data: { __typename: 'Query' } },
      })
      expect(await raw.receive()).toEqual({ id, type: 'complete' })

      raw.send(subscription(id, topic))
      const source = await sources.opened(topic)
      await server.carillon.publish({ topic, payload: 1 })
      expect(await raw.receive()).toEqual(delivered(id, 1))
      raw.send({ id, type: 'complete' })
      await source.ended()
      await expectNothingMore(raw)
    },
  )
})

describe('Bounds', () => {
  test('a message of more than 8 MiB closes the socket with 1009', async () => {
    await using raw = await openAcknowledged(server.socketUrl)
    raw.socket.send(Buffer.alloc(8 * 1024 * 1024 + 1, ' '))
    expect(await raw.closed()).toMatchObject({ code: 1009 })
  })

  test('a text that is not UTF-8 closes the socket with 1007', async () => {
    await using raw = await openAcknowledged(server.socketUrl)
    raw.socket.send(Buffer.from([0xff, 0xff]), { binary: false })
    expect(await raw.closed()).toMatchObject({ code: 1007 })
  })
})

describe('Shutdown', () => {
  test('closes sockets with 1012 and sends no complete', async () => {
    await using own = await startServer()
    const ownSources = watchSources(own.carillon)
    await using idle = await openAcknowledged(own.socketUrl)
    await using subscribed = await openAcknowledged(own.socketUrl)
    subscribed.send(subscription('1', 'ws:shutdown'))
    const source = await ownSources.opened('ws:shutdown')
    await own.carillon.publish({ topic: 'ws:shutdown', payload: 1 })
    expect(await subscribed.receive()).toEqual(delivered('1', 1))
    const closing = own.carillon.close()
    for (const raw of [idle, subscribed]) {
      expect(await raw.closed()).toEqual({ code: 1012, reason: 'The server is shutting down.' })
      expect(raw.pending()).toEqual([])
    }
    await source.ended()
    await closing
  })

  test('also closes sockets that are not acknowledged with 1012', async () => {
    await using own = await startServer()
    await using raw = await openRawSocket(own.socketUrl)
    await own.carillon.close()
    expect(await raw.closed()).toMatchObject({ code: 1012 })
  })
})

describeWithPostgresql('While a mutation runs', () => {
  // A database of its own, where the tests hold mutations up for as long as they like.
  let database: ThrowawayDatabase
  let own: TestServer

  beforeAll(async () => {
    database = await createDatabase()
    own = await startServer({ databaseUrl: database.url })
  })

  afterAll(async () => {
    await own[Symbol.asyncDispose]()
    await database[Symbol.asyncDispose]()
  })

  async function payloadsOf(topic: string): Promise<readonly unknown[]> {
    const { messages } = await own.carillon.messages({ topic })
    return messages.map(({ payload }) => payload)
  }

  test('its id is in use: another operation with it closes the socket with 4409', async () => {
    await using raw = await openAcknowledged(own.socketUrl)
    await using lock = await lockTable(database.url, 'carillon.messages')
    raw.send(mutation('1', 'ws:in-use', 1))
    await lock.untilAwaited()
    raw.send(operation('1', '{ __typename }'))
    expect(await raw.closed()).toEqual({ code: 4409, reason: 'Subscriber for 1 already exists' })
    expect(raw.pending()).toEqual([])
  })

  test('the client may complete it: it is carried out and its result not sent', async () => {
    await using raw = await openAcknowledged(own.socketUrl)
    {
      await using lock = await lockTable(database.url, 'carillon.messages')
      raw.send(mutation('1', 'ws:completed', 'first'))
      await lock.untilAwaited()
      raw.send({ id: '1', type: 'complete' })
      // Commits keep the order of the calls: with this result, the other one is there too.
      raw.send(mutation('2', 'ws:completed', 'second'))
      await expectNothingMore(raw)
    }
    expect(await raw.receive()).toEqual(published('2', 'second'))
    expect(await raw.receive()).toEqual({ id: '2', type: 'complete' })
    await expectNothingMore(raw)
    expect(await payloadsOf('ws:completed')).toEqual(['first', 'second'])
  })

  test('its id is free again once the client has completed it', async () => {
    await using raw = await openAcknowledged(own.socketUrl)
    {
      await using lock = await lockTable(database.url, 'carillon.messages')
      raw.send(mutation('1', 'ws:completed-id', 'first'))
      await lock.untilAwaited()
      raw.send({ id: '1', type: 'complete' })
      raw.send(mutation('1', 'ws:completed-id', 'second'))
      await expectNothingMore(raw)
    }
    expect(await raw.receive()).toEqual(published('1', 'second'))
    expect(await raw.receive()).toEqual({ id: '1', type: 'complete' })
    await expectNothingMore(raw)
    expect(await payloadsOf('ws:completed-id')).toEqual(['first', 'second'])
  })

  test('others on the socket are answered', async () => {
    await using raw = await openAcknowledged(own.socketUrl)
    {
      await using lock = await lockTable(database.url, 'carillon.messages')
      raw.send(mutation('1', 'ws:slow', 1))
      await lock.untilAwaited()
      await expectUsable(raw)
    }
    expect(await raw.receive()).toEqual(published('1', 1))
  })
})

describeWithPostgresql('Shutdown while a mutation runs', () => {
  test('lets it finish and answers it, before the socket closes with 1012', async () => {
    await using database = await createDatabase()
    await using own = await startServer({ databaseUrl: database.url })
    await using raw = await openAcknowledged(own.socketUrl)
    let closing: Promise<void>
    {
      await using lock = await lockTable(database.url, 'carillon.messages')
      raw.send(mutation('1', 'ws:running', 'durable'))
      await lock.untilAwaited()
      closing = own.carillon.close()
      await expectNothingMore(raw)
    }
    expect(await raw.receive()).toEqual(published('1', 'durable'))
    expect(await raw.receive()).toEqual({ id: '1', type: 'complete' })
    expect(await raw.closed()).toMatchObject({ code: 1012 })
    await closing
    const rows = await execute(database.url, 'SELECT payload FROM carillon.messages')
    expect(rows).toEqual([{ payload: 'durable' }])
  })

  test('refuses new operations with SHUTTING_DOWN, which is retryable', async () => {
    await using database = await createDatabase()
    await using own = await startServer({ databaseUrl: database.url })
    await using raw = await openAcknowledged(own.socketUrl)
    let closing: Promise<void>
    {
      await using lock = await lockTable(database.url, 'carillon.messages')
      raw.send(mutation('running', 'ws:refused', 1))
      await lock.untilAwaited()
      closing = own.carillon.close()
      raw.send(mutation('refused', 'ws:refused', 2))
      expect(await raw.receive()).toEqual({
        id: 'refused',
        type: 'error',
        payload: [coded('SHUTTING_DOWN', true)],
      })
    }
    await closing
  })

  test('leaves new subscriptions to the client that connects again: an error would end them', async () => {
    await using database = await createDatabase()
    await using own = await startServer({ databaseUrl: database.url })
    await using raw = await openAcknowledged(own.socketUrl)
    let closing: Promise<void>
    {
      await using lock = await lockTable(database.url, 'carillon.messages')
      raw.send(mutation('running', 'ws:no-error', 1))
      await lock.untilAwaited()
      closing = own.carillon.close()
      raw.send(subscription('new', 'ws:no-error'))
      await expectNothingMore(raw)
    }
    expect(await raw.closed()).toMatchObject({ code: 1012 })
    expect(raw.pending().filter(({ id }) => id === 'new')).toEqual([])
    await closing
  })
})

import { setTimeout as delay } from 'node:timers/promises'
import type { CarillonOptions } from 'carillon'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startServer, type TestServer } from '../support/carillon.ts'
import { createDatabase, describeWithPostgresql } from '../support/postgresql.ts'
import { describeWithRedis, startPrivateRedis } from '../support/redis.ts'
import { openAcknowledged, type ProtocolMessage, type RawSocket } from '../support/websocket.ts'

/** So that a test need not wait a second to be asked. */
const OFTEN: CarillonOptions = { resume: { pingMs: 20 } }

let server: TestServer
let clients = 0

beforeAll(async () => {
  server = await startServer(OFTEN)
})
afterAll(() => server[Symbol.asyncDispose]())

/** A client that nobody knows yet, with a topic of its own. */
function newClient() {
  const name = ++clients
  return { params: { clientId: `tab-${name}` }, topic: `a${name}`, scope: `chat${name}` }
}

interface Next {
  readonly sequence: number | null
  readonly topic: string
  readonly resumed: boolean
}

function subscribe(raw: RawSocket, args: string, id = 'op'): void {
  raw.send({ type: 'subscribe', id, payload: { query: queryOf(args) } })
}

function queryOf(args: string, fields = 'sequence topic'): string {
  return `subscription { messages(${args}) { ${fields} } }`
}

/** The newest ping of each socket, and whether a result came after it. */
const pings = new WeakMap<RawSocket, { readonly ping: ProtocolMessage; isOld: boolean }>()

/** The next result; a ping before it stays unanswered until `prove`. */
async function next(raw: RawSocket): Promise<Next> {
  for (;;) {
    const message = await raw.receive()
    if (message.type === 'next') {
      const newest = pings.get(raw)
      if (newest !== undefined) newest.isOld = true
      return read(message)
    }
    if (message.type !== 'ping') throw new Error(JSON.stringify(message))
    pings.set(raw, { ping: message, isOld: false })
  }
}

function read({ payload }: ProtocolMessage): Next {
  const { data, extensions } = payload as {
    data: { messages: { sequence: number | null; topic: string } }
    extensions?: { carillon?: { resumed?: boolean } }
  }
  return { ...data.messages, resumed: extensions?.carillon?.resumed === true }
}

async function take(raw: RawSocket, count: number): Promise<readonly Next[]> {
  const all: Next[] = []
  while (all.length < count) all.push(await next(raw))
  return all
}

/** Answers pings, as client libraries do, until all that came is proved. */
async function prove(raw: RawSocket): Promise<void> {
  const newest = pings.get(raw)
  pings.delete(raw)
  if (newest !== undefined) raw.send({ type: 'pong', payload: newest.ping.payload })
  if (newest === undefined || newest.isOld) {
    const message = await raw.receive()
    if (message.type !== 'ping') throw new Error(`got ${message.type}`)
    raw.send({ type: 'pong', payload: message.payload })
  }
  await settled(raw)
}

/** Until the server has taken in all that was sent before. */
async function settled(raw: RawSocket): Promise<void> {
  raw.send({ type: 'ping', payload: { settled: true } })
  for (;;) {
    const { type } = await raw.receive()
    if (type === 'pong') return
    if (type !== 'ping') throw new Error(`got ${type}`)
  }
}

/** Publishes until the subscription gets something, and takes all of it; answers the last sequence. */
async function live(raw: RawSocket, topic: string, on = server): Promise<number> {
  let sequence = 0
  let isLive = false
  const first = next(raw).then((one) => {
    isLive = true
    return one
  })
  while (!isLive) sequence = await publish(topic, 1, on)
  for (let got = await first; got.sequence !== sequence; ) got = await next(raw)
  return sequence
}

async function lose({ socket, closed }: RawSocket): Promise<void> {
  socket.terminate()
  await closed()
}

/** Answers the sequence of the last one. */
async function publish(topic: string, count = 1, { carillon } = server): Promise<number> {
  const all = Array.from({ length: count }, () => ({ topic, payload: 'hi' }))
  return (await carillon.publishMany(all)).at(-1)?.message.sequence ?? 0
}

const plain = (topic: string, ...sequences: number[]): Next[] =>
  sequences.map((sequence) => ({ sequence, topic, resumed: false }))
const marked = (topic: string, ...sequences: number[]): Next[] =>
  sequences.map((sequence) => ({ sequence, topic, resumed: true }))

function byTopic(all: readonly Next[]): readonly Next[] {
  return all.toSorted((one, other) => (one.topic < other.topic ? -1 : 1))
}

describe('A client that names itself and brings an operation again', () => {
  test('goes on after what its last pong has proved; what is new then is not marked', async () => {
    const { params, topic } = newClient()
    await using raw = await openAcknowledged(server.socketUrl, params)
    subscribe(raw, `topics: "${topic}"`)
    const at = await live(raw, topic)
    await prove(raw)
    await publish(topic, 2)
    expect(await take(raw, 2)).toEqual(plain(topic, at + 1, at + 2))
    await lose(raw)
    await publish(topic, 2)
    await using again = await openAcknowledged(server.socketUrl, params)
    subscribe(again, `topics: "${topic}"`)
    expect(await take(again, 4)).toEqual(marked(topic, at + 1, at + 2, at + 3, at + 4))
    await publish(topic)
    expect(await next(again)).toEqual(plain(topic, at + 5)[0])
  })

  test('goes on where it began, when nothing was proved', async () => {
    const { params, topic } = newClient()
    await publish(topic, 3)
    await using raw = await openAcknowledged(server.socketUrl, params)
    subscribe(raw, `topics: "${topic}", last: 1`)
    expect(await next(raw)).toEqual(plain(topic, 3)[0])
    await lose(raw)
    await publish(topic)
    await using again = await openAcknowledged(server.socketUrl, params)
    subscribe(again, `topics: "${topic}", last: 1`)
    expect(await take(again, 2)).toEqual(marked(topic, 3, 4))
  })

  test('gets what was published while it was away in every topic under its patterns', async () => {
    const { params, scope } = newClient()
    const [busy, fresh, old, quiet] = ['busy', 'fresh', 'old', 'quiet'].map((n) => `${scope}:${n}`)
    if (!busy || !fresh || !old || !quiet) throw new Error('no names')
    await publish(old, 2)
    await publish(quiet)
    await using raw = await openAcknowledged(server.socketUrl, params)
    subscribe(raw, `topics: "${scope}:*"`)
    const at = await live(raw, busy)
    await prove(raw)
    await lose(raw)
    for (const topic of [old, fresh, busy]) await publish(topic)
    await using again = await openAcknowledged(server.socketUrl, params)
    subscribe(again, `topics: "${scope}:*"`)
    expect(byTopic(await take(again, 3))).toEqual([
      ...marked(busy, at + 1),
      ...marked(fresh, 1),
      ...marked(old, 3),
    ])
    await publish(quiet)
    expect(await next(again)).toMatchObject({ topic: quiet, sequence: 2 })
  })

  test('goes on behind its own cursor where that is further on', async () => {
    const { params, topic } = newClient()
    await publish(topic, 7)
    const messages = [...(await server.carillon.messages({ topic, first: 7 })).messages]
    const query = `subscription ($after: [Cursor!]) {
      messages(topics: "${topic}", after: $after) { sequence topic }
    }`
    const begin = (raw: RawSocket, sequence: number) => {
      const variables = { after: messages[sequence - 1]?.cursor }
      raw.send({ type: 'subscribe', id: 'op', payload: { query, variables } })
    }
    await using raw = await openAcknowledged(server.socketUrl, params)
    begin(raw, 5)
    expect(await take(raw, 2)).toEqual(plain(topic, 6, 7))
    await prove(raw)
    await lose(raw)
    await publish(topic)
    await using stale = await openAcknowledged(server.socketUrl, params)
    begin(stale, 5)
    expect(await next(stale)).toEqual(marked(topic, 8)[0])
    await lose(stale) // 8 is not proved, but the client knows
    messages.push(...(await server.carillon.messages({ topic, last: 1 })).messages)
    await publish(topic)
    await using ahead = await openAcknowledged(server.socketUrl, params)
    begin(ahead, 8)
    expect(await next(ahead)).toEqual(marked(topic, 9)[0])
  })

  test('loses nothing of what maxPerSecond holds back', async () => {
    const { params, topic } = newClient()
    const args = `topics: "${topic}", maxPerSecond: 1, last: 2`
    await publish(topic, 2)
    await using raw = await openAcknowledged(server.socketUrl, params)
    subscribe(raw, args)
    expect((await next(raw)).sequence).toBe(1)
    await prove(raw)
    await lose(raw)
    await using again = await openAcknowledged(server.socketUrl, params)
    subscribe(again, args)
    let last = 0
    while (last < 2) last = (await next(again)).sequence ?? 0
    expect(last).toBe(2)
  })
})

describe('It begins anew', () => {
  /** A client that was there, and has missed a message; with the head. */
  async function away(
    { params, topic }: ReturnType<typeof newClient>,
    leave: (raw: RawSocket) => Promise<void> = lose,
    on = server,
  ): Promise<number> {
    await using raw = await openAcknowledged(on.socketUrl, params)
    subscribe(raw, `topics: "${topic}"`)
    await live(raw, topic, on)
    await leave(raw)
    return publish(topic, 1, on)
  }

  /** It gets nothing of what was there before. */
  async function expectAnew(raw: RawSocket, topic: string, head: number, on = server) {
    let sequence = head
    let isLive = false
    const first = next(raw).then((one) => {
      isLive = true
      return one
    })
    while (!isLive) sequence = await publish(topic, 1, on)
    const got = await first
    expect(got.sequence).toBeGreaterThan(head)
    expect(got.sequence).toBeLessThanOrEqual(sequence)
    expect(got.resumed).toBe(false)
  }

  test.each<
    [string, { params?: object; args?: (topic: string) => string; id?: string; fields?: string }]
  >([
    ['as another client', { params: { clientId: 'another' } }],
    ['without a name', { params: {} }],
    ['under another id', { id: 'other' }],
    ['with another document', { fields: 'topic sequence' }],
    ['with other topics', { args: (topic) => `topics: ["${topic}", "b"]` }],
    ['with another filter', { args: (topic) => `topics: "${topic}", types: ["message"]` }],
  ])('%s', async (_how, { params, args, id = 'op', fields }) => {
    const client = newClient()
    const head = await away(client)
    await using again = await openAcknowledged(server.socketUrl, { ...client.params, ...params })
    const own = _how === 'without a name' ? await openAcknowledged(server.socketUrl) : again
    const query = queryOf(args?.(client.topic) ?? `topics: "${client.topic}"`, fields)
    own.send({ type: 'subscribe', id, payload: { query } })
    await expectAnew(own, client.topic, head)
    await own[Symbol.asyncDispose]()
  })

  test('where the client has completed the operation', async () => {
    const client = newClient()
    const head = await away(client, async (raw) => {
      raw.send({ type: 'complete', id: 'op' })
      await settled(raw)
      await lose(raw)
    })
    await using again = await openAcknowledged(server.socketUrl, client.params)
    subscribe(again, `topics: "${client.topic}"`)
    await expectAnew(again, client.topic, head)
  })

  test('after too long', async () => {
    await using forgetful = await startServer({ resume: { keepMs: 40 } })
    const client = newClient()
    const head = await away(client, lose, forgetful)
    await delay(200) // it is to be forgotten meanwhile
    await using again = await openAcknowledged(forgetful.socketUrl, client.params)
    subscribe(again, `topics: "${client.topic}"`)
    await expectAnew(again, client.topic, head, forgetful)
  })
})

describe('The server asks', () => {
  test('once after traffic, and then not while the client is idle', async () => {
    const { params, topic } = newClient()
    await using raw = await openAcknowledged(server.socketUrl, params)
    subscribe(raw, `topics: "${topic}"`)
    await live(raw, topic)
    await prove(raw)
    await publish(topic)
    await next(raw)
    await prove(raw)
    await delay(200) // ten times as long as it took
    expect(raw.pending()).toEqual([])
  })

  test('one question at a time, and nothing of those who have no name', async () => {
    const { params, topic } = newClient()
    await using named = await openAcknowledged(server.socketUrl, params)
    await using nameless = await openAcknowledged(server.socketUrl)
    subscribe(named, `topics: "${topic}"`)
    subscribe(nameless, `topics: "${topic}"`)
    await live(named, topic)
    await live(nameless, topic)
    while (named.pending().some(({ type }) => type === 'next')) await named.receive()
    await publish(topic)
    await delay(200) // ten times as long as it took
    expect(named.pending().filter(({ type }) => type === 'ping').length).toBeLessThanOrEqual(1)
    expect(nameless.pending().map(({ type }) => type)).toEqual(['next'])
  })

  test('and a pong that answers nothing proves nothing', async () => {
    await using seldom = await startServer()
    const { params, topic } = newClient()
    await using raw = await openAcknowledged(seldom.socketUrl, params)
    subscribe(raw, `topics: "${topic}"`)
    const at = await live(raw, topic, seldom)
    for (const payload of [{ carillon: 1 }, { carillon: null }, {}, undefined]) {
      raw.send({ type: 'pong', ...(payload === undefined ? {} : { payload }) })
    }
    await settled(raw)
    await lose(raw)
    await using again = await openAcknowledged(seldom.socketUrl, params)
    subscribe(again, `topics: "${topic}"`)
    let last: Next = { sequence: 0, topic, resumed: false }
    while (last.sequence !== at) last = await next(again)
    expect(last).toEqual(marked(topic, at)[0])
  })
})

describeWithPostgresql('On another instance', () => {
  describeWithRedis('over Redis', () => {
    test('it goes on where it was, also from one that still believes in the old connection', async () => {
      await using database = await createDatabase()
      await using redis = await startPrivateRedis()
      const options = { ...OFTEN, databaseUrl: database.url, redisUrl: redis.url }
      await using one = await startServer(options)
      await using other = await startServer(options)
      const { params, topic, scope } = newClient()
      const args = `topics: ["${topic}", "${scope}:*"]`
      await using halfOpen = await openAcknowledged(one.socketUrl, params)
      subscribe(halfOpen, args)
      const at = await live(halfOpen, topic, one)
      await prove(halfOpen)
      await publish(topic, 2, one)
      await take(halfOpen, 2)
      await using again = await openAcknowledged(other.socketUrl, params)
      subscribe(again, args)
      expect(await take(again, 2)).toEqual(marked(topic, at + 1, at + 2))
      await publish(topic, 1, one)
      expect(await next(again)).toEqual(plain(topic, at + 3)[0])
      await lose(halfOpen) // what the first instance knows is old, and not wanted any more
      await prove(again)
      await lose(again)
      await publish(topic, 1, one)
      await publish(`${scope}:new`, 1, one)
      await using third = await openAcknowledged(one.socketUrl, params)
      subscribe(third, args)
      expect(byTopic(await take(third, 2))).toEqual([
        ...marked(topic, at + 4),
        ...marked(`${scope}:new`, 1),
      ])
    })
  })
})

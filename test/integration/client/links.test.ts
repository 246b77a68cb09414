import type { Client } from 'graphql-ws'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startServer, type TestServer } from '../../support/carillon.ts'
import {
  type Asked,
  FOLLOWED,
  type Follow,
  namelessClient,
} from '../../support/followed-libraries.ts'
import { openTcpProxy, type TcpProxy } from '../../support/tcp-proxy.ts'

const SOON = { timeout: 30_000, interval: 5 }

const LONG = { timeout: 90_000 }

/** Messages that are published at once. */
const BATCH = 100

/** Without any field that says where a message stands. */
const QUERY = 'subscription ($topics: [TopicPattern!]!) { messages(topics: $topics) { payload } }'

let server: TestServer
let topics = 0

beforeAll(async () => {
  server = await startServer()
})
afterAll(() => server[Symbol.asyncDispose]())

/** A subscriber behind a network that can be cut. */
interface Subscriber extends AsyncDisposable {
  /** Resolves when so many topics are live. */
  readonly begun: (topics?: number) => Promise<void>
  readonly proxy: TcpProxy
  readonly seen: Record<string, unknown>[]
  readonly errors: unknown[]
  /** The payloads of the messages that it was shown. */
  readonly payloads: () => readonly unknown[]
  /** Breaks the connection, and waits for another one. */
  readonly cut: () => Promise<void>
}

async function open(
  follow: Follow,
  asked: Asked,
  options: Parameters<typeof namelessClient>[1] = {},
): Promise<Subscriber> {
  const proxy = await openTcpProxy(Number(new URL(server.url).port))
  let acknowledged = 0
  let begun = 0
  const client = namelessClient(proxy.port, {
    ...options,
    on: {
      connected: () => void acknowledged++,
      // The library shows nobody what the server says to ours alone.
      message: (message) => void (JSON.stringify(message).includes('carillonCursor') && begun++),
    },
  })
  const seen: Record<string, unknown>[] = []
  const errors: unknown[] = []
  const stop = follow(client, asked, {
    next: (data) => void seen.push(data),
    error: (error) => void errors.push(error),
  })
  await expect.poll(() => acknowledged, SOON).toBe(1)
  return {
    begun: async (count = 1) => {
      await expect.poll(() => begun, SOON).toBe(count)
    },
    proxy,
    seen,
    errors,
    payloads: () => seen.flatMap((data) => payloadIn(data)),
    cut: async () => {
      const before = acknowledged
      proxy.cut()
      await expect.poll(() => acknowledged, SOON).toBeGreaterThan(before)
    },
    async [Symbol.asyncDispose]() {
      stop()
      await client.dispose()
      await proxy[Symbol.asyncDispose]()
    },
  }
}

function payloadIn({ messages, events }: Record<string, unknown>): readonly unknown[] {
  const message = messages ?? (events as { message?: unknown } | undefined)?.message
  return message === undefined ? [] : [(message as { payload: unknown }).payload]
}

function newTopic(): string {
  return `links:${++topics}`
}

async function publish(topic: string, first: number, last = first): Promise<void> {
  const payloads = Array.from({ length: last - first + 1 }, (_, n) => first + n)
  await server.carillon.publishMany(payloads.map((payload) => ({ topic, payload })))
}

function upTo(last: number): readonly number[] {
  return Array.from({ length: last }, (_, n) => n + 1)
}

describe.each(FOLLOWED)('%s', (_name, follow) => {
  test('shows 10000 messages once, in order, through 100 cuts', LONG, async () => {
    const topic = newTopic()
    await publish(topic, 1)
    const query = `subscription { messages(topics: "${topic}", last: 1) { payload } }`
    await using subscriber = await open(follow, { query })
    await expect.poll(() => subscriber.payloads().length, SOON).toBe(1)
    const count = 100 * BATCH
    for (let last = 1; last < count; last += BATCH) {
      const publishing = publish(topic, last + 1, Math.min(last + BATCH, count))
      await subscriber.cut()
      await publishing
    }
    await expect.poll(() => subscriber.payloads().at(-1), SOON).toBe(count)
    expect(subscriber.payloads()).toEqual(upTo(count))
    expect(subscriber.errors).toEqual([])
    expect(subscriber.seen[0]).toEqual({ messages: expect.not.objectContaining({ sequence: 1 }) })
  })

  test('misses nothing of a topic in which nothing was published before the cut', async () => {
    const topics = [newTopic(), newTopic()]
    await using subscriber = await open(follow, { query: QUERY, variables: { topics } })
    await subscriber.begun(2)
    subscriber.proxy.cut()
    for (const topic of topics) await publish(topic, 1)
    await expect.poll(() => subscriber.payloads(), SOON).toEqual([1, 1])
  })

  test('goes on where the transport has given up', async () => {
    const topic = newTopic()
    const variables = { topics: [topic] }
    await using subscriber = await open(follow, { query: QUERY, variables }, { retryAttempts: 0 })
    await subscriber.begun()
    for (let payload = 1; payload <= 6; payload++) {
      const publishing = publish(topic, payload)
      await subscriber.cut()
      await publishing
    }
    await expect.poll(() => subscriber.payloads(), SOON).toEqual(upTo(6))
    expect(subscriber.errors).toEqual([])
  })

  test('tells that the transport has given up, where the application wants to know', async () => {
    const asked: unknown[] = []
    const shouldRetry = (error: unknown) => {
      asked.push(error)
      return false
    }
    const asking: Follow = (client, query, told) => follow(client, query, told, { shouldRetry })
    const variables = { topics: [newTopic()] }
    await using subscriber = await open(asking, { query: QUERY, variables }, { retryAttempts: 0 })
    await subscriber.begun()
    subscriber.proxy.cut()
    await expect.poll(() => subscriber.errors.length, SOON).toBe(1)
    expect(asked.length).toBe(1)
  })

  test('reads again what is lost between the server and here', async () => {
    const topic = newTopic()
    const losing = (client: Client): Client => ({
      ...client,
      subscribe: (payload, sink) =>
        client.subscribe(payload, {
          ...sink,
          next: (result) => isLost(result) || sink.next(result as never),
        }),
    })
    const lost = new Set([3, 4, 9])
    const isLost = (result: unknown) => {
      const { payload } = /"payload":(?<payload>\d+)/.exec(JSON.stringify(result))?.groups ?? {}
      return lost.delete(Number(payload))
    }
    await using subscriber = await open((client, ...rest) => follow(losing(client), ...rest), {
      query: QUERY,
      variables: { topics: [topic] },
    })
    await subscriber.begun()
    for (let payload = 1; payload <= 12; payload++) await publish(topic, payload)
    await expect.poll(() => subscriber.payloads(), SOON).toEqual(upTo(12))
    expect(lost.size).toBe(0)
  })

  test('keeps the form of events: keys, and what the application has not asked for', async () => {
    const topic = newTopic()
    const query = `subscription ($topic: [TopicPattern!]!) {
      happened: events(topics: $topic) {
        __typename
        ... on MessageEvent { replayed message { number: sequence payload } }
      }
    }`
    await using subscriber = await open(follow, { query, variables: { topic } })
    await expect.poll(() => subscriber.seen.length, SOON).toBe(1)
    await publish(topic, 1)
    await expect.poll(() => subscriber.seen.length, SOON).toBe(2)
    await subscriber.cut()
    await expect.poll(() => subscriber.seen.length, SOON).toBe(3)
    const caughtUp = { happened: { __typename: 'CaughtUpEvent' } }
    const message = expect.objectContaining({ number: 1, payload: 1 })
    const event = { __typename: 'MessageEvent', replayed: false, message }
    expect(subscriber.seen).toEqual([caughtUp, { happened: event }, caughtUp])
  })

  test('begins where the application says, and goes on with the variable that it has', async () => {
    const topic = newTopic()
    await publish(topic, 1, 3)
    const { messages } = await server.carillon.messages({ topic, first: 1 })
    const query = `subscription ($topics: [TopicPattern!]!, $from: [Cursor!]) {
      messages(topics: $topics, after: $from) { payload }
    }`
    const from = messages.map(({ cursor }) => cursor)
    await using subscriber = await open(follow, { query, variables: { topics: [topic], from } })
    await expect.poll(() => subscriber.payloads(), SOON).toEqual([2, 3])
    subscriber.proxy.cut()
    await publish(topic, 4)
    await expect.poll(() => subscriber.payloads(), SOON).toEqual([2, 3, 4])
  })

  test('ends with CURSOR_EXPIRED where the numbering starts again', async () => {
    const topic = newTopic()
    await using subscriber = await open(follow, { query: QUERY, variables: { topics: [topic] } })
    await subscriber.begun()
    await publish(topic, 1)
    await expect.poll(() => subscriber.payloads(), SOON).toEqual([1])
    await server.carillon.purgeTopic(topic)
    await expect.poll(() => subscriber.errors.length, SOON).toBe(1)
    expect(codesIn(subscriber.errors[0])).toEqual(['CURSOR_EXPIRED'])
  })

  test('goes on with the new numbering with onGap: SKIP, also through cuts', async () => {
    const topic = newTopic()
    const query = `subscription { messages(topics: "${topic}", onGap: SKIP) { payload } }`
    await using subscriber = await open(follow, { query })
    await subscriber.begun()
    await publish(topic, 1)
    await expect.poll(() => subscriber.payloads(), SOON).toEqual([1])
    await server.carillon.purgeTopic(topic)
    subscriber.proxy.cut()
    await publish(topic, 2)
    await expect.poll(() => subscriber.payloads(), SOON).toEqual([1, 2])
    await subscriber.cut()
    await publish(topic, 3)
    await expect.poll(() => subscriber.payloads(), SOON).toEqual([1, 2, 3])
    expect(subscriber.errors).toEqual([])
  })

  test('tells errors that do not pass, and leaves other operations alone', async () => {
    const query = 'subscription { messages(topics: "*") { payload } }'
    await using subscriber = await open(follow, { query })
    await expect.poll(() => subscriber.errors.length, SOON).toBe(1)
    expect(codesIn(subscriber.errors[0])).toEqual(['INVALID_TOPIC_PATTERN'])
    const presence = 'subscription { presence(topics: "links:p") { type } }'
    await using other = await open(follow, { query: presence })
    await expect.poll(() => other.seen, SOON).toMatchObject([{ presence: { type: 'SYNC' } }])
  })
})

/** The codes of the errors of GraphQL that a library tells of. */
function codesIn(error: unknown): readonly unknown[] {
  const { errors, graphQLErrors } = error as Record<string, { extensions: { code: string } }[]>
  return (errors ?? graphQLErrors ?? []).map(({ extensions }) => extensions.code)
}

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { BACKEND } from '../../src/access/viewer.ts'
import type {
  Bus,
  BusListener,
  BusSubscription,
  EpochChange,
  EpochListener,
} from '../../src/bus/bus.ts'
import { MemoryBus } from '../../src/bus/memory-bus.ts'
import type { AnyMessage, EphemeralMessage } from '../../src/core/message.ts'
import type { TopicName, TopicPattern } from '../../src/core/topic-name.ts'
import { MEMORY, openEmbedded } from '../../src/database/embedded.ts'
import { Hub } from '../../src/hub/hub.ts'
import type { Log } from '../../src/log/log.ts'
import { PrismaLog } from '../../src/log/prisma-log.ts'
import { startServer, type TestServer } from '../support/carillon.ts'
import { readEvents } from '../support/event-stream.ts'
import { draft, ephemeral } from '../support/messages.ts'
import { type Sources, watchSources } from '../support/subscription-sources.ts'
import { openAcknowledged, type RawSocket } from '../support/websocket.ts'

let server: TestServer
let sources: Sources
let scopes = 0

beforeAll(async () => {
  server = await startServer()
  sources = watchSources(server.carillon)
})
afterAll(() => server[Symbol.asyncDispose]())

function newScope(): string {
  return `scope${++scopes}`
}

function publish(topic: string, payload: unknown = 1, fields: object = {}) {
  return server.carillon.publish({ topic, payload, ...fields })
}

/** So many messages, each as `<rest of the topic's name> <sequence>`. */
async function take(
  messages: AsyncIterable<AnyMessage>,
  count: number,
): Promise<readonly string[]> {
  const seen: string[] = []
  for await (const { topic, sequence } of messages) {
    seen.push(`${topic.slice(topic.indexOf(':') + 1)} ${sequence}`)
    if (seen.length === count) break
  }
  return seen
}

async function subscribe(raw: RawSocket, id: string, topics: readonly string[]): Promise<void> {
  const query = `subscription ($topics: [TopicPattern!]!) {
    messages(topics: $topics) { topic sequence payload }
  }`
  raw.send({ id, type: 'subscribe', payload: { query, variables: { topics } } })
  await sources.opened(topics[0] ?? '')
}

interface Place {
  readonly topic: string
  readonly sequence: number
}

/** Where the message of a result stands. */
function placeIn(payload: unknown): Place {
  return (payload as { readonly data: { readonly messages: Place } }).data.messages
}

describe('A pattern', () => {
  test('stands for the topics under its prefix, those to come included', async () => {
    const scope = newScope()
    await publish(`${scope}:old`)
    const subscription = await server.carillon.subscribe({ topics: [`${scope}:*`] })
    for (const topic of [scope, `${scope}x:1`, `${scope}:old`, `${scope}:new`, `${scope}:a:b`]) {
      await publish(topic)
    }
    expect([...(await take(subscription, 3))].sort()).toEqual(['a:b 1', 'new 1', 'old 2'])
  })

  test('takes in fifty new topics at once, each from its first message on, in order', async () => {
    const scope = newScope()
    const subscription = await server.carillon.subscribe({ topics: [`${scope}:*`] })
    const names = Array.from({ length: 50 }, (_, n) => `${scope}:${n}`)
    const publishing = names.map(async (topic) => {
      for (let n = 1; n <= 5; n++) await publish(topic, n)
    })
    const seen = await take(subscription, 250)
    await Promise.all(publishing)
    for (let n = 0; n < 50; n++) {
      const own = seen.filter((one) => one.startsWith(`${n} `))
      expect(own).toEqual([1, 2, 3, 4, 5].map((sequence) => `${n} ${sequence}`))
    }
  })

  test('takes in fifty new topics over a WebSocket and over server-sent events', async () => {
    const scope = newScope()
    await using raw = await openAcknowledged(server.socketUrl)
    await subscribe(raw, '1', [`${scope}:*`])
    const abort = new AbortController()
    const query = `subscription { messages(topics: "${scope}:*") { topic sequence } }`
    const response = await fetch(`${server.url}?query=${encodeURIComponent(query)}`, {
      headers: { accept: 'text/event-stream' },
      signal: abort.signal,
    })
    await sources.opened(`${scope}:*`)
    const names = Array.from({ length: 50 }, (_, n) => `${scope}:${n}`)
    const publishing = names.map(async (topic) => {
      for (let n = 1; n <= 3; n++) await publish(topic, n)
    })
    const pushed: Place[] = []
    while (pushed.length < 150) pushed.push(placeIn((await raw.receive()).payload))
    const streamed: Place[] = []
    for await (const { data } of readEvents(response)) {
      if (data !== '') streamed.push(placeIn(JSON.parse(data)))
      if (streamed.length === 150) break
    }
    abort.abort()
    await Promise.all(publishing)
    for (const seen of [pushed, streamed]) {
      for (const name of names) {
        const own = seen.filter(({ topic }) => topic === name)
        expect(own.map(({ sequence }) => sequence)).toEqual([1, 2, 3])
      }
    }
  })

  test('brings a message once that a name and other patterns match as well', async () => {
    const scope = newScope()
    const topics = [`${scope}:*`, `${scope}:a:*`, `${scope}:a:b`, `${scope}:a:b`]
    const subscription = await server.carillon.subscribe({ topics })
    await publish(`${scope}:a:b`)
    await publish(`${scope}:a:b`, 1, { ephemeral: true })
    await publish(`${scope}:end`)
    expect([...(await take(subscription, 3))].sort()).toEqual(['a:b 1', 'a:b null', 'end 1'])
  })

  test('brings its second subscriber only what is new', async () => {
    const scope = newScope()
    const first = await server.carillon.subscribe({ topics: [`${scope}:*`] })
    await publish(`${scope}:a`)
    expect(await take(first, 1)).toEqual(['a 1'])
    const keeping = await server.carillon.subscribe({ topics: [`${scope}:*`] })
    await publish(`${scope}:a`)
    const second = await server.carillon.subscribe({ topics: [`${scope}:*`] })
    await publish(`${scope}:a`)
    await publish(`${scope}:b`)
    expect([...(await take(second, 2))].sort()).toEqual(['a 3', 'b 1'])
    expect([...(await take(keeping, 3))].sort()).toEqual(['a 2', 'a 3', 'b 1'])
  })

  test('brings ephemeral messages of topics that nobody has published to before', async () => {
    const scope = newScope()
    const subscription = await server.carillon.subscribe({ topics: [`${scope}:*`] })
    await publish(`${scope}:typing`, 1, { ephemeral: true })
    await publish(`${scope}:typing`, 2, { ephemeral: true })
    expect(await take(subscription, 2)).toEqual(['typing null', 'typing null'])
  })

  test('works over a WebSocket and over server-sent events', async () => {
    const scope = newScope()
    await using raw = await openAcknowledged(server.socketUrl)
    await subscribe(raw, '1', [`${scope}:*`])
    const abort = new AbortController()
    const query = `subscription { messages(topics: "${scope}:*") { topic payload } }`
    const response = await fetch(`${server.url}?query=${encodeURIComponent(query)}`, {
      headers: { accept: 'text/event-stream' },
      signal: abort.signal,
    })
    await sources.opened(`${scope}:*`)
    await publish(`${scope}:a`, 'hello')
    expect(await raw.receive()).toMatchObject({
      id: '1',
      payload: { data: { messages: { topic: `${scope}:a`, payload: 'hello' } } },
    })
    for await (const { event, data } of readEvents(response)) {
      expect([event, JSON.parse(data)]).toMatchObject([
        'next',
        { data: { messages: { payload: 'hello' } } },
      ])
      break
    }
    abort.abort()
  })

  test.each(['*', 'chat*', 'chat:*:x', '', 'a b:*', `${'x'.repeat(127)}:*`, 'chat:**'])(
    'is refused where it is none: %j',
    async (bad) => {
      await using raw = await openAcknowledged(server.socketUrl)
      const literal = `subscription { messages(topics: ${JSON.stringify(bad)}) { payload } }`
      raw.send({ id: 'literal', type: 'subscribe', payload: { query: literal } })
      expect(await raw.receive()).toMatchObject({
        id: 'literal',
        type: 'error',
        payload: [{ extensions: { code: 'INVALID_TOPIC_PATTERN' } }],
      })
      const query =
        'subscription ($topic: TopicPattern!) { messages(topics: [$topic]) { payload } }'
      raw.send({ id: 'v', type: 'subscribe', payload: { query, variables: { topic: bad } } })
      const refused = JSON.stringify(await raw.receive())
      expect(refused).toContain('"INVALID_TOPIC_PATTERN"')
      const subscribing = server.carillon.subscribe({ topics: ['fine', bad] })
      await expect(subscribing).rejects.toMatchObject({ code: 'INVALID_TOPIC_PATTERN' })
    },
  )
})

describe('What is no pattern', () => {
  const QUERY = 'subscription ($topics: [TopicPattern!]!) { messages(topics: $topics) { payload } }'

  test('disturbs nothing else on its socket, and starts nothing', async () => {
    const scope = newScope()
    await using raw = await openAcknowledged(server.socketUrl)
    await subscribe(raw, 'good', [`${scope}:*`])
    for (const [id, bad] of ['*', 'chat*', 'chat:*:x', '', 'a b:*'].entries()) {
      const variables = { topics: [`${scope}:bad`, bad] }
      raw.send({ id: String(id), type: 'subscribe', payload: { query: QUERY, variables } })
      expect(await raw.receive()).toMatchObject({
        id: String(id),
        type: 'next',
        payload: { errors: [{ extensions: { code: 'INVALID_TOPIC_PATTERN', retryable: false } }] },
      })
      expect(await raw.receive()).toEqual({ id: String(id), type: 'complete' })
    }
    await publish(`${scope}:bad`, 'for the good one alone')
    await publish(`${scope}:bad`, 'end')
    for (const payload of ['for the good one alone', 'end']) {
      expect(await raw.receive()).toMatchObject({
        id: 'good',
        payload: { data: { messages: { payload } } },
      })
    }
  })

  test('is refused to those who ask for server-sent events', async () => {
    const response = await fetch(server.url, {
      method: 'POST',
      headers: { accept: 'text/event-stream', 'content-type': 'application/json' },
      body: JSON.stringify({ query: QUERY, variables: { topics: ['chat*'] } }),
    })
    expect(await response.text()).toContain('"INVALID_TOPIC_PATTERN"')
  })
})

/** A bus that loses what the test says, and counts who listens. */
class LossyBus implements Bus {
  readonly kind = 'memory'
  readonly isConnected = true
  readonly #bus = new MemoryBus((error) => {
    throw error
  })
  listeners = 0
  loses = (_message: AnyMessage) => false

  publish(messages: readonly AnyMessage[]): void {
    this.#bus.publish(messages.filter((one) => !this.loses(one)))
  }

  announce(change: EpochChange): void {
    this.#bus.announce(change)
  }

  async subscribe(
    pattern: TopicPattern,
    listener: BusListener,
    onEpochChange?: EpochListener,
  ): Promise<BusSubscription> {
    const { unsubscribe } = await this.#bus.subscribe(pattern, listener, onEpochChange)
    this.listeners++
    return {
      unsubscribe: () => {
        this.listeners--
        unsubscribe()
      },
    }
  }

  onGap(): () => void {
    return this.#bus.onGap()
  }

  close(): Promise<void> {
    return this.#bus.close()
  }
}

test('a new topic whose only message the bus has lost is found, and nothing stays in the end', async () => {
  const database = await openEmbedded(MEMORY)
  const log = new PrismaLog(database)
  const bus = new LossyBus()
  const bounds = { checkIntervalMs: 50 }
  const hub = new Hub({ log, bus, onFault: (error) => expect.unreachable(String(error)), bounds })
  const commit = async (topic: string) => {
    const appended = await log.append([draft(topic)])
    bus.publish(appended.map(({ message }) => message))
  }
  const subscribeToAll = () =>
    hub.subscribe(['lost:*' as TopicPattern], { filter: { reader: BACKEND, echo: true } })
  await commit('lost:old')
  const [one, other] = [await subscribeToAll(), await subscribeToAll()]
  const seenByOne = take(one, 3)
  bus.loses = ({ topic }) => topic === ('lost:only' as TopicName)
  await commit('lost:only')
  const { value } = await other.next()
  expect(value).toMatchObject({ topic: 'lost:only', sequence: 1 })
  bus.loses = () => false
  await commit('lost:only')
  await commit('lost:old')
  expect([...(await seenByOne)].sort()).toEqual(['old 2', 'only 1', 'only 2'])
  expect([...(await take(other, 2))].sort()).toEqual(['old 2', 'only 2'])
  expect(bus.listeners).toBe(0)
  await hub.close()
  await log.close()
  await database.close()
})

describe('A burst of ephemeral messages', () => {
  const filter = { reader: BACKEND, echo: true }

  function burstIn(topic: string): readonly EphemeralMessage[] {
    return Array.from({ length: 100 }, (_, n) => ephemeral({ topic, payload: String(n) }))
  }

  async function takeIds(messages: AsyncIterable<AnyMessage>, count: number) {
    const ids: string[] = []
    for await (const { id } of messages) if (ids.push(id) === count) break
    return ids
  }

  test('comes once, also where several patterns match it, and in order', async () => {
    const scope = newScope()
    const topic = `${scope}:a:b`
    const subscription = await server.carillon.subscribe({
      topics: [`${scope}:*`, `${scope}:a:*`],
    })
    await publish(topic, 'first')
    await subscription.next()
    const numbers = Array.from({ length: 100 }, (_, n) => n)
    await server.carillon.publishMany(
      numbers.map((payload) => ({ topic, payload, ephemeral: true })),
    )
    const seen: unknown[] = []
    while (seen.length < 100) seen.push((await subscription.next()).value?.payload)
    expect(seen).toEqual(numbers)
    await publish(topic, 'end')
    expect((await subscription.next()).value?.payload).toBe('end')
  })

  test('in a new topic is there once that is live, to its bound, once', async () => {
    const database = await openEmbedded(MEMORY)
    const stored = new PrismaLog(database)
    let open = () => {}
    const opened = new Promise<void>((resolve) => {
      open = resolve
    })
    let asked = () => {}
    const isAsked = new Promise<void>((resolve) => {
      asked = resolve
    })
    const log: Log = {
      append: (drafts) => stored.append(drafts),
      page: (query) => stored.page(query),
      read: (...args) => stored.read(...args),
      message: (...args) => stored.message(...args),
      topicStates: (names) => stored.topicStates(names),
      topics: (query) => stored.topics(query),
      purge: (...args) => stored.purge(...args),
      changeEpoch: (known) => stored.changeEpoch(known),
      ping: () => stored.ping(),
      close: () => stored.close(),
      async topic(name) {
        asked()
        await opened
        return stored.topic(name)
      },
    }
    const bus = new LossyBus()
    const hub = new Hub({ log, bus, onFault: (error) => expect.unreachable(String(error)) })
    const patterns = ['burst:*', 'burst:new:*'] as unknown as readonly TopicPattern[]
    const subscription = await hub.subscribe(patterns, { filter })
    const burst = burstIn('burst:new:1')
    bus.publish(burst.slice(0, 50))
    await isAsked // its own channel is open, where it stands is not known yet
    bus.publish(burst.slice(50))
    bus.publish(burstIn('burst:new:1')) // beyond the bound
    open()
    expect(await takeIds(subscription, 100)).toEqual(burst.map(({ id }) => id))
    await hub.close()
    await stored.close()
    await database.close()
  })
})

import { expect, test } from 'vitest'
import { fieldOf, request } from '../support/carillon.ts'
import { createDatabase, describeWithPostgresql } from '../support/postgresql.ts'
import { type CliProcess, spawnCli } from '../support/process.ts'
import { describeWithRedis, type PrivateRedis, startPrivateRedis } from '../support/redis.ts'
import { openAcknowledged, type RawSocket } from '../support/websocket.ts'

const TOPICS = ['a', 'b', 'c', 'd']
const INSTANCES = 3
const MESSAGES = 20_000
const BATCH = 100

const PUBLISH_MANY = `mutation ($inputs: [PublishInput!]!) {
  publishMany(inputs: $inputs) { duplicate }
}`

/** A client that listens to all topics, and what it has got of each. */
interface Listener {
  readonly raw: RawSocket
  readonly seen: ReadonlyMap<string, readonly number[]>
}

async function listen(url: string): Promise<Listener> {
  const raw = await openAcknowledged(url.replace('http', 'ws'))
  const seen = new Map<string, number[]>(TOPICS.map((topic) => [topic, []]))
  const topics = JSON.stringify(TOPICS)
  raw.send({
    id: 'all',
    type: 'subscribe',
    payload: { query: `subscription { messages(topics: ${topics}) { topic sequence } }` },
  })
  raw.socket.on('message', (data) => {
    const { payload } = JSON.parse(String(data)) as {
      payload?: { data?: { messages: { topic: string; sequence: number } } }
    }
    const message = payload?.data?.messages
    if (message !== undefined) seen.get(message.topic)?.push(message.sequence)
  })
  return { raw, seen }
}

/** Nothing says that a subscription is live: publishes until every listener has got something. */
async function untilLive({ urls, listeners }: Cluster): Promise<void> {
  const [url = ''] = urls
  const inputs = TOPICS.map((topic) => ({ topic, payload: 'probe' }))
  const areLive = async () => {
    await request(url, PUBLISH_MANY, { inputs })
    return listeners.every(({ seen }) => TOPICS.every((topic) => seen.get(topic)?.length !== 0))
  }
  await expect.poll(areLive, { timeout: 20_000 }).toBe(true)
}

/** How far each topic has come. */
async function heads([url = '']: readonly string[]): Promise<readonly number[]> {
  const fields = TOPICS.map((topic) => `${topic}: topic(name: "${topic}") { headSequence }`)
  const answer = await request(url, `{ ${fields.join(' ')} }`)
  return TOPICS.map((topic) => fieldOf<{ headSequence: number }>(answer, topic).headSequence)
}

/** Publishes everything, spread over the instances, several batches at once on each. */
async function publishAll(urls: readonly string[]): Promise<void> {
  let next = 0
  const publishInTurn = async (url: string) => {
    while (next < MESSAGES) {
      const start = next
      next += BATCH
      const inputs = Array.from({ length: BATCH }, (_, n) => ({
        topic: TOPICS[(start + n) % TOPICS.length],
        payload: start + n,
      }))
      const { errors } = await request(url, PUBLISH_MANY, { inputs })
      expect(errors).toBeUndefined()
    }
  }
  await Promise.all([...urls, ...urls].map(publishInTurn))
}

interface Cluster extends AsyncDisposable {
  readonly urls: readonly string[]
  readonly listeners: readonly Listener[]
}

async function startCluster(databaseUrl: string, redisUrl: string): Promise<Cluster> {
  const servers: CliProcess[] = Array.from({ length: INSTANCES }, () =>
    spawnCli(['serve'], { DATABASE_URL: databaseUrl, REDIS_URL: redisUrl }),
  )
  const urls = await Promise.all(servers.map((server) => server.ready()))
  const listeners = await Promise.all(urls.map(listen))
  return {
    urls,
    listeners,
    async [Symbol.asyncDispose]() {
      await Promise.all(listeners.map(({ raw }) => raw[Symbol.asyncDispose]()))
      await Promise.all(servers.map((server) => server[Symbol.asyncDispose]()))
    },
  }
}

/** From the first message that it got, a listener has each one up to the head, in order, once. */
async function expectWhole({ seen }: Listener, upTo: readonly number[]): Promise<void> {
  const newest = () => TOPICS.map((topic) => seen.get(topic)?.at(-1))
  await expect.poll(newest, { timeout: 30_000, interval: 50 }).toEqual(upTo)
  TOPICS.forEach((topic, index) => {
    const sequences = seen.get(topic) ?? []
    const [first = 0] = sequences
    const length = (upTo[index] ?? 0) - first + 1
    expect([topic, ...sequences]).toEqual([topic, ...Array.from({ length }, (_, n) => first + n)])
    expect(length).toBeGreaterThanOrEqual(MESSAGES / TOPICS.length)
  })
}

/** What goes wrong while messages are published. */
const FAULTS: readonly {
  readonly what: string
  readonly start: (redis: PrivateRedis) => { stop(): Promise<void> }
}[] = [
  { what: 'nothing goes wrong', start: () => ({ stop: async () => undefined }) },
  {
    what: 'Redis cuts its subscribers off again and again',
    start(redis) {
      const timer = setInterval(() => void redis.killSubscribers(), 300)
      return { stop: async () => clearInterval(timer) }
    },
  },
  {
    what: 'Redis is killed and started again',
    start(redis) {
      const restarted = redis.kill().then(() => redis.start())
      return { stop: () => restarted }
    },
  },
]

describeWithPostgresql('three instances over one PostgreSQL', () => {
  describeWithRedis('and one Redis', () => {
    test.each(FAULTS)(
      'every subscriber sees 1…N in order, once, while $what',
      async ({ start }) => {
        await using database = await createDatabase()
        await using redis = await startPrivateRedis()
        await using cluster = await startCluster(database.url, redis.url)
        await untilLive(cluster)
        const fault = start(redis)
        await publishAll(cluster.urls)
        await fault.stop()
        const upTo = await heads(cluster.urls)
        for (const listener of cluster.listeners) await expectWhole(listener, upTo)
      },
      120_000,
    )
  })
})

import { expect } from 'vitest'
import { fieldOf, request } from './carillon.ts'
import { type CliProcess, spawnCli } from './process.ts'
import { openAcknowledged, type RawSocket } from './websocket.ts'

const INSTANCES = 3
const BATCH = 100

/** Messages of this topic only show that a subscription is live. */
const PROBE = 'probe'

const PUBLISH_MANY = `mutation ($inputs: [PublishInput!]!) {
  publishMany(inputs: $inputs) { duplicate }
}`

/** A client that listens to some topics, and what it has got of each. */
export interface Listener {
  readonly raw: RawSocket
  readonly seen: ReadonlyMap<string, readonly number[]>
}

/** Instances in processes of their own, over one database and one Redis, with a listener on each. */
export interface Cluster extends AsyncDisposable {
  readonly urls: readonly string[]
  readonly topics: readonly string[]
  readonly listeners: readonly Listener[]
}

export interface ClusterParts {
  readonly databaseUrl: string
  readonly redisUrl: string
  readonly topics: readonly string[]
}

/** Every listener gets what is published once this has resolved. */
export async function startCluster({
  databaseUrl,
  redisUrl,
  topics,
}: ClusterParts): Promise<Cluster> {
  const servers: CliProcess[] = Array.from({ length: INSTANCES }, () =>
    spawnCli(['serve'], { DATABASE_URL: databaseUrl, REDIS_URL: redisUrl }),
  )
  const listeners: Listener[] = []
  const cluster = {
    urls: [] as readonly string[],
    topics,
    listeners,
    async [Symbol.asyncDispose]() {
      await Promise.all(listeners.map(({ raw }) => raw[Symbol.asyncDispose]()))
      await Promise.all(servers.map((server) => server[Symbol.asyncDispose]()))
    },
  }
  try {
    cluster.urls = await Promise.all(servers.map((server) => server.ready()))
    listeners.push(...(await Promise.all(cluster.urls.map((url) => listen(url, topics)))))
    await untilLive(cluster)
    return cluster
  } catch (error) {
    await cluster[Symbol.asyncDispose]()
    throw error
  }
}

async function listen(url: string, topics: readonly string[]): Promise<Listener> {
  const raw = await openAcknowledged(url.replace('http', 'ws'))
  const seen = new Map<string, number[]>([PROBE, ...topics].map((topic) => [topic, []]))
  raw.send({
    id: 'all',
    type: 'subscribe',
    payload: {
      query:
        'subscription ($topics: [TopicPattern!]!) { messages(topics: $topics) { topic sequence } }',
      variables: { topics: [...seen.keys()] },
    },
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

/**
 * Nothing says that a subscription is live: publishes until every listener has got something. A
 * subscription brings nothing of one topic before all of its topics are live.
 */
async function untilLive({ urls, listeners }: Pick<Cluster, 'urls' | 'listeners'>): Promise<void> {
  const [url = ''] = urls
  const areLive = async () => {
    await publish(url, [{ topic: PROBE, payload: 'probe' }])
    return listeners.every(({ seen }) => seen.get(PROBE)?.length !== 0)
  }
  await expect.poll(areLive, { timeout: 20_000 }).toBe(true)
}

/** Publishes on one instance, all or nothing. */
export async function publish(
  url: string,
  inputs: readonly { readonly topic: string; readonly payload: unknown }[],
): Promise<void> {
  const { errors } = await request(url, PUBLISH_MANY, { inputs })
  expect(errors).toBeUndefined()
}

/** Publishes this many in all, spread over topics and instances, several batches at once on each. */
export async function publishAll({ urls, topics }: Cluster, count: number): Promise<void> {
  let next = 0
  const publishInTurn = async (url: string) => {
    while (next < count) {
      const start = next
      next += BATCH
      const inputs = Array.from({ length: Math.min(BATCH, count - start) }, (_, n) => ({
        topic: topics[(start + n) % topics.length] ?? '',
        payload: start + n,
      }))
      await publish(url, inputs)
    }
  }
  await Promise.all([...urls, ...urls].map(publishInTurn))
}

/** Each listener gets 1…head of each topic, in order, once. */
export async function expectWhole(
  { urls, topics, listeners }: Cluster,
  timeoutMs = 30_000,
): Promise<void> {
  const [url = ''] = urls
  const heads = await Promise.all(topics.map((topic) => headOf(url, topic)))
  for (const { seen } of listeners) {
    const newest = () => topics.map((topic) => seen.get(topic)?.at(-1))
    await expect.poll(newest, { timeout: timeoutMs, interval: 50 }).toEqual(heads)
    topics.forEach((topic, index) => {
      const upToHead = Array.from({ length: heads[index] ?? 0 }, (_, n) => n + 1)
      expect([topic, ...(seen.get(topic) ?? [])]).toEqual([topic, ...upToHead])
    })
  }
}

async function headOf(url: string, name: string): Promise<number> {
  const query = 'query ($name: TopicName!) { topic(name: $name) { headSequence } }'
  const answer = await request(url, query, { name })
  return fieldOf<{ headSequence: number }>(answer, 'topic').headSequence
}

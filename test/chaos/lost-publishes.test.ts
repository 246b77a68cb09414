import { expect, test } from 'vitest'
import { type Cluster, expectWhole, publish, publishAll, startCluster } from '../support/cluster.ts'
import { createDatabase, describeWithPostgresql } from '../support/postgresql.ts'
import { describeWithRedis, startPrivateRedis } from '../support/redis.ts'
import { type RedisProxy, startRedisProxy } from '../support/redis-proxy.ts'

const TOPICS = ['a', 'b', 'c', 'd']
const MESSAGES = 20_000
const LOST = 0.2

/** Heads are compared every 5 s; the rest is for a machine that has other things to do. */
const FOUND_WITHIN_MS = 12_000

/** Instances that reach one another only through what `work` is handed. */
async function withCluster(
  topics: readonly string[],
  work: (cluster: Cluster, proxy: RedisProxy) => Promise<void>,
): Promise<void> {
  await using database = await createDatabase()
  await using redis = await startPrivateRedis()
  await using proxy = await startRedisProxy(redis.url)
  await using cluster = await startCluster({
    databaseUrl: database.url,
    redisUrl: proxy.url,
    topics,
  })
  await work(cluster, proxy)
}

/** Loses what is published next, and waits until every listener has it all the same. */
async function loseOne({ urls, ...rest }: Cluster, topic: string, proxy: RedisProxy) {
  const [url = ''] = urls
  proxy.dropPublish = (channel) => channel.endsWith(`:${topic}`)
  await publish(url, [{ topic, payload: 'lost' }])
  await expectWhole({ urls, ...rest }, FOUND_WITHIN_MS)
  await expect.poll(() => proxy.dropped).toBe(1)
}

describeWithPostgresql('three instances over one PostgreSQL', () => {
  describeWithRedis('and a Redis whose pub/sub loses messages', () => {
    test('Redis pub/sub loses one in five: every subscriber sees 1…N in order, once', async () => {
      await withCluster(TOPICS, async (cluster, proxy) => {
        proxy.dropPublish = () => Math.random() < LOST
        await publishAll(cluster, MESSAGES)
        await expectWhole(cluster)
        expect(proxy.dropped).toBeGreaterThan((MESSAGES * LOST) / 2)
        expect(proxy.dropped).toBeLessThan(MESSAGES * LOST * 2)
      })
    }, 60_000)

    test('Redis pub/sub loses the last one: every subscriber gets it, however quiet the topic is then', async () => {
      await withCluster(TOPICS, async (cluster, proxy) => {
        await publishAll(cluster, 400)
        await expectWhole(cluster)
        await loseOne(cluster, 'a', proxy)
      })
    }, 60_000)

    test('Redis pub/sub loses the only one of a topic: every subscriber gets it', async () => {
      await withCluster(['empty'], (cluster, proxy) => loseOne(cluster, 'empty', proxy))
    }, 60_000)
  })
})

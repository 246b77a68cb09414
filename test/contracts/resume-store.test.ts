import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parseRedisUrl } from '../../src/redis/redis-address.ts'
import { MemoryResumeStore } from '../../src/resume/memory-resume-store.ts'
import { RedisResumeStore } from '../../src/resume/redis-resume-store.ts'
import { describeWithRedis, type PrivateRedis, startPrivateRedis } from '../support/redis.ts'
import { type PrivateRedisCluster, startRedisCluster } from '../support/redis-cluster.ts'
import { at, describeResumeStore, newKey, recordOf, topicsAt } from './resume-store.ts'

const KEEP_MS = 60_000

function openStore(url: string, faults: unknown[] = []): RedisResumeStore {
  const address = parseRedisUrl(url)
  if (address === undefined) throw new Error('The URL leads to no Redis.')
  return new RedisResumeStore({ address, onFault: (fault) => faults.push(fault) })
}

/** One that has reached its Redis. */
async function openReady(url: string, faults: unknown[] = []): Promise<RedisResumeStore> {
  const store = openStore(url, faults)
  await store.find(newKey())
  return store
}

describe('what clients have got, in memory', () => {
  const store = new MemoryResumeStore()
  afterAll(() => store[Symbol.asyncDispose]())
  describeResumeStore(() => store)
})

describeWithRedis('what clients have got, in Redis', () => {
  let redis: PrivateRedis
  let store: RedisResumeStore

  beforeAll(async () => {
    redis = await startPrivateRedis()
    store = await openReady(redis.url)
  })
  afterAll(async () => {
    await store[Symbol.asyncDispose]()
    await redis[Symbol.asyncDispose]()
  })

  describeResumeStore(() => store)

  test('every instance finds what another one has put', async () => {
    await using other = await openReady(redis.url)
    const key = newKey()
    await store.put(recordOf(key, 'one'), KEEP_MS)
    expect(await other.find(key)).toEqual(await store.find(key))
    await other.put(recordOf(key, 'two', topicsAt(['a', at(4)])), KEEP_MS)
    const late = { key, owner: 'one', topics: topicsAt(['a', at(9)]) }
    expect(await store.advance([late], KEEP_MS)).toEqual(['superseded'])
  })
})

describeWithRedis('what clients have got, while Redis comes and goes', () => {
  test('an instance goes on with its own memory, says so once, and hears when Redis is back', async () => {
    await using redis = await startPrivateRedis()
    const faults: unknown[] = []
    await using store = await openReady(redis.url, faults)
    const key = newKey()
    await store.put(recordOf(key, 'one'), KEEP_MS)
    await redis.kill()
    const advance = { key, owner: 'one', topics: topicsAt(['a', at(4)]) }
    expect(await store.advance([advance], KEEP_MS)).toEqual(['kept'])
    expect((await store.find(key))?.places.topics).toEqual(topicsAt(['a', at(4)]))
    expect(faults).toHaveLength(1)
    await redis.start()
    await using other = await openReady(redis.url)
    await expect.poll(() => other.find(key), { timeout: 10_000 }).toEqual(await store.find(key))
    expect(await store.advance([advance], KEEP_MS)).toEqual(['kept'])
  })

  test('whoever asks while Redis comes back waits for what the others still know', async () => {
    await using redis = await startPrivateRedis()
    await using store = await openReady(redis.url)
    await using other = await openReady(redis.url)
    const [key, own] = [newKey(), newKey()]
    await store.put(recordOf(key, 'one'), KEEP_MS)
    await other.put(recordOf(own, 'two'), KEEP_MS)
    await redis.kill()
    const found = other.find(key)
    await redis.start()
    expect(await found).toEqual(await store.find(key))
  })
})

describeWithRedis('what clients have got, in a Redis Cluster', () => {
  let cluster: PrivateRedisCluster
  let store: RedisResumeStore

  beforeAll(async () => {
    cluster = await startRedisCluster()
    store = await openReady(cluster.url)
  })
  afterAll(async () => {
    await store[Symbol.asyncDispose]()
    await cluster[Symbol.asyncDispose]()
  })

  describeResumeStore(() => store)
})

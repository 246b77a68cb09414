import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { TopicPattern } from '../../src/core/topic-name.ts'
import { MemoryPresenceStore } from '../../src/presence/memory-presence-store.ts'
import type { PresenceStore } from '../../src/presence/presence-store.ts'
import { type OpenPresenceStore, openPresenceStore } from '../support/presence-store.ts'
import { describeWithRedis, type PrivateRedis, startPrivateRedis } from '../support/redis.ts'
import { type PrivateRedisCluster, startRedisCluster } from '../support/redis-cluster.ts'
import {
  describePresenceStore,
  newSession,
  newTopic,
  presentByReading,
  presentIn,
  Told,
} from './presence-store.ts'

const SOON = { timeout: 5_000, interval: 10 }

describe('presence, in memory', () => {
  const store = new MemoryPresenceStore()
  describePresenceStore(() => store)
})

describeWithRedis('presence, in Redis', () => {
  let redis: PrivateRedis
  let one: OpenPresenceStore
  let two: OpenPresenceStore

  beforeAll(async () => {
    redis = await startPrivateRedis()
    one = await openPresenceStore(redis.url)
    two = await openPresenceStore(redis.url)
  })
  afterAll(async () => {
    await one[Symbol.asyncDispose]()
    await two[Symbol.asyncDispose]()
    await redis[Symbol.asyncDispose]()
  })

  describePresenceStore(() => one.store)

  test('every instance sees who comes and goes on another one', async () => {
    const [topic, told] = [newTopic(), new Told()]
    const before = newSession('before')
    await one.store.apply(topic, { kind: 'enter', session: before })
    await two.store.watch(topic, told)
    expect(presentIn(two.store, topic)).toEqual(['before'])
    const ann = newSession('ann')
    await one.store.apply(topic, { kind: 'enter', session: ann })
    await expect.poll(() => presentIn(two.store, topic), SOON).toEqual(['ann', 'before'])
    await one.store.apply(topic, { kind: 'leave', session: before })
    await expect.poll(() => presentIn(two.store, topic), SOON).toEqual(['ann'])
    expect(told.users).toEqual(['ann', 'before'])
  })

  test('a client that takes its seat on another instance is not removed by the old one', async () => {
    const topic = newTopic()
    const told = new Told()
    await two.store.watch(topic, told)
    const [first, second] = [newSession('ann'), newSession('ann')]
    await one.store.apply(topic, { kind: 'enter', session: first })
    await two.store.apply(topic, { kind: 'enter', session: second })
    await one.store.apply(topic, { kind: 'leave', session: first })
    expect(presentIn(two.store, topic)).toEqual(['ann'])
    expect(await presentByReading(one.store, topic)).toEqual(['ann'])
  })

  test('instances that change one topic at the same time end with the same', async () => {
    const topic = newTopic()
    const [toldOne, toldTwo] = [new Told(), new Told()]
    await one.store.watch(topic, toldOne)
    await two.store.watch(topic, toldTwo)
    const sessions = Array.from({ length: 200 }, (_, index) => newSession(`user ${index % 50}`))
    await Promise.all(
      sessions.map(async (session, index) => {
        const { store } = index % 2 === 0 ? one : two
        await store.apply(topic, { kind: 'enter', session })
        if (index % 3 === 0) await store.apply(topic, { kind: 'leave', session })
      }),
    )
    const idsOf = (store: PresenceStore) =>
      [...(store.roster(topic)?.sessions() ?? [])].map(({ id }) => id).sort()
    const read = [...(await one.store.read(topic)).sessions()].map(({ id }) => id).sort()
    await expect.poll(() => idsOf(one.store), SOON).toEqual(read)
    await expect.poll(() => idsOf(two.store), SOON).toEqual(read)
    expect([...toldOne.syncs, ...toldTwo.syncs]).toEqual([])
  })

  test('nothing is left in Redis of a topic that everyone has left', async () => {
    const topic = newTopic()
    const ann = newSession('ann')
    await one.store.apply(topic, { kind: 'enter', session: ann })
    expect(await redis.call('EXISTS', `carillon:presence:{${topic}}`)).toBe(1)
    await one.store.apply(topic, { kind: 'leave', session: ann })
    expect(await redis.call('EXISTS', `carillon:presence:{${topic}}`)).toBe(0)
  })
})

describeWithRedis('presence, on a Redis Cluster', () => {
  let cluster: PrivateRedisCluster
  let open: OpenPresenceStore

  beforeAll(async () => {
    cluster = await startRedisCluster()
    open = await openPresenceStore(cluster.url)
  }, 60_000)
  afterAll(async () => {
    await open[Symbol.asyncDispose]()
    await cluster[Symbol.asyncDispose]()
  })

  describePresenceStore(() => open.store)
})

describeWithRedis('presence, while Redis comes and goes', () => {
  test('an instance goes on by itself, and everyone is there when Redis is back, empty', async () => {
    await using redis = await startPrivateRedis()
    await using one = await openPresenceStore(redis.url)
    await using two = await openPresenceStore(redis.url)
    const topic = newTopic()
    const [toldOne, toldTwo] = [new Told(), new Told()]
    await one.store.watch(topic, toldOne)
    await two.store.watch(topic, toldTwo)
    const [ann, bob, cid, dan] = ['ann', 'bob', 'cid', 'dan'].map((name) => newSession(name))
    if (!ann || !bob || !cid || !dan) throw new Error('Four were made.')
    await one.store.apply(topic, { kind: 'enter', session: ann })
    await one.store.apply(topic, { kind: 'enter', session: cid })
    await two.store.apply(topic, { kind: 'enter', session: bob })
    await expect.poll(() => presentIn(one.store, topic), SOON).toEqual(['ann', 'bob', 'cid'])
    await redis.kill()
    await one.store.apply(topic, { kind: 'enter', session: dan })
    await one.store.apply(topic, { kind: 'leave', session: cid })
    expect(presentIn(one.store, topic)).toEqual(['ann', 'bob', 'dan'])
    expect(presentIn(two.store, topic)).toEqual(['ann', 'bob', 'cid'])
    const seen: string[][] = []
    const watch = setInterval(() => seen.push([...presentIn(two.store, topic)]), 1)
    await redis.start()
    await expect.poll(() => presentIn(two.store, topic), SOON).toEqual(['ann', 'bob', 'dan'])
    await expect.poll(() => presentIn(one.store, topic), SOON).toEqual(['ann', 'bob', 'dan'])
    clearInterval(watch)
    expect(seen.filter((users) => !users.includes('ann') || !users.includes('bob'))).toEqual([])
    expect(await presentByReading(two.store, topic)).toEqual(['ann', 'bob', 'dan'])
    await expect.poll(() => toldTwo.syncs.length, SOON).toBeGreaterThan(0)
    await expect.poll(() => toldOne.syncs.length, SOON).toBeGreaterThan(0)
  })

  test('subscribers that are cut off read what they have missed', async () => {
    await using redis = await startPrivateRedis()
    await using one = await openPresenceStore(redis.url)
    await using two = await openPresenceStore(redis.url)
    const [topic, told] = [newTopic(), new Told()]
    await two.store.watch(topic, told)
    for (let turn = 0; turn < 5; turn++) {
      const session = newSession(`user ${turn}`)
      await Promise.all([
        redis.killSubscribers(),
        one.store.apply(topic, { kind: 'enter', session }),
      ])
    }
    await expect.poll(() => presentIn(two.store, topic).length, SOON).toBe(5)
    await expect.poll(() => told.syncs.length, SOON).toBeGreaterThan(0)
  })

  test('a Redis that forgets everything without a word is noticed within the lease', async () => {
    await using redis = await startPrivateRedis()
    await using one = await openPresenceStore(redis.url, 600)
    await using two = await openPresenceStore(redis.url, 600)
    const topic = newTopic()
    await two.store.watch(topic, new Told())
    await one.store.apply(topic, { kind: 'enter', session: newSession('ann') })
    await expect.poll(() => presentIn(two.store, topic), SOON).toEqual(['ann'])
    await redis.call('FLUSHALL')
    await expect.poll(() => presentByReading(two.store, topic), SOON).toEqual(['ann'])
    expect(presentIn(two.store, topic)).toEqual(['ann'])
  })

  test.each([
    ['a step whose news were lost is found', 1],
    ['a Redis that went back by a step is found out', -1],
  ])('%s within two leases', async (_what, by) => {
    await using redis = await startPrivateRedis()
    await using one = await openPresenceStore(redis.url, 500)
    await using two = await openPresenceStore(redis.url, 500)
    const [topic, told] = [newTopic(), new Told()]
    await two.store.watch(topic, told)
    await one.store.apply(topic, { kind: 'enter', session: newSession('ann') })
    await one.store.apply(topic, { kind: 'enter', session: newSession('bob') })
    await expect.poll(() => presentIn(two.store, topic), SOON).toEqual(['ann', 'bob'])
    const key = `carillon:presence:{${topic}}`
    const [seat = ''] = ((await redis.call('HKEYS', key)) as string[]).filter((it) =>
      it.includes('ann'),
    )
    await redis.call('HDEL', key, seat)
    await redis.call('HINCRBY', key, '#revision', by)
    await expect.poll(() => told.syncs.length, SOON).toBeGreaterThan(0)
    expect(presentIn(two.store, topic)).toEqual(['bob'])
  })

  test('who starts without Redis is told of it once it is there', async () => {
    await using redis = await startPrivateRedis()
    await redis.kill()
    await using one = await openPresenceStore(redis.url)
    const [topic, told] = [newTopic(), new Told()]
    await one.store.watch(topic, told)
    await one.store.watch('room:*' as TopicPattern, told)
    await one.store.apply(topic, { kind: 'enter', session: newSession('ann') })
    expect(presentIn(one.store, topic)).toEqual(['ann'])
    expect(told.users).toEqual(['ann'])
    await redis.start()
    await using two = await openPresenceStore(redis.url)
    await expect.poll(() => presentByReading(two.store, topic), SOON).toEqual(['ann'])
    await two.store.apply(topic, { kind: 'enter', session: newSession('bob') })
    await expect.poll(() => presentIn(one.store, topic), SOON).toEqual(['ann', 'bob'])
  })
})

describeWithRedis('presence, while instances come and go', () => {
  const LEASE_MS = 900

  test('the members of an instance that ends leave after the grace, once', async () => {
    await using redis = await startPrivateRedis()
    await using one = await openPresenceStore(redis.url, LEASE_MS)
    await using two = await openPresenceStore(redis.url, LEASE_MS)
    await using three = await openPresenceStore(redis.url, LEASE_MS)
    const [topic, toldTwo, toldThree] = [newTopic(), new Told(), new Told()]
    await two.store.watch(topic, toldTwo)
    await three.store.watch(topic, toldThree)
    const ann = newSession('ann')
    await one.store.apply(topic, { kind: 'enter', session: ann })
    await one.store.apply(topic, { kind: 'enter', session: newSession('bob') })
    await delay(LEASE_MS) // the others are sure by now that it is not they who were away
    const closedAt = performance.now()
    await one.store.close(500)
    await two.store.apply(topic, { kind: 'enter', session: newSession('ann') })
    expect(presentIn(two.store, topic)).toEqual(['ann', 'bob'])
    await expect.poll(() => presentIn(three.store, topic), SOON).toEqual(['ann'])
    expect(performance.now() - closedAt).toBeGreaterThan(450)
    await expect.poll(() => presentIn(two.store, topic), SOON).toEqual(['ann'])
    expect(toldThree.users.filter((user) => user === 'bob')).toEqual(['bob', 'bob'])
    const found = () => [two, three].map(({ store }) => store.counts.expiredLeases).sort()
    await expect.poll(found, SOON).toEqual([0, 1])
  })
})

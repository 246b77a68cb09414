import { setTimeout as delay, setImmediate } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { DEFAULT_LIMITS } from '../../src/access/limits.ts'
import type { Viewer } from '../../src/access/viewer.ts'
import type { JsonText } from '../../src/core/json.ts'
import type { TopicName } from '../../src/core/topic-name.ts'
import { MemoryPresenceStore } from '../../src/presence/memory-presence-store.ts'
import { Presence } from '../../src/presence/presence.ts'
import type { PresenceStore } from '../../src/presence/presence-store.ts'
import {
  newSession,
  newTopic,
  presentByReading,
  presentIn,
  Told,
} from '../contracts/presence-store.ts'
import { type OpenPresenceStore, openPresenceStore } from '../support/presence-store.ts'
import { describeWithRedis, type PrivateRedis, startPrivateRedis } from '../support/redis.ts'
import { viewer as viewerWith } from '../support/viewer.ts'

const SOON = { timeout: 10_000, interval: 20 }

function viewer(userId: string): Viewer {
  return viewerWith({ kind: 'user', userId, clientId: 'tab' })
}

function presenceOf(store: PresenceStore): Presence {
  const bounds = { graceMs: 300, leaseMs: 30_000, windowMs: 5 }
  return new Presence({ store, limits: DEFAULT_LIMITS, bounds })
}

test('who stops watching and begins again at once is told of what follows', async () => {
  const presence = presenceOf(new MemoryPresenceStore())
  const first = await presence.open({ topics: ['room:1'] }, viewer('watcher'))
  first.close()
  const second = await presence.open({ topics: ['room:1'] }, viewer('watcher'))
  expect((await second.next()).value?.type).toBe('SYNC')
  await presence.open({ topics: ['room:1'], enter: {} }, viewer('ann'))
  expect((await second.next()).value?.type).toBe('JOIN')
  await presence.close()
})

test('one that closes before it has begun enters nowhere', async () => {
  const presence = presenceOf(new MemoryPresenceStore())
  const signal = AbortSignal.abort()
  const stay = await presence.open({ topics: ['room:1'], enter: {} }, viewer('ann'))
  stay.closeOn(signal)
  await setImmediate()
  expect(await presence.members('room:1')).toEqual([])
  await presence.close()
})

describeWithRedis('two instances over one Redis', () => {
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

  test('an instance does not take the seat back of a client that has moved', async () => {
    const topic = newTopic()
    await two.store.watch(topic, new Told())
    const [old, fresh] = [newSession('ann'), newSession('ann')]
    await one.store.apply(topic, { kind: 'enter', session: old }) // in its grace: nobody watches there
    await two.store.apply(topic, { kind: 'enter', session: fresh })
    await one.store.watch(topic, new Told()) // it reads the topic
    await delay(100)
    await one.store.apply(topic, { kind: 'leave', session: old }) // the grace ends
    await delay(100)
    expect(await presentByReading(two.store, topic)).toEqual(['ann'])
    expect([...(two.store.roster(topic)?.sessions() ?? [])]).toMatchObject([{ id: fresh.id }])
  })

  test('a name and a pattern that are opened at almost the same time both know who is there', async () => {
    const presence = presenceOf(two.store)
    for (let turn = 0; turn < 100; turn++) {
      const topic = newTopic(`pair-${turn}`)
      await one.store.apply(topic, { kind: 'enter', session: newSession('ann') })
      const opening = presence.open({ topics: [`pair-${turn}:*`] }, viewer('first'))
      for (let pause = 0; pause < turn % 12; pause++) await setImmediate()
      const both = await Promise.all([
        opening,
        presence.open({ topics: [topic] }, viewer('second')),
      ])
      for (const subscription of both) {
        expect((await subscription.next()).value?.members).toHaveLength(1)
        subscription.close()
      }
    }
  })

  test('two patterns that are opened together over many topics both know who is there', async () => {
    const presence = presenceOf(two.store)
    const topics = Array.from({ length: 300 }, () => newTopic('nest:a'))
    await Promise.all(
      topics.map((topic) => one.store.apply(topic, { kind: 'enter', session: newSession('ann') })),
    )
    const both = await Promise.all(
      ['nest:*', 'nest:a:*'].map((name) => presence.open({ topics: [name] }, viewer(name))),
    )
    for (const subscription of both) {
      const seen = new Map<string, number>()
      while (seen.size < topics.length) {
        const { value } = await subscription.next()
        if (value !== undefined) seen.set(value.topic, value.members.length)
      }
      expect(new Set(seen.values())).toEqual(new Set([1]))
      subscription.close()
    }
  })

  test('a query while the topic is read for the first time does not answer nobody', async () => {
    const topic = newTopic()
    await one.store.apply(topic, { kind: 'enter', session: newSession('ann') })
    const presence = presenceOf(two.store)
    const opening = presence.open({ topics: [topic] }, viewer('watcher'))
    await delay(0)
    const members = await presence.members(topic)
    expect(members.map(({ userId }) => userId)).toEqual(['ann'])
    ;(await opening).close()
  })

  test('who leaves, or says something, right behind entering has left, or has said it', async () => {
    const [topic, other] = [newTopic(), newTopic()]
    const [ann, bob] = [newSession('ann'), newSession('bob')]
    for (const name of [topic, other]) await one.store.watch(name, new Told())
    const said = { ...bob, state: '"new"' as JsonText, saidAt: bob.saidAt + 1 }
    await Promise.all([
      one.store.apply(topic, { kind: 'enter', session: ann }),
      one.store.apply(topic, { kind: 'leave', session: ann }),
      one.store.apply(other, { kind: 'enter', session: bob }),
      one.store.apply(other, { kind: 'say', session: said }),
    ])
    await delay(100)
    expect(await presentByReading(two.store, topic)).toEqual([])
    expect((await two.store.read(other)).at(bob)?.state).toBe('"new"')
  })

  test('what a client says reaches the instance that it has moved to', async () => {
    const topic = newTopic()
    const [here, there] = [presenceOf(one.store), presenceOf(two.store)]
    const connection = (isLost: boolean) => ({ id: 'x', operationId: '1', isLost: () => isLost })
    const old = await here.open({ topics: [topic], enter: {} }, viewer('ann'), connection(true))
    await here.open({ topics: [topic] }, viewer('watcher'))
    const fresh = await there.open({ topics: [topic], enter: {} }, viewer('ann'), connection(false))
    old.close() // its connection is gone, and its grace runs
    await expect.poll(() => presentIn(one.store, topic), SOON).toEqual(['ann'])
    await here.update({ topic, state: 'typing' }, viewer('ann'))
    await expect
      .poll(async () => (await there.members(topic)).map(({ state }) => state), SOON)
      .toEqual(['typing'])
    fresh.close()
  })
})

describeWithRedis('a Redis that fails', () => {
  test('what is said for a client of another instance is refused while that is not reached, and not lost in silence', async () => {
    await using redis = await startPrivateRedis()
    await using one = await openPresenceStore(redis.url)
    await using two = await openPresenceStore(redis.url)
    const topic = newTopic()
    const [here, there] = [presenceOf(one.store), presenceOf(two.store)]
    await there.open({ topics: [topic] }, viewer('watcher'))
    await here.open({ topics: [topic], enter: {} }, viewer('ann'))
    await expect.poll(() => presentIn(two.store, topic), SOON).toEqual(['ann'])
    await redis.kill()
    const refused = there.update({ topic, state: 1 }, viewer('ann'))
    await expect(refused).rejects.toMatchObject({ code: 'SERVICE_UNAVAILABLE', retryable: true })
    expect((await here.update({ topic, state: 2 }, viewer('ann'))).state).toBe(2)
  })

  test('who left while it was away is gone, also where the first attempt to say so fails', async () => {
    await using redis = await startPrivateRedis()
    await using one = await openPresenceStore(redis.url, 2_000)
    const topic = newTopic()
    await one.store.watch(topic, new Told())
    const ann = newSession('ann')
    await one.store.apply(topic, { kind: 'enter', session: ann })
    const key = `carillon:presence:{${topic}}`
    await redis.call('RENAME', key, `${key}:kept`)
    await redis.call('SET', key, 'every script of this topic fails')
    await one.store.apply(topic, { kind: 'leave', session: ann })
    await delay(1_200)
    expect(one.faults.length).toBeGreaterThan(0)
    await redis.call('DEL', key)
    await redis.call('RENAME', `${key}:kept`, key)
    await expect.poll(() => presentByReading(one.store, topic), SOON).toEqual([])
    expect(presentIn(one.store, topic)).toEqual([])
  })

  test('a topic that is read before its sessions were sent again keeps them', async () => {
    await using redis = await startPrivateRedis()
    await using one = await openPresenceStore(redis.url)
    const topic = newTopic() as TopicName
    const told = new Told()
    await one.store.watch(topic, told)
    const others = Array.from({ length: 1_000 }, () => newTopic())
    await Promise.all(
      others.map((name) => one.store.apply(name, { kind: 'enter', session: newSession('x') })),
    )
    await redis.kill()
    await delay(20)
    await one.store.apply(topic, { kind: 'enter', session: newSession('dan') })
    await redis.start()
    await expect.poll(() => told.syncs.length, SOON).toBeGreaterThan(0)
    expect(presentIn(one.store, topic)).toEqual(['dan'])
    await expect.poll(() => presentByReading(one.store, topic), SOON).toEqual(['dan'])
  })
})

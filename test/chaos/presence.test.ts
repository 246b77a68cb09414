import { setTimeout as delay } from 'node:timers/promises'
import type { Client } from 'graphql-ws'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { fieldOf, request } from '../support/carillon.ts'
import { type PresenceWatch, watchPresence } from '../support/presence.ts'
import { openCrowd } from '../support/present-crowd.ts'
import { type CliProcess, spawnCli } from '../support/process.ts'
import { describeWithRedis, type PrivateRedis, startPrivateRedis } from '../support/redis.ts'
import { connect } from '../support/websocket.ts'

const GRACE_MS = 1_500
const LEASE_MS = 2_000
const SOON = { timeout: 20_000, interval: 20 }

interface Instance {
  readonly process: CliProcess
  readonly url: string
  readonly socketUrl: string
}

async function startInstance(redisUrl: string): Promise<Instance> {
  const process = spawnCli([], {
    REDIS_URL: redisUrl,
    CARILLON_DATA_DIR: 'memory:', // who is present is no matter of the database
    CARILLON_PRESENCE_GRACE_MS: String(GRACE_MS),
    CARILLON_PRESENCE_LEASE_MS: String(LEASE_MS),
  })
  const url = await process.ready()
  return { process, url, socketUrl: url.replace(/^http/, 'ws') }
}

/** How often a watcher was told that someone came, or went. */
function count(watch: PresenceWatch, type: 'JOIN' | 'LEAVE'): ReadonlyMap<string, number> {
  const counts = new Map<string, number>()
  for (const event of watch.events) {
    if (event.type !== type) continue
    for (const { userId } of event.members) counts.set(userId, (counts.get(userId) ?? 0) + 1)
  }
  return counts
}

/** One that has been told who is there. */
async function watching(client: Client, topic: string): Promise<PresenceWatch> {
  const watch = watchPresence(client, topic)
  await expect.poll(() => watch.events.length, SOON).toBe(1)
  return watch
}

function namesOf(size: number, prefix: string): readonly string[] {
  return Array.from({ length: size }, (_, index) => `${prefix}-${index}`)
}

describeWithRedis('presence ghosts and flapping: three processes over one Redis', () => {
  let redis: PrivateRedis
  let instances: Instance[]
  let scopes = 0

  beforeAll(async () => {
    redis = await startPrivateRedis()
    instances = await Promise.all([1, 2, 3].map(() => startInstance(redis.url)))
  }, 60_000)

  afterAll(async () => {
    for (const { process } of instances) await process[Symbol.asyncDispose]()
    await redis[Symbol.asyncDispose]()
  })

  function instance(index: number): Instance {
    const found = instances[index]
    if (found === undefined) throw new Error('There is no such instance.')
    return found
  }

  function watcherOn(index: number): Client & AsyncDisposable {
    return connect(instance(index).socketUrl, { connectionParams: { userId: 'watcher' } })
  }

  async function usersBySync(index: number, topic: string): Promise<number> {
    const query = `{ presence(topic: "${topic}") { userId } }`
    return fieldOf<unknown[]>(await request(instance(index).url, query), 'presence').length
  }

  test('the 1,000 members of an instance that is killed leave once each, within the lease', async () => {
    const topic = `room:${++scopes}`
    await using one = watcherOn(1)
    await using two = watcherOn(2)
    const watches = [await watching(one, topic), await watching(two, topic)]
    const names = namesOf(1_000, 'user')
    await using _crowd = await openCrowd({ ...instance(0), topic, userIds: names })
    await using stays = connect(instance(1).socketUrl, { connectionParams: { userId: 'stays' } })
    watchPresence(stays, topic, {})
    for (const watch of watches) {
      await expect.poll(() => watch.present(topic).size, SOON).toBe(1_001)
    }
    await delay(LEASE_MS) // instances that just started hold nobody for dead
    const killedAt = performance.now()
    instance(0).process.child.kill('SIGKILL')
    await instance(0).process.exited()
    for (const watch of watches) await expect.poll(() => watch.present(topic).size, SOON).toBe(1)
    const tookMs = performance.now() - killedAt
    expect(tookMs).toBeGreaterThan((LEASE_MS * 2) / 3 - 200)
    expect(tookMs).toBeLessThan(LEASE_MS + 1_000)
    await delay(LEASE_MS / 2) // nobody announces it again
    for (const watch of watches) {
      const leaves = count(watch, 'LEAVE')
      expect(names.filter((name) => leaves.get(name) !== 1)).toEqual([])
      expect(leaves.size).toBe(1_000)
      expect(watch.events.filter(({ type }) => type === 'SYNC')).toHaveLength(1)
    }
    expect(await usersBySync(1, topic)).toBe(1)
    instances[0] = await startInstance(redis.url)
  }, 90_000)

  test('a client that comes back to another instance within the grace causes no event', async () => {
    const topic = `room:${++scopes}`
    await using watcher = watcherOn(2)
    const watch = await watching(watcher, topic)
    let connections = 0
    await using moving = connect('', {
      url: () => instance(connections++ % 2).socketUrl,
      connectionParams: { userId: 'ann', clientId: 'tab' },
      retryAttempts: 10,
      retryWait: () => delay(100),
      shouldRetry: () => true,
    })
    const own = watchPresence(moving, topic, { state: 'here' })
    await expect.poll(() => watch.lines(), SOON).toEqual(['SYNC', 'JOIN ann'])
    const told = ['SYNC ann']
    await expect.poll(() => own.lines(), SOON).toEqual(told)
    for (let moves = 0; moves < 4; moves++) {
      moving.terminate()
      told.push('SYNC ann')
      await expect.poll(() => own.lines(), SOON).toEqual(told)
    }
    await delay(2 * GRACE_MS)
    expect(watch.lines()).toEqual(['SYNC', 'JOIN ann'])
    expect(own.users(topic)).toEqual([['ann', 'here']])
  })

  test('of two tabs on two instances, one may close', async () => {
    const topic = `room:${++scopes}`
    await using watcher = watcherOn(2)
    const watch = await watching(watcher, topic)
    const tab = (index: number) =>
      connect(instance(index).socketUrl, {
        connectionParams: { userId: 'ann', clientId: `tab-${index}` },
      })
    await using first = tab(0)
    await using second = tab(1)
    watchPresence(first, topic, { state: 1 })
    await expect.poll(() => watch.events.length, SOON).toBe(2)
    watchPresence(second, topic, { state: 1 })
    await expect.poll(() => watch.events.length, SOON).toBe(3)
    first.terminate()
    await expect.poll(() => watch.events.length, SOON).toBe(4)
    expect(watch.lines()).toEqual(['SYNC', 'JOIN ann', 'UPDATE ann', 'UPDATE ann'])
    expect(watch.present(topic).get('ann')).toMatchObject({ clientIds: ['tab-1'], state: 1 })
  })

  test('an instance that is frozen beyond its lease brings its members back, and watchers end up right', async () => {
    const topic = `room:${++scopes}`
    await using here = watcherOn(0)
    await using there = watcherOn(1)
    const [inside, outside] = [await watching(here, topic), await watching(there, topic)]
    const names = namesOf(50, 'user')
    await using crowd = await openCrowd({ ...instance(0), topic, userIds: names })
    for (const watch of [inside, outside]) {
      await expect.poll(() => watch.present(topic).size, SOON).toBe(50)
    }
    await delay(LEASE_MS)
    instance(0).process.child.kill('SIGSTOP')
    await expect.poll(() => outside.present(topic).size, SOON).toBe(0)
    await using _moved = await openCrowd({
      ...instance(1),
      topic,
      userIds: names.slice(0, 10),
    })
    for (const socket of crowd.sockets.slice(0, 10)) socket.terminate()
    await expect.poll(() => outside.present(topic).size, SOON).toBe(10)
    instance(0).process.child.kill('SIGCONT')
    for (const watch of [inside, outside]) {
      await expect.poll(() => watch.present(topic).size, SOON).toBe(50)
    }
    await delay(2 * GRACE_MS)
    for (const watch of [inside, outside]) expect(watch.present(topic).size).toBe(50)
    const leaves = count(outside, 'LEAVE')
    expect(names.filter((name) => leaves.get(name) !== 1)).toEqual([])
    expect(await usersBySync(2, topic)).toBe(50)
    expect(inside.lines().filter((line) => line.startsWith('LEAVE'))).toEqual([])
  }, 60_000)

  test('an instance that ends lets its clients move, and those that do not leave once after the grace', async () => {
    const topic = `room:${++scopes}`
    await using watcher = watcherOn(1)
    const watch = await watching(watcher, topic)
    let connections = 0
    await using moving = connect('', {
      url: () => instance(connections++ === 0 ? 2 : 0).socketUrl,
      connectionParams: { userId: 'moves', clientId: 'tab' },
      retryAttempts: 10,
      retryWait: () => delay(100),
    })
    await using staying = connect(instance(2).socketUrl, {
      connectionParams: { userId: 'stays away', clientId: 'tab' },
    })
    watchPresence(moving, topic, {})
    watchPresence(staying, topic, {})
    await expect.poll(() => watch.present(topic).size, SOON).toBe(2)
    await delay(LEASE_MS)
    instance(2).process.child.kill('SIGTERM')
    expect(await instance(2).process.exited()).toBe(0)
    await expect.poll(() => watch.present(topic).size, SOON).toBe(1)
    await delay(LEASE_MS)
    expect(count(watch, 'LEAVE')).toEqual(new Map([['stays away', 1]]))
    expect([...watch.present(topic).keys()]).toEqual(['moves'])
    instances[2] = await startInstance(redis.url)
  }, 60_000)

  test('while Redis is away nobody is declared gone, and watchers get a SYNC when it is back', async () => {
    const topic = `room:${++scopes}`
    await using zero = watcherOn(0)
    await using one = watcherOn(1)
    const watches = [await watching(zero, topic), await watching(one, topic)]
    await using _first = await openCrowd({ ...instance(0), topic, userIds: namesOf(20, 'zero') })
    await using _second = await openCrowd({ ...instance(1), topic, userIds: namesOf(20, 'one') })
    for (const watch of watches) {
      await expect.poll(() => watch.present(topic).size, SOON).toBe(40)
    }
    await redis.kill()
    await using late = await openCrowd({ ...instance(0), topic, userIds: ['late'] })
    await expect.poll(() => watches[0]?.present(topic).size, SOON).toBe(41)
    await delay(LEASE_MS + 1_000)
    await redis.start()
    for (const watch of watches) {
      await expect
        .poll(() => watch.events.filter(({ type }) => type === 'SYNC').length, SOON)
        .toBeGreaterThan(1)
      await expect.poll(() => watch.present(topic).size, SOON).toBe(41)
    }
    await delay(LEASE_MS + 500)
    for (const watch of watches) {
      expect(watch.present(topic).size).toBe(41)
      expect(count(watch, 'LEAVE').size).toBe(0)
      const syncs = watch.events.filter(({ type }) => type === 'SYNC').slice(1)
      expect(syncs.every(({ members }) => members.length >= 40)).toBe(true)
    }
    expect(await usersBySync(2, topic)).toBe(41)
    for (const socket of late.sockets) socket.terminate()
    for (const watch of watches) {
      await expect.poll(() => watch.present(topic).size, SOON).toBe(40)
    }
  }, 60_000)
})

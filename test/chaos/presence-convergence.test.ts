import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { DEFAULT_LIMITS } from '../../src/access/limits.ts'
import { Presence } from '../../src/presence/presence.ts'
import type { PresenceEvent } from '../../src/presence/presence-event.ts'
import type { PresenceSubscription } from '../../src/presence/presence-subscription.ts'
import { RedisPresenceStore } from '../../src/presence/redis-presence-store.ts'
import type { PresenceMember } from '../../src/presence/session.ts'
import { applyPresence, type Present } from '../../src/protocol/presence.ts'
import { parseRedisUrl } from '../../src/redis/redis-address.ts'
import { describeWithRedis, type PrivateRedis, startPrivateRedis } from '../support/redis.ts'
import { viewer as viewerWith } from '../support/viewer.ts'
import { Random } from './checker/random.ts'

const LEASE_MS = 1_000
const GRACE_MS = 100
const TOPICS = ['room:1', 'room:2', 'room:3'] as const
const DEEDS = 1_500
const SOON = { timeout: 15_000, interval: 50 }

/** A watcher that keeps the sets as a client would. */
class Watcher {
  readonly sets = new Map<string, Present<PresenceMember>>()
  readonly subscription: PresenceSubscription

  constructor(subscription: PresenceSubscription) {
    this.subscription = subscription
    void this.#run()
  }

  users(topic: string): readonly string[] {
    const members = [...(this.sets.get(topic)?.values() ?? [])]
    return members.map(({ userId, clientIds }) => `${userId} ${clientIds.join()}`).sort()
  }

  async #run(): Promise<void> {
    for await (const event of this.subscription) this.#apply(event)
  }

  #apply(event: PresenceEvent): void {
    this.sets.set(event.topic, applyPresence(this.sets.get(event.topic) ?? new Map(), event))
  }
}

interface Stay {
  readonly subscription: PresenceSubscription
  readonly line: string
  readonly topic: string
  isLost: boolean
}

/** One instance: what it is asked to do is done at once, whatever Redis does. */
class Instance {
  readonly presence: Presence
  readonly stays = new Set<Stay>()
  readonly watchers: Watcher[] = []

  constructor(url: string) {
    const address = parseRedisUrl(url)
    if (address === undefined) throw new Error('The URL leads to no Redis.')
    this.presence = new Presence({
      store: new RedisPresenceStore({ address, leaseMs: LEASE_MS, onFault: () => {} }),
      limits: DEFAULT_LIMITS,
      bounds: { graceMs: GRACE_MS, leaseMs: LEASE_MS, windowMs: 10 },
    })
  }

  async watch(): Promise<void> {
    for (const topics of [[...TOPICS], ['room:*']]) {
      this.watchers.push(new Watcher(await this.presence.open({ topics }, viewer('watcher', 'w'))))
    }
  }

  async enter(topic: string, userId: string, clientId: string, operationId: string): Promise<void> {
    const flags = { isLost: false }
    const connection = { id: clientId, operationId, isLost: () => flags.isLost }
    const subscription = await this.presence.open(
      { topics: [topic], enter: {} },
      viewer(userId, clientId),
      connection,
    )
    const stay = Object.assign(flags, { subscription, topic, line: `${userId} ${clientId}` })
    for (const other of this.stays) {
      // The same operation of the same client: it has moved to a newer connection.
      if (other.topic === topic && other.line === stay.line) this.stays.delete(other)
    }
    this.stays.add(stay)
  }
}

function viewer(userId: string, clientId: string) {
  return viewerWith({ kind: 'user', userId, clientId })
}

describeWithRedis('whatever happens to Redis and to instances', () => {
  test.each([1, 2, 3])(
    'all watchers end with those who are there (seed %i)',
    async (seed) => {
      const random = new Random(seed)
      await using redis = await startPrivateRedis()
      const instances = [0, 1, 2].map(() => new Instance(redis.url))
      await Promise.all(instances.map((instance) => instance.watch()))
      let clients = 0
      let fault: Promise<void> | undefined
      for (let deed = 0; deed < DEEDS; deed++) {
        const index = random.below(instances.length)
        const instance = instances[index]
        if (instance === undefined) continue
        if (random.below(100) < 55) {
          const topic = TOPICS[random.below(TOPICS.length)] ?? TOPICS[0]
          // Each client is its own: two that are one would be one seat.
          const client = `client-${++clients}`
          await instance.enter(topic, `user-${random.below(20)}`, client, 'op')
        } else {
          const [stay] = [...instance.stays].slice(random.below(instance.stays.size || 1))
          if (stay !== undefined) {
            stay.isLost = random.below(2) === 0
            stay.subscription.close()
            instance.stays.delete(stay)
          }
        }
        if (deed % 150 === 149 && fault === undefined) {
          fault = inflict(random, { redis, instances, index }).finally(() => {
            fault = undefined
          })
        }
        if (deed % 5 === 0) await delay(2)
      }
      await fault
      await delay(2 * LEASE_MS)
      for (const topic of TOPICS) {
        const expected = linesOf(instances, topic)
        for (const { watchers } of instances) {
          for (const watcher of watchers) {
            await expect.poll(() => watcher.users(topic), SOON).toEqual(expected)
          }
        }
      }
      for (const { presence } of instances) await presence.close()
    },
    90_000,
  )
})

/** Everyone who is in a topic, each user with all clients. */
function linesOf(instances: readonly Instance[], topic: string): readonly string[] {
  const users = new Map<string, string[]>()
  for (const { stays } of instances) {
    for (const stay of stays) {
      if (stay.topic !== topic) continue
      const [userId = '', clientId = ''] = stay.line.split(' ')
      users.set(userId, [...(users.get(userId) ?? []), clientId])
    }
  }
  return [...users].map(([userId, ids]) => `${userId} ${ids.sort().join()}`).sort()
}

interface Scene {
  readonly redis: PrivateRedis
  readonly instances: Instance[]
  /** Of an instance. */
  readonly index: number
}

async function inflict(random: Random, { redis, instances, index }: Scene): Promise<void> {
  switch (random.below(5)) {
    case 0:
      return redis.killSubscribers()
    case 1:
      await redis.call('FLUSHALL')
      return
    case 2:
      await redis.kill()
      await delay(random.below(800))
      return redis.start()
    case 3:
      await redis.call('CLIENT', 'KILL', 'TYPE', 'normal')
      return
    default: {
      // It is gone, and what it had with it; another one takes its place.
      const [old] = instances.splice(index, 1)
      await old?.presence.close()
      const next = new Instance(redis.url)
      await next.watch()
      instances.push(next)
    }
  }
}

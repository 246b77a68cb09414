import { afterAll, beforeAll, expect, test } from 'vitest'
import { RedisBus } from '../../src/bus/redis-bus.ts'
import { parseRedisUrl, type RedisAddress } from '../../src/redis/redis-address.ts'
import { openBusPair } from '../support/bus-pair.ts'
import { describeWithRedis } from '../support/redis.ts'
import { type PrivateRedisSentinels, startRedisSentinels } from '../support/redis-sentinel.ts'
import { type BusUnderTest, describeBus, describeBusOfInstances } from './bus.ts'

/** Sentinels take seconds to agree. */
const PATIENCE = { timeout: 20_000 }

describeWithRedis('the bus over Redis Sentinel', () => {
  let redis: PrivateRedisSentinels
  const opened: RedisBus[] = []

  beforeAll(async () => {
    redis = await startRedisSentinels()
  })
  afterAll(async () => {
    await Promise.all(opened.map((bus) => bus.close()))
    await redis[Symbol.asyncDispose]()
  })

  async function open(): Promise<BusUnderTest> {
    const faults: unknown[] = []
    const address = addressOf(redis)
    const bus = new RedisBus({ address, onFault: (fault) => faults.push(fault) })
    opened.push(bus)
    await expect.poll(() => bus.isConnected, PATIENCE).toBe(true)
    return { bus, faults }
  }

  async function cut(): Promise<void> {
    await redis.master.killSubscribers()
  }

  describeBus(open)
  describeBusOfInstances({ open, cut })
})

describeWithRedis('the bus while Sentinels change the master', () => {
  test('follows to the new master, and tells of a gap, when the old one dies', async () => {
    await using redis = await startRedisSentinels()
    await using pair = await openBusPair(addressOf(redis))
    await redis.master.kill()
    await expect.poll(() => pair.gaps(), PATIENCE).toBeGreaterThan(0)
    expect(await redis.replica.hasSubscribers()).toBe(true)
    await pair.expectMessages()
    expect(pair.faults[0]).toMatchObject({ code: 'SERVICE_UNAVAILABLE' })
  })

  test('follows when the master is changed by hand, and when a Sentinel is away', async () => {
    await using redis = await startRedisSentinels()
    await using pair = await openBusPair(addressOf(redis))
    const [first, second] = redis.sentinels
    await first?.kill()
    await second?.call('SENTINEL', 'FAILOVER', 'bells')
    // Clients stay on the old master, which works on, until it is told that it is a replica: 10 seconds.
    await expect.poll(() => pair.gaps(), PATIENCE).toBeGreaterThan(0)
    expect(await redis.replica.hasSubscribers()).toBe(true)
    await pair.expectMessages()
  })
})

function addressOf({ url }: PrivateRedisSentinels): RedisAddress {
  const address = parseRedisUrl(url)
  if (address === undefined) throw new Error(`${url} is not understood.`)
  return address
}

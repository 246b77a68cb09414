import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { MemoryBus } from '../../src/bus/memory-bus.ts'
import { RedisBus } from '../../src/bus/redis-bus.ts'
import type { TopicName } from '../../src/core/topic-name.ts'
import { message } from '../support/messages.ts'
import { describeWithRedis, type PrivateRedis, startPrivateRedis } from '../support/redis.ts'
import { type BusUnderTest, describeBus, describeBusOfInstances } from './bus.ts'

const chat = 'chat:1' as TopicName

describe('the bus in process', () => {
  describeBus(async () => {
    const faults: unknown[] = []
    return { bus: new MemoryBus((fault) => faults.push(fault)), faults }
  })
})

describeWithRedis('the bus over Redis', () => {
  let redis: PrivateRedis
  const opened: RedisBus[] = []

  beforeAll(async () => {
    redis = await startPrivateRedis()
  })
  afterAll(async () => {
    await Promise.all(opened.map((bus) => bus.close()))
    await redis[Symbol.asyncDispose]()
  })

  async function open(): Promise<BusUnderTest> {
    const faults: unknown[] = []
    const bus = new RedisBus({
      address: { kind: 'url', url: redis.url },
      onFault: (fault) => faults.push(fault),
    })
    opened.push(bus)
    await expect.poll(() => bus.isConnected).toBe(true)
    return { bus, faults }
  }

  describeBus(open)

  describeBusOfInstances({ open, cut: () => redis.killSubscribers() })
})

describeWithRedis('the bus while Redis is away', () => {
  test('delivers on the same instance, takes subscribers, and comes back by itself', async () => {
    await using redis = await startPrivateRedis()
    const faults: unknown[] = []
    const openBus = () =>
      new RedisBus({
        address: { kind: 'url', url: redis.url },
        onFault: (fault) => faults.push(fault),
      })
    const [here, there] = [openBus(), openBus()]
    await expect.poll(() => here.isConnected && there.isConnected).toBe(true)
    await redis.kill()
    await expect.poll(() => here.isConnected || there.isConnected).toBe(false)

    const local: (number | null)[] = []
    await here.subscribe(chat, ({ sequence }) => local.push(sequence))
    here.publish([message({ sequence: 1 })])
    expect(local).toEqual([1])
    const remote: (number | null)[] = []
    await there.subscribe(chat, ({ sequence }) => remote.push(sequence))
    let gaps = 0
    there.onGap(() => gaps++)

    await redis.start()
    await expect.poll(() => gaps, { timeout: 10_000 }).toBeGreaterThan(0)
    await expect.poll(() => here.isConnected, { timeout: 10_000 }).toBe(true)
    here.publish([message({ sequence: 2 })])
    await expect.poll(() => remote).toEqual([2])
    expect(faults.length).toBeGreaterThan(0)
    await Promise.all([here.close(), there.close()])
  })
})

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { MemoryBus } from '../../src/bus/memory-bus.ts'
import { RedisBus } from '../../src/bus/redis-bus.ts'
import type { AnyMessage } from '../../src/core/message.ts'
import type { TopicName } from '../../src/core/topic-name.ts'
import { message } from '../support/messages.ts'
import { describeWithRedis, type PrivateRedis, startPrivateRedis } from '../support/redis.ts'
import { type BusUnderTest, describeBus } from './bus.ts'

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

  async function open(): Promise<BusUnderTest & { readonly bus: RedisBus }> {
    const faults: unknown[] = []
    const bus = new RedisBus({ url: redis.url, onFault: (fault) => faults.push(fault) })
    opened.push(bus)
    await expect.poll(() => bus.isConnected).toBe(true)
    return { bus, faults }
  }

  describeBus(open)

  test('carries messages to other instances, in order and to the byte, and back to none', async () => {
    const [here, there] = [await open(), await open()]
    const local: AnyMessage[] = []
    const remote: AnyMessage[] = []
    await here.bus.subscribe(chat, (received) => local.push(received))
    await there.bus.subscribe(chat, (received) => remote.push(received))
    const sent = Array.from({ length: 200 }, (_, n) =>
      message({ sequence: n + 1, payload: JSON.stringify(`\u0000\n\ud800 é ${n}`) }),
    )
    here.bus.publish(sent)
    await expect.poll(() => remote.length).toBe(200)
    expect(remote.map((received) => received.toJSON())).toEqual(sent.map((one) => one.toJSON()))
    expect(remote.map(({ payloadText }) => payloadText)).toEqual(
      sent.map(({ payloadText }) => payloadText),
    )
    there.bus.publish([message({ sequence: 201 })])
    await expect.poll(() => local.length).toBe(201)
    expect(local.slice(0, 200)).toEqual(sent)
  })

  test('listens again to a topic that was left a moment ago', async () => {
    const [here, there] = [await open(), await open()]
    for (let round = 1; round <= 20; round++) {
      const received: (number | null)[] = []
      const leaving = await there.bus.subscribe(chat, () => undefined)
      leaving.unsubscribe()
      const subscription = await there.bus.subscribe(chat, ({ sequence }) =>
        received.push(sequence),
      )
      here.bus.publish([message({ sequence: round })])
      await expect.poll(() => received).toEqual([round])
      subscription.unsubscribe()
    }
  })

  test('tells of a gap once a connection that was cut is listening again', async () => {
    const [here, there] = [await open(), await open()]
    const received: (number | null)[] = []
    await there.bus.subscribe(chat, ({ sequence }) => received.push(sequence))
    let gaps = 0
    there.bus.onGap(() => gaps++)
    await redis.killSubscribers()
    await expect.poll(() => gaps).toBe(1)
    here.bus.publish([message({ sequence: 1 })])
    await expect.poll(() => received).toEqual([1])
  })
})

describeWithRedis('the bus while Redis is away', () => {
  test('delivers on the same instance, takes subscribers, and comes back by itself', async () => {
    await using redis = await startPrivateRedis()
    const faults: unknown[] = []
    const openBus = () => new RedisBus({ url: redis.url, onFault: (fault) => faults.push(fault) })
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

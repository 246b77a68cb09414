import { afterAll, beforeAll, expect, test } from 'vitest'
import { RedisBus } from '../../src/bus/redis-bus.ts'
import { parseRedisUrl, type RedisAddress } from '../../src/redis/redis-address.ts'
import { openBusPair } from '../support/bus-pair.ts'
import { describeWithRedis } from '../support/redis.ts'
import { type PrivateRedisCluster, startRedisCluster } from '../support/redis-cluster.ts'
import { type BusUnderTest, describeBus, describeBusOfInstances } from './bus.ts'

/** A Cluster takes seconds to agree. */
const PATIENCE = { timeout: 20_000 }

describeWithRedis('the bus over a Redis Cluster', () => {
  let cluster: PrivateRedisCluster
  const opened: RedisBus[] = []

  beforeAll(async () => {
    cluster = await startRedisCluster()
  })
  afterAll(async () => {
    await Promise.all(opened.map((bus) => bus.close()))
    await cluster[Symbol.asyncDispose]()
  })

  async function open(): Promise<BusUnderTest> {
    const faults: unknown[] = []
    const address = addressOf(cluster)
    const bus = new RedisBus({ address, onFault: (fault) => faults.push(fault) })
    opened.push(bus)
    await expect.poll(() => bus.isConnected, PATIENCE).toBe(true)
    return { bus, faults }
  }

  async function cut(): Promise<void> {
    await Promise.all(cluster.nodes.map((node) => node.killSubscribers()))
  }

  describeBus(open)
  describeBusOfInstances({ open, cut })
})

describeWithRedis('the bus while a Redis Cluster changes', () => {
  test('listens on another node, and tells of a gap, when the node it listened on dies', async () => {
    await using cluster = await startRedisCluster()
    await using pair = await openBusPair(addressOf(cluster))
    const node = await cluster.nodeWithSubscriber()
    await node.kill()
    await expect.poll(() => pair.gaps(), PATIENCE).toBeGreaterThan(0)
    await pair.expectMessages()
    expect(pair.faults[0]).toMatchObject({ code: 'SERVICE_UNAVAILABLE' })
  })

  test('leaves a node that was taken out of the Cluster, though it still answers', async () => {
    await using cluster = await startRedisCluster()
    const { nodes, password } = cluster
    const address: RedisAddress = {
      kind: 'cluster',
      nodes: nodes.map(({ port }) => ({ host: '127.0.0.1', port })),
      options: { slotsRefreshInterval: 200, redisOptions: { password } },
    }
    await using pair = await openBusPair(address)
    await cluster.remove(await cluster.nodeWithSubscriber())
    await expect.poll(() => pair.gaps(), PATIENCE).toBeGreaterThan(0)
    await pair.expectMessages()
  })

  test('comes back by itself after all nodes were away', async () => {
    await using cluster = await startRedisCluster()
    await using pair = await openBusPair(addressOf(cluster))
    await Promise.all(cluster.nodes.map((node) => node.kill()))
    await expect.poll(() => pair.isConnected(), PATIENCE).toBe(false)
    await Promise.all(cluster.nodes.map((node) => node.start()))
    await expect.poll(() => cluster.isWhole(), PATIENCE).toBe(true)
    await expect.poll(() => pair.gaps(), PATIENCE).toBeGreaterThan(0)
    await pair.expectMessages()
  })

  test('connects to a Cluster that was away at the start, and closes while it still is', async () => {
    await using cluster = await startRedisCluster()
    await Promise.all(cluster.nodes.map((node) => node.kill()))
    const faults: unknown[] = []
    const openBus = () =>
      new RedisBus({ address: addressOf(cluster), onFault: (fault) => faults.push(fault) })
    const [patient, impatient] = [openBus(), openBus()]
    await expect.poll(() => faults.length, PATIENCE).toBe(2)
    await impatient.close()
    await Promise.all(cluster.nodes.map((node) => node.start()))
    await expect.poll(() => patient.isConnected, PATIENCE).toBe(true)
    await patient.close()
  })
})

function addressOf({ url }: PrivateRedisCluster): RedisAddress {
  const address = parseRedisUrl(url)
  if (address === undefined) throw new Error(`${url} is not understood.`)
  return address
}

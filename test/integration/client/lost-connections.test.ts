import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { openNetwork } from '../../chaos/checker/network.ts'
import { startServer, type TestServer } from '../../support/carillon.ts'
import { openClient, SOON, upTo, watchStates } from '../../support/client.ts'
import { createDatabase, describeWithPostgresql } from '../../support/postgresql.ts'
import { describeWithRedis, startPrivateRedis } from '../../support/redis.ts'
import { openTcpProxy } from '../../support/tcp-proxy.ts'

const SLOW = { timeout: 180_000 }

function portOf({ url }: TestServer): number {
  return Number(new URL(url).port)
}

/** Two instances on one database, and a network in front of them that leads to either. */
async function startPair() {
  const database = await createDatabase()
  const redis = await startPrivateRedis()
  const options = { databaseUrl: database.url, redisUrl: redis.url }
  const one = await startServer(options)
  const other = await startServer(options)
  const proxy = await openTcpProxy(portOf(one))
  return {
    servers: [one, other] as const,
    proxy,
    url: `http://127.0.0.1:${proxy.port}/graphql`,
    /** The next connection is to the other instance. */
    cutOver(n: number) {
      proxy.leadTo(portOf(n % 2 === 0 ? one : other))
      proxy.cut()
    },
    async [Symbol.asyncDispose]() {
      await proxy[Symbol.asyncDispose]()
      await one[Symbol.asyncDispose]()
      await other[Symbol.asyncDispose]()
      await redis[Symbol.asyncDispose]()
      await database[Symbol.asyncDispose]()
    },
  }
}

describeWithPostgresql('Two instances behind a network that fails', () => {
  describeWithRedis('with Redis between them', () => {
    test(
      '10,000 messages and 100 cuts: a handler sees 1 to N, once and in order',
      SLOW,
      async () => {
        await using pair = await startPair()
        await using carillon = openClient(pair.url)
        const states = watchStates(carillon)
        const room = carillon.topic<number>('chat:1')
        const seen: unknown[] = []
        const slow: unknown[] = []
        room.subscribe(({ sequence }) => void seen.push(sequence))
        room.subscribe(async ({ sequence }) => {
          slow.push(sequence)
          await null
        })
        await expect.poll(() => carillon.state, SOON).toBe('live')
        const [one, other] = pair.servers
        for (let n = 0; n < 100; n++) {
          const server = n % 2 === 0 ? one : other
          const inputs = upTo(n * 100 + 100, n * 100 + 1).map((payload) => ({
            topic: 'chat:1',
            payload,
          }))
          await server.carillon.publishMany(inputs)
          await expect.poll(() => pair.proxy.accepted, SOON).toBeGreaterThan(n)
          await delay(Math.random() * 30) // so that cuts come at any moment of a connection
          pair.cutOver(n + 1)
        }
        await expect.poll(() => seen.length, { timeout: 60_000 }).toBe(10_000)
        await expect.poll(() => slow.length, SOON).toBe(10_000)
        expect(seen).toEqual(upTo(10_000))
        expect(slow).toEqual(upTo(10_000))
        expect(pair.proxy.accepted).toBeGreaterThan(100)
        expect(states).toContain('offline: NETWORK_ERROR')
        await expect.poll(() => carillon.state, SOON).toBe('live')
      },
    )

    test(
      'what is published through cuts is stored once, in order, and each promise has its message',
      SLOW,
      async () => {
        await using pair = await startPair()
        await using carillon = openClient(pair.url, { timeout: 60_000 })
        const room = carillon.topic<number>('chat:1')
        await room.publish(1)
        const publishing = upTo(1_000, 2).map(async (payload) => {
          if (payload % 10 === 0) await delay(payload)
          return room.publish(payload)
        })
        let isOver = false
        const cutting = (async () => {
          for (let n = 0; !isOver; n++) {
            await delay(20 + Math.random() * 30)
            pair.cutOver(n)
          }
        })()
        const published = await Promise.all(publishing)
        isOver = true
        await cutting
        const stored: unknown[] = []
        for await (const { payload, sequence } of room.replay({ pageSize: 1_000 })) {
          stored.push(payload)
          expect(sequence).toBe(stored.length)
        }
        expect([...stored].sort((a, b) => Number(a) - Number(b))).toEqual(upTo(1_000))
        const atOnce = stored.filter((payload) => Number(payload) % 10 !== 0)
        expect(atOnce).toEqual(upTo(1_000).filter((payload) => payload % 10 !== 0))
        for (const { sequence, payload } of published) {
          expect(stored[Number(sequence) - 1]).toBe(payload)
        }
      },
    )
  })
})

test('a connection that is dead without knowing is found by pings, and replaced', async () => {
  await using server = await startServer()
  await using network = await openNetwork(portOf(server))
  const url = `http://127.0.0.1:${network.port}/graphql`
  await using carillon = openClient(url, { keepAlive: 60, keepAliveTimeout: 60 })
  const states = watchStates(carillon)
  const seen: unknown[] = []
  carillon.topic('chat:1').subscribe(({ payload }) => void seen.push(payload))
  await expect.poll(() => carillon.state, SOON).toBe('live')
  network.halfOpen()
  await server.carillon.publish({ topic: 'chat:1', payload: 'in the dark' })
  await expect.poll(() => seen, SOON).toEqual(['in the dark'])
  expect(states).toEqual([
    'connecting',
    'live',
    'offline: NETWORK_ERROR',
    'resuming: NETWORK_ERROR',
    'live',
  ])
})

test('a connection that stalls is given up, and what was sent over it comes once', async () => {
  await using server = await startServer()
  await using network = await openNetwork(portOf(server))
  const url = `http://127.0.0.1:${network.port}/graphql`
  await using carillon = openClient(url, {
    keepAlive: 60,
    keepAliveTimeout: 60,
    connectTimeout: 200,
  })
  const room = carillon.topic('chat:1')
  const seen: unknown[] = []
  room.subscribe(({ sequence }) => void seen.push(sequence))
  await expect.poll(() => carillon.state, SOON).toBe('live')
  network.stall()
  const publishing = room.publish('sent into the stall')
  for (let n = 0; n < 5; n++) await server.carillon.publish({ topic: 'chat:1', payload: n })
  await expect.poll(() => carillon.state, SOON).not.toBe('live')
  network.flow()
  expect(await publishing).toMatchObject({ sequence: 6, payload: 'sent into the stall' })
  await expect.poll(() => seen, SOON).toEqual(upTo(6))
})

test('a server that was never there is tried until it is', async () => {
  await using server = await startServer()
  await using proxy = await openTcpProxy(1)
  await using carillon = openClient(`http://127.0.0.1:${proxy.port}/graphql`)
  const publishing = carillon.topic('chat:1').publish('early')
  await expect.poll(() => carillon.state, SOON).toBe('offline')
  proxy.leadTo(portOf(server))
  expect(await publishing).toMatchObject({ sequence: 1 })
  expect(carillon.reason).toBeUndefined()
})

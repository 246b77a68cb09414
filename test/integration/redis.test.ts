import { createCarillon, type Logger } from 'carillon'
import { expect, test } from 'vitest'
import { startServer } from '../support/carillon.ts'
import { describeWithRedis, startPrivateRedis } from '../support/redis.ts'

/** A logger that remembers what operators are told. */
function listen(): { readonly logger: Logger; readonly lines: readonly string[] } {
  const lines: string[] = []
  const write = (_fields: object, message: string) => lines.push(message)
  return { logger: { debug: () => {}, info: () => {}, warn: write, error: write }, lines }
}

test('does not start with an address of Redis that is none, or with two', async () => {
  const redisUrl = 'redis-cluster://'
  await expect(createCarillon({ redisUrl })).rejects.toThrow(/^redisUrl has to be a URL such as /)
  const two = { redisUrl: 'redis://127.0.0.1', redis: { host: '127.0.0.1' } }
  await expect(createCarillon(two)).rejects.toThrow('Give redisUrl or redis, not both.')
})

describeWithRedis('a server with Redis', () => {
  test('is degraded while Redis is away, goes on, and says so once', async () => {
    await using redis = await startPrivateRedis()
    const { logger, lines } = listen()
    await using server = await startServer({ redisUrl: redis.url, logger })
    const { carillon, url } = server
    const readiness = async () => {
      const response = await fetch(url.replace('/graphql', '/health/ready'))
      const { status } = (await response.json()) as { status: string }
      return `${response.status} ${status}`
    }
    await expect.poll(readiness).toBe('200 ok')
    const live = await carillon.subscribe({ topics: ['chat:1'] })

    await redis.kill()
    await expect.poll(readiness).toBe('200 degraded')
    for (let n = 1; n <= 50; n++) await carillon.publish({ topic: 'chat:1', payload: n })
    for (let n = 1; n <= 50; n++) expect((await live.next()).value?.payload).toBe(n)
    expect(lines).toEqual(['Redis is away for the moment.'])

    await redis.start()
    await expect.poll(readiness, { timeout: 10_000 }).toBe('200 ok')
  })

  test('says nothing when it closes', async () => {
    await using redis = await startPrivateRedis()
    const { logger, lines } = listen()
    const server = await startServer({ redisUrl: redis.url, logger })
    await expect.poll(() => server.carillon.health()).toMatchObject({ status: 'ok' })
    await server.carillon.subscribe({ topics: ['a', 'b', 'c'] })
    await server[Symbol.asyncDispose]()
    expect(lines).toEqual([])
  })
})

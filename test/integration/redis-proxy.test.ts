import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { Redis } from 'ioredis'
import { expect, test } from 'vitest'
import { describeWithRedis, startPrivateRedis } from '../support/redis.ts'
import { startRedisProxy } from '../support/redis-proxy.ts'
import { RespCommands } from '../support/resp-commands.ts'

function encode(strings: readonly Buffer[]): Buffer {
  const bulks = strings.flatMap((one) => [`$${one.length}\r\n`, one, '\r\n'])
  return Buffer.concat([`*${strings.length}\r\n`, ...bulks].map((part) => Buffer.from(part)))
}

/** Bytes that look like the protocol itself come often. */
const argument = fc
  .array(fc.constantFrom('\r\n', '$3\r\n', '*1\r\n', '\r', '\0', 'é', 'PUBLISH'), { maxLength: 5 })
  .map((parts) => Buffer.from(parts.join('')))

test('reads commands of any bytes, however they are cut into chunks', () => {
  const commands = fc.array(fc.array(argument, { minLength: 1, maxLength: 4 }), { maxLength: 8 })
  const sizes = fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1 })
  fc.assert(
    fc.property(commands, sizes, (sent, chunkSizes) => {
      const bytes = Buffer.concat(sent.map(encode))
      const reader = new RespCommands()
      const got = []
      for (let at = 0, n = 0; at < bytes.length; n++) {
        const size = chunkSizes[n % chunkSizes.length] ?? 1
        got.push(...reader.push(bytes.subarray(at, at + size)))
        at += size
      }
      expect(got.map(({ bytes: own }) => own)).toEqual(sent.map(encode))
      expect(got.map(({ key }) => key)).toEqual(sent.map(([, key]) => String(key ?? '')))
    }),
  )
})

describeWithRedis('the proxy in front of Redis', () => {
  test('loses the messages it is told to, and every answer stays with its command', async () => {
    await using redis = await startPrivateRedis()
    await using proxy = await startRedisProxy(redis.url)
    proxy.dropPublish = (channel, n) => channel === 'lossy' && n % 3 === 0
    const subscriber = new Redis(proxy.url)
    const publisher = new Redis(proxy.url)
    try {
      const got: Buffer[] = []
      subscriber.on('messageBuffer', (_channel, message: Buffer) => got.push(message))
      await subscriber.subscribe('lossy')
      const sent = Array.from({ length: 30 }, (_, n) =>
        Buffer.concat([Buffer.from(`${n}\r\n*3\r\n`), randomBytes(n * 5_000)]),
      )
      const answers = await Promise.all(
        sent.flatMap((message, n) => [publisher.publish('lossy', message), publisher.echo(`${n}`)]),
      )
      const kept = sent.filter((_, n) => n % 3 !== 2)
      await expect.poll(() => got.length, { timeout: 10_000 }).toBe(kept.length)
      expect(got.every((message, n) => kept[n]?.equals(message))).toBe(true)
      expect(answers).toEqual(sent.flatMap((_, n) => [n % 3 === 2 ? 0 : 1, `${n}`]))
      expect(proxy.dropped).toBe(10)
    } finally {
      subscriber.disconnect()
      publisher.disconnect()
    }
  })
})

import { once } from 'node:events'
import { expect, test } from 'vitest'
import { request } from '../support/carillon.ts'
import {
  describeWithPrivatePostgresql,
  startPrivatePostgresql,
} from '../support/private-postgresql.ts'
import { spawnCli } from '../support/process.ts'
import { describeWithRedis, startPrivateRedis } from '../support/redis.ts'
import { openAcknowledged } from '../support/websocket.ts'

const PUBLISH = 'mutation { publish(input: {topic: "chat:1", payload: 1}) { duplicate } }'

/** The exit code, and how long it took to come. */
async function terminate(server: ReturnType<typeof spawnCli>) {
  const began = performance.now()
  server.child.kill('SIGTERM')
  const code = await server.exited()
  return { code, tookMs: performance.now() - began }
}

describeWithPrivatePostgresql('on SIGTERM', () => {
  describeWithRedis('whatever does not answer', () => {
    test('exits with 0 within 10 s while PostgreSQL is frozen and publishes wait for it', async () => {
      await using postgresql = await startPrivatePostgresql()
      await using redis = await startPrivateRedis()
      await using server = spawnCli(['serve'], {
        DATABASE_URL: postgresql.url,
        REDIS_URL: redis.url,
      })
      const url = await server.ready()
      await request(url, PUBLISH)
      await using raw = await openAcknowledged(url.replace('http', 'ws'))
      postgresql.freeze()
      for (let id = 1; id <= 10; id++) {
        raw.send({ id: String(id), type: 'subscribe', payload: { query: PUBLISH } })
      }
      const overHttp = request(url, PUBLISH).catch(() => undefined)
      raw.send({ type: 'ping' })
      await once(raw.socket, 'message')
      const { code, tookMs } = await terminate(server)
      await overHttp
      expect(code).toBe(0)
      expect(tookMs).toBeLessThan(10_000)
    }, 60_000)

    test('exits with 0 within 10 s while a client does not read', async () => {
      await using postgresql = await startPrivatePostgresql()
      await using server = spawnCli(['serve'], { DATABASE_URL: postgresql.url })
      const url = await server.ready()
      await using raw = await openAcknowledged(url.replace('http', 'ws'))
      raw.send({
        id: 'live',
        type: 'subscribe',
        payload: { query: 'subscription { messages(topics: "chat:1") { payload } }' },
      })
      raw.send({ type: 'ping' })
      await raw.receive()
      raw.socket.pause()
      const payload = 'x'.repeat(30_000)
      const query = `mutation ($payload: JSON!) {
        publish(input: {topic: "chat:1", payload: $payload}) { duplicate }
      }`
      for (let n = 0; n < 300; n++) await request(url, query, { payload })
      const { code, tookMs } = await terminate(server)
      expect(code).toBe(0)
      expect(tookMs).toBeLessThan(10_000)
    }, 60_000)
  })
})

import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { startServer } from '../support/carillon.ts'
import { gate, Handled } from '../support/handled.ts'
import {
  describeWithPrivatePostgresql,
  type PrivatePostgresql,
  startPrivatePostgresql,
} from '../support/private-postgresql.ts'
import { rejection } from '../support/rejection.ts'
import { connect } from '../support/websocket.ts'

async function isReady(url: string): Promise<number> {
  return (await fetch(url.replace('/graphql', '/health/ready'))).status
}

/** Ways in which a database goes away and comes back. */
const AWAY: readonly {
  readonly how: string
  readonly leave: (postgresql: PrivatePostgresql) => Promise<void>
  readonly comeBack: (postgresql: PrivatePostgresql) => Promise<void>
}[] = [
  {
    how: 'killed',
    leave: (postgresql) => postgresql.kill(),
    comeBack: (postgresql) => postgresql.start(),
  },
  {
    how: 'frozen',
    leave: async (postgresql) => postgresql.freeze(),
    comeBack: async (postgresql) => postgresql.thaw(),
  },
]

describeWithPrivatePostgresql('while PostgreSQL is away', () => {
  test.each(AWAY)(
    '($how) publishing is refused within 5 s, and all comes back by itself',
    async ({ leave, comeBack }) => {
      await using postgresql = await startPrivatePostgresql()
      await using server = await startServer({ databaseUrl: postgresql.url })
      const { carillon, url } = server
      const live = await carillon.subscribe({ topics: ['chat:1'] })
      await carillon.publish({ topic: 'chat:1', payload: 'before' })
      expect(await isReady(url)).toBe(200)

      await leave(postgresql)
      const began = performance.now()
      const refused = await Promise.all(
        Array.from({ length: 50 }, () =>
          rejection(carillon.publish({ topic: 'chat:1', payload: 'lost', idempotencyKey: 'k' })),
        ),
      )
      expect(performance.now() - began).toBeLessThan(5_000)
      for (const error of refused) {
        expect(error).toMatchObject({ code: 'SERVICE_UNAVAILABLE', retryable: true })
      }
      expect(await isReady(url)).toBe(503)
      expect((await fetch(url.replace('/graphql', '/health/live'))).status).toBe(200)

      await comeBack(postgresql)
      await expect.poll(() => isReady(url), { timeout: 15_000 }).toBe(200)
      const { duplicate } = await carillon.publish({
        topic: 'chat:1',
        payload: 'lost',
        idempotencyKey: 'k',
      })
      const page = await carillon.messages({ topic: 'chat:1' })
      const payloads = page.messages.map(({ payload }) => payload)
      // A refused publish may have been committed; the retry with its key finds out.
      expect(payloads).toEqual(['before', 'lost'])
      expect(typeof duplicate).toBe('boolean')
      expect((await live.next()).value?.payload).toBe('before')
      expect((await live.next()).value?.payload).toBe('lost')
    },
    60_000,
  )

  test('subscriptions over a WebSocket wait for it, with a name or without, and then get all', async () => {
    await using postgresql = await startPrivatePostgresql()
    await using server = await startServer({ databaseUrl: postgresql.url })
    const { message } = await server.carillon.publish({ topic: 'chat:1', payload: 1 })
    await server.carillon.publish({ topic: 'chat:1', payload: 2 })
    await postgresql.kill()
    const query = `
      subscription ($after: [Cursor!]) { messages(topics: "chat:1", after: $after) { payload } }`
    const got: unknown[][] = []
    await using unnamed = connect(server.socketUrl)
    await using named = connect(server.socketUrl, { connectionParams: { clientId: 'tab' } })
    for (const client of [unnamed, named]) {
      const mine: unknown[] = []
      got.push(mine)
      client.subscribe<{ messages: { payload: unknown } }>(
        { query, variables: { after: [message.cursor] } },
        {
          next: (result) => mine.push(result.data?.messages.payload ?? result.errors),
          error: (error) => mine.push(error),
          complete: () => mine.push('complete'),
        },
      )
    }
    await delay(1_000)
    expect(got).toEqual([[], []])
    await postgresql.start()
    await expect.poll(() => got, { timeout: 15_000 }).toEqual([[2], [2]])
    await expect
      .poll(
        () =>
          server.carillon.publish({ topic: 'chat:1', payload: 3 }).then(
            () => true,
            () => false,
          ),
        { timeout: 15_000 },
      )
      .toBe(true)
    await expect
      .poll(() => got, { timeout: 15_000 })
      .toEqual([
        [2, 3],
        [2, 3],
      ])
  }, 60_000)

  test('the queue of publishes is bounded, and refuses at once what is too much', async () => {
    await using postgresql = await startPrivatePostgresql()
    await using server = await startServer({
      databaseUrl: postgresql.url,
      publishQueue: { maxQueuedPublishes: 100 },
    })
    const { carillon } = server
    await carillon.publish({ topic: 'chat:1', payload: 0 })
    postgresql.freeze()
    const outcomes: string[] = []
    const publishing = Array.from({ length: 1_000 }, async () => {
      const began = performance.now()
      const error = await rejection(carillon.publish({ topic: 'chat:1', payload: 1 }))
      expect(error).toMatchObject({ code: 'SERVICE_UNAVAILABLE', retryable: true })
      outcomes.push(performance.now() - began < 1_000 ? 'at once' : 'in time')
    })
    await Promise.all(publishing)
    expect(outcomes.filter((outcome) => outcome === 'at once')).toHaveLength(900)
    postgresql.thaw()
    await expect
      .poll(
        () => carillon.publish({ topic: 'chat:1', payload: 2 }).then(() => 'published', String),
        {
          timeout: 15_000,
        },
      )
      .toBe('published')
  }, 60_000)
})

describeWithPrivatePostgresql('a consumer while PostgreSQL is away', () => {
  test.each(AWAY)(
    '($how) waits, and goes on in order',
    async ({ leave, comeBack }) => {
      await using postgresql = await startPrivatePostgresql()
      await using server = await startServer({ databaseUrl: postgresql.url })
      const { carillon } = server
      const topic = 'work:1'
      const payloads = Array.from({ length: 40 }, (_, n) => n + 1)
      await carillon.publishMany(payloads.map((payload) => ({ topic, payload })))
      const handled = new Handled()
      const [begun, goOn] = [gate(), gate()]
      const consumption = await carillon.consume({
        topics: ['work:*'],
        consumer: 'worker',
        batchSize: 10,
        handler: async (message) => {
          if (message.sequence === 15) begun.open()
          if (message.sequence === 15) await goOn.opened
          handled.add(message)
        },
      })
      await begun.opened
      await leave(postgresql)
      goOn.open()
      await handled.atLeast(15)
      await comeBack(postgresql)
      await handled.atLeast(40)
      await expect
        .poll(async () => (await carillon.ack({ topic, consumer: 'worker', sequence: 0 })).acked)
        .toBe(40)
      await consumption.stop()
      // It kept its lease, or took it again: then what was not acknowledged by then came twice.
      expect([...new Set(handled.sequencesOf(topic))]).toEqual(payloads)
      expect(handled.count).toBeLessThanOrEqual(50)
    },
    60_000,
  )
})

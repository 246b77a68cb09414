import { setTimeout as delay } from 'node:timers/promises'
import { CarillonError, type Published } from 'carillon'
import { expect, test } from 'vitest'
import { fieldOf, request, startServer, type TestServer } from '../support/carillon.ts'
import { createDatabase, describeWithPostgresql, execute } from '../support/postgresql.ts'
import {
  describeWithPrivatePostgresql,
  startPrivatePostgresql,
} from '../support/private-postgresql.ts'
import { spawnCli } from '../support/process.ts'
import { rejection } from '../support/rejection.ts'
import { startSwallowingProxy } from '../support/swallowing-proxy.ts'

const PUBLISH = `mutation ($key: String!) {
  publish(input: { topic: "chat:1", payload: "once", idempotencyKey: $key }) {
    duplicate
    message { sequence }
  }
}`

interface Answer {
  readonly duplicate: boolean
  readonly message: { readonly sequence: number }
}

async function publish(url: string): Promise<Answer> {
  return fieldOf<Answer>(await request(url, PUBLISH, { key: 'key' }), 'publish')
}

async function countMessages(url: string): Promise<unknown> {
  const [row] = await execute(url, 'SELECT count(*)::int AS count FROM carillon.messages')
  return row?.count
}

describeWithPostgresql('a retry publishes twice: it does not', () => {
  test('where the server died between its commit and the reply, 100 retries at another find the one message', async () => {
    await using database = await createDatabase()
    const environment = { DATABASE_URL: database.url }
    await using first = spawnCli(['serve'], environment)
    await using second = spawnCli(['serve'], environment)
    const [url, other] = [new URL(await first.ready()), await second.ready()]
    await using proxy = await startSwallowingProxy(Number(url.port))
    url.port = String(proxy.port)

    const swallowed = proxy.swallow()
    const lost = rejection(publish(url.href))
    expect(String(await swallowed)).toContain('"sequence":1')
    first.child.kill('SIGKILL')
    await first.exited()
    await lost

    const answers = await Promise.all(Array.from({ length: 100 }, () => publish(other)))
    const expected = { duplicate: true, message: { sequence: 1 } }
    expect(answers).toEqual(answers.map(() => expected))
    expect(await countMessages(database.url)).toBe(1)
  }, 60_000)

  test('where 100 come at once at two instances, one is published', async () => {
    await using database = await createDatabase()
    await using one = await startServer({ databaseUrl: database.url })
    await using two = await startServer({ databaseUrl: database.url })
    const answers = await Promise.all(
      Array.from({ length: 100 }, (_, n) => publish(n % 2 === 0 ? one.url : two.url)),
    )
    expect(answers.filter(({ duplicate }) => !duplicate)).toHaveLength(1)
    expect(new Set(answers.map(({ message }) => message.sequence))).toEqual(new Set([1]))
    expect(await countMessages(database.url)).toBe(1)
  })
})

describeWithPrivatePostgresql('a retry publishes twice: not while PostgreSQL dies, either', () => {
  const PUBLISHERS = 20
  const EACH = 40

  /** Until it is answered; at the other instance each time. */
  async function publishUntilAnswered(
    servers: readonly TestServer[],
    key: string,
  ): Promise<Published> {
    for (let attempt = 0; ; attempt++) {
      const server = servers[attempt % servers.length] as TestServer
      try {
        const request = { topic: 'chat:1', payload: key, idempotencyKey: key }
        return await server.carillon.publish(request)
      } catch (error) {
        if (!(error instanceof CarillonError && error.retryable)) throw error
        await delay(50)
      }
    }
  }

  test('every key has one message, and every answer names it', async () => {
    await using postgresql = await startPrivatePostgresql()
    const options = { databaseUrl: postgresql.url }
    await using one = await startServer(options)
    await using two = await startServer(options)
    const answers = new Map<string, Published>()
    let restarting: Promise<void> | undefined
    async function restart(): Promise<void> {
      await postgresql.kill()
      await postgresql.start()
    }
    async function publishInTurn(publisher: number): Promise<void> {
      for (let n = 0; n < EACH; n++) {
        const key = `${publisher}:${n}`
        answers.set(key, await publishUntilAnswered([one, two], key))
        if (answers.size === (PUBLISHERS * EACH) / 4) restarting = restart()
      }
    }
    await Promise.all(Array.from({ length: PUBLISHERS }, (_, n) => publishInTurn(n)))
    await restarting
    expect(restarting).toBeDefined()

    const rows = await execute(
      postgresql.url,
      'SELECT idempotency_key AS key, sequence::int FROM carillon.messages ORDER BY sequence',
    )
    expect(rows.map(({ sequence }) => sequence)).toEqual(rows.map((_, n) => n + 1))
    expect(rows).toHaveLength(PUBLISHERS * EACH)
    for (const { key, sequence } of rows) {
      expect(answers.get(String(key))?.message.sequence).toBe(sequence)
    }
  }, 60_000)
})

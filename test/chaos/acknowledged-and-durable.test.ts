import fc from 'fast-check'
import { describe, expect, inject, test } from 'vitest'
import { request } from '../support/carillon.ts'
import { freePort } from '../support/free-port.ts'
import { execute } from '../support/postgresql.ts'
import { startPrivatePostgresql } from '../support/private-postgresql.ts'
import { type CliProcess, spawnCli } from '../support/process.ts'
import { startPrivateRedis } from '../support/redis.ts'

const PARTS = ['server', 'redis', 'postgresql'] as const
type Part = (typeof PARTS)[number]

/** Another order of what dies: set CARILLON_CHAOS_SEED. */
const SEED = Number(process.env.CARILLON_CHAOS_SEED ?? 6)

const TOPICS = ['a', 'b', 'c']
const PUBLISHERS = 12

/** Acknowledged before the first thing dies, and between one that is back and the next. */
const BETWEEN = 100

const PUBLISH = `mutation ($topic: TopicName!, $payload: JSON!) {
  publish(input: { topic: $topic, payload: $payload }) { message { topic sequence payload } }
}`

interface Acknowledged {
  readonly topic: string
  readonly sequence: number
  readonly payload: string
}

/** Each part twice, in an order that the seed decides. */
function orderOfDeath(): readonly Part[] {
  const all = [...PARTS, ...PARTS]
  const order = fc.shuffledSubarray(all, { minLength: all.length, maxLength: all.length })
  return fc.sample(order, { seed: SEED, numRuns: 1 })[0] ?? []
}

/** A server at the same port each time it is started. */
class RestartableServer implements AsyncDisposable {
  readonly #environment: Record<string, string>
  #process: CliProcess

  constructor(environment: Record<string, string>) {
    this.#environment = environment
    this.#process = spawnCli(['serve'], environment)
  }

  ready(): Promise<string> {
    return this.#process.ready()
  }

  async killAndStart(): Promise<void> {
    await this[Symbol.asyncDispose]()
    this.#process = spawnCli(['serve'], this.#environment)
    await this.ready()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process[Symbol.asyncDispose]()
  }
}

/** Publishes one after the other, whatever fails, and remembers what was acknowledged. */
class Publishers implements AsyncDisposable {
  readonly acknowledged: Acknowledged[] = []
  readonly #url: string
  readonly #stop = new AbortController()
  readonly #running: Promise<unknown>
  #published = 0
  #onAcknowledged = () => {}

  constructor(url: string) {
    this.#url = url
    this.#running = Promise.all(Array.from({ length: PUBLISHERS }, () => this.#publishInTurn()))
  }

  /** Resolves once so many more were acknowledged. */
  untilMore(count: number): Promise<void> {
    const enough = this.acknowledged.length + count
    return new Promise((resolve) => {
      this.#onAcknowledged = () => {
        if (this.acknowledged.length >= enough) resolve()
      }
    })
  }

  /** Idempotent. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    await this.#running
  }

  async #publishInTurn(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      const number = this.#published++
      const topic = TOPICS[number % TOPICS.length]
      const answer = await request(this.#url, PUBLISH, { topic, payload: `p${number}` }).catch(
        () => ({ data: null }), // nobody answers: not acknowledged
      )
      const published = answer.data?.publish as { message: Acknowledged } | null | undefined
      if (published == null) await new Promise((resolve) => setTimeout(resolve, 20))
      else this.acknowledged.push(published.message)
      this.#onAcknowledged()
    }
  }
}

const isPossible = inject('postgresqlBinaries') !== null && inject('redisServer') !== null

describe.skipIf(!isPossible)('acknowledged, not durable', () => {
  test(`what was acknowledged is in history, whatever is killed when (seed ${SEED})`, async () => {
    await using postgresql = await startPrivatePostgresql()
    await using redis = await startPrivateRedis()
    await using server = new RestartableServer({
      DATABASE_URL: postgresql.url,
      REDIS_URL: redis.url,
      PORT: String(await freePort()),
    })
    await using publishers = new Publishers(await server.ready())
    const deaths: Readonly<Record<Part, () => Promise<void>>> = {
      server: () => server.killAndStart(),
      redis: async () => {
        await redis.kill()
        await redis.start()
      },
      postgresql: async () => {
        await postgresql.kill()
        await postgresql.start()
      },
    }
    for (const part of orderOfDeath()) {
      await publishers.untilMore(BETWEEN)
      await deaths[part]()
    }
    await publishers.untilMore(BETWEEN)
    await publishers[Symbol.asyncDispose]()

    const rows = await execute(
      postgresql.url,
      `SELECT t.name AS topic, m.sequence::int AS sequence, m.payload #>> '{}' AS payload
       FROM carillon.messages m JOIN carillon.topics t ON t.id = m.topic_id`,
    )
    const stored = new Map(rows.map((row) => [`${row.topic} ${row.sequence}`, row.payload]))
    const { acknowledged } = publishers
    const missing = acknowledged.filter(
      ({ topic, sequence, payload }) => stored.get(`${topic} ${sequence}`) !== payload,
    )
    expect(missing).toEqual([])
    expect(acknowledged.length).toBeGreaterThanOrEqual(7 * BETWEEN)
  }, 120_000)
})

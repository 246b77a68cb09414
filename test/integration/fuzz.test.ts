import fc from 'fast-check'
import { afterAll, beforeAll, describe, inject, test } from 'vitest'
import { FuzzedServer } from '../support/fuzz/fuzzed-server.ts'
import { hostileMessages } from '../support/fuzz/messages.ts'
import { Observer } from '../support/fuzz/observer.ts'
import { hostileRequest } from '../support/fuzz/requests.ts'
import { checkRoundTrip, hostileTexts } from '../support/fuzz/round-trip.ts'
import { createDatabase } from '../support/postgresql.ts'
import { startPrivateRedis } from '../support/redis.ts'

/**
 * How much is tried. For a longer run: `CARILLON_FUZZ_RUNS=100000 CARILLON_FUZZ_SECONDS=120`. A failure names its
 * seed and path: with `CARILLON_FUZZ_SEED` the same cases come again.
 */
const RUNS = Number(process.env.CARILLON_FUZZ_RUNS ?? 800)
const SECONDS = Number(process.env.CARILLON_FUZZ_SECONDS ?? 20)
const SEED = process.env.CARILLON_FUZZ_SEED

/** Time to find the smallest case, besides. */
const TIMEOUT_MS = (SECONDS + 60) * 1_000

function bounds(share = 1) {
  return {
    numRuns: Math.ceil(RUNS * share),
    interruptAfterTimeLimit: SECONDS * 1_000,
    ...(SEED === undefined ? {} : { seed: Number(SEED) }),
  }
}

interface Setting extends AsyncDisposable {
  start(): Promise<FuzzedServer>
}

async function embedded(): Promise<Setting> {
  return { start: () => FuzzedServer.start({}), [Symbol.asyncDispose]: async () => {} }
}

/** Two instances: what is published at one comes through Redis to the other. */
async function shared(): Promise<Setting> {
  const database = await createDatabase()
  const redis = await startPrivateRedis()
  return {
    start: () => FuzzedServer.start({ databaseUrl: database.url, redisUrl: redis.url }),
    async [Symbol.asyncDispose]() {
      await redis[Symbol.asyncDispose]()
      await database[Symbol.asyncDispose]()
    },
  }
}

const lacksParts = inject('postgresqlUrl') === null || inject('redisServer') === null

describe.each([
  ['the embedded database', embedded, false],
  ['PostgreSQL and Redis', shared, lacksParts],
] as const)('A server with %s', (_name, open, isSkipped) => {
  let setting: Setting | undefined
  let server: FuzzedServer | undefined
  let observer: Observer | undefined

  beforeAll(async () => {
    if (isSkipped) return
    setting = await open()
    server = await setting.start()
  })

  afterAll(async () => {
    await latest
    await end()
    await setting?.[Symbol.asyncDispose]()
  })

  async function end(): Promise<void> {
    await observer?.[Symbol.asyncDispose]()
    await server?.[Symbol.asyncDispose]()
    observer = undefined
    server = undefined
  }

  let latest: Promise<void> = Promise.resolve()

  /** One after the other: fast-check leaves the last case of its time alone, which goes on. */
  function attempt(attack: (server: FuzzedServer) => Promise<void>): Promise<void> {
    const attempted = latest.then(() => run(attack))
    latest = attempted.catch(() => undefined)
    return attempted
  }

  /** Runs a case. After one that fails comes another server: the next cases are not to blame for it. */
  async function run(attack: (server: FuzzedServer) => Promise<void>): Promise<void> {
    server ??= await setting?.start()
    if (server === undefined) return
    try {
      await attack(server)
    } catch (error) {
      await end()
      throw error
    }
  }

  test.skipIf(isSkipped)(
    'stays well, whatever is sent over a WebSocket',
    async () => {
      const property = fc.asyncProperty(hostileMessages, (sent) =>
        attempt((attacked) => attacked.playMessages(sent)),
      )
      await fc.assert(property, bounds())
    },
    TIMEOUT_MS,
  )

  test.skipIf(isSkipped)(
    'stays well, whatever is sent over HTTP',
    async () => {
      const property = fc.asyncProperty(hostileRequest, (request) =>
        attempt((attacked) => attacked.playRequest(request)),
      )
      await fc.assert(property, bounds())
    },
    TIMEOUT_MS,
  )

  test.skipIf(isSkipped)(
    'gives back what it accepts exactly as it was sent',
    async () => {
      const property = fc.asyncProperty(hostileTexts, (texts) =>
        attempt(async (attacked) => {
          observer ??= await Observer.open(attacked.there)
          await checkRoundTrip({ server: attacked, observer }, texts)
        }),
      )
      await fc.assert(property, bounds(0.25))
    },
    TIMEOUT_MS,
  )
})

import { expect, test } from 'vitest'
import { request } from '../../support/carillon.ts'
import { freePort } from '../../support/free-port.ts'
import { createDatabase, describeWithPostgresql } from '../../support/postgresql.ts'
import { type CliProcess, spawnCli } from '../../support/process.ts'
import { describeWithRedis, startPrivateRedis } from '../../support/redis.ts'
import { startKeyServer, tokenOf } from '../../support/tokens.ts'
import { openRawSocket, type ProtocolMessage } from '../../support/websocket.ts'

const JWT_SECRET = 'jwt-secret-of-40-bytes-which-nobody-shows'
const DATABASE_PASSWORD = 'database-password-nobody-shows'
const REDIS_PASSWORD = 'redis-password-nobody-shows'
const JWKS_TOKEN = 'jwks-token-nobody-shows'
const EVERYTHING = [{ topics: '*', actions: ['*' as const] }]

/** Processes and databases start slowly on a machine that does other things too. */
const PATIENCE_MS = 120_000

/** What has been seen, by whom it could be. */
class Seen {
  readonly #texts: string[] = []
  readonly #secrets = new Set<string>([JWT_SECRET, DATABASE_PASSWORD, REDIS_PASSWORD, JWKS_TOKEN])

  add(...texts: readonly unknown[]): void {
    for (const text of texts)
      this.#texts.push(typeof text === 'string' ? text : JSON.stringify(text))
  }

  /** From now on it is one, as it is and in the ways in which it is written down. */
  hide(secret: string): string {
    this.#secrets.add(secret)
    return secret
  }

  /** What shows of the secrets: the texts that have them. */
  leaks(): readonly string[] {
    const forms = [...this.#secrets].flatMap((secret) => [
      secret,
      encodeURIComponent(secret),
      Buffer.from(secret).toString('base64'),
      Buffer.from(secret).toString('base64url'),
      Buffer.from(secret).toString('hex'),
    ])
    return this.#texts.filter((text) => forms.some((form) => text.includes(form)))
  }

  get length(): number {
    return this.#texts.join('').length
  }
}

function withPassword(url: string): string {
  const changed = new URL(url)
  changed.password = DATABASE_PASSWORD
  return changed.href
}

async function endedWith(
  args: readonly string[],
  environment: Record<string, string>,
): Promise<{ readonly code: number | null; readonly output: string }> {
  await using cli = spawnCli(args, { CARILLON_LOG_LEVEL: 'debug', ...environment })
  return { code: await cli.exited(), output: cli.output() }
}

const MALFORMED: readonly RequestInit[] = [
  { method: 'POST', body: '{', headers: { 'content-type': 'application/json' } },
  { method: 'POST', body: 'null', headers: { 'content-type': 'application/json' } },
  { method: 'POST', body: '{}', headers: { 'content-type': 'application/json' } },
  {
    method: 'POST',
    body: '{"query":"{ nothing }"}',
    headers: { 'content-type': 'application/json' },
  },
  { method: 'POST', body: '{"query":7}', headers: { 'content-type': 'application/json' } },
  { method: 'POST', body: 'query', headers: { 'content-type': 'text/plain' } },
  { method: 'PUT', body: '{}' },
  { method: 'OPTIONS', headers: { origin: 'https://evil.example' } },
  { headers: { origin: 'https://evil.example' } },
]

/** All that can be asked for wrongly, with these credentials. */
async function provoke(url: string, token: string, seen: Seen): Promise<void> {
  const headers = { authorization: `Bearer ${token}`, 'carillon-client-id': 'device' }
  const queries = [
    '{ viewer { userId capabilities { topics actions } expiresAt } }',
    'mutation { publish(input: { topic: "a", payload: 1, idempotencyKey: "k" }) { duplicate } }',
    'mutation { publish(input: { topic: "a", payload: 2, idempotencyKey: "k" }) { duplicate } }',
    'mutation { publish(input: { topic: "!", payload: 1 }) { duplicate } }',
    '{ messages(topic: "a", after: "nonsense") { headSequence } }',
    '{ node(id: "nonsense") { id } }',
    `mutation { refreshToken(token: "${token}") { userId } }`,
    '{ nothing',
  ]
  for (const query of queries) seen.add(await request(url, query, {}, headers))
  for (const init of MALFORMED) {
    const response = await fetch(url, { ...init, headers: { ...init.headers, ...headers } })
    seen.add(await response.text(), [...response.headers].join())
  }
  const events = await fetch(`${url}?query=subscription{presence(topics:"!"){type}}`, {
    headers: { ...headers, accept: 'text/event-stream' },
    signal: AbortSignal.timeout(5_000),
  })
  seen.add(await events.text().catch(() => ''))
}

/** The same over a WebSocket; answers how it ended, or what was answered. */
async function provokeSocket(url: string, token: string, seen: Seen): Promise<string> {
  await using raw = await openRawSocket(url.replace(/^http/, 'ws'))
  const closed = raw.closed().then(({ code, reason }) => `${code} ${reason}`)
  raw.send({ type: 'connection_init', payload: { token } })
  const first = await Promise.race([raw.receive().catch(() => undefined), closed])
  seen.add(first ?? '')
  if (typeof first === 'object' && first.type === 'connection_ack') {
    const query = `mutation { refreshToken(token: "${token}x") { userId } }`
    raw.send({ id: 'refresh', type: 'subscribe', payload: { query } })
    seen.add(await raw.receive())
    raw.send({ type: `nonsense` } as ProtocolMessage)
  }
  const end = await closed
  seen.add(end)
  return end
}

async function metricsOf(url: string): Promise<string> {
  const response = await fetch(new URL('/metrics', url))
  const text = await response.text()
  expect(text).toContain('carillon')
  return text
}

/** Waits for what a server says of something. */
async function says(server: CliProcess, what: RegExp): Promise<void> {
  await expect.poll(() => server.output(), { timeout: 30_000 }).toMatch(what)
}

describeWithPostgresql('secrets', () => {
  describeWithRedis('of a server in a process of its own', () => {
    test(
      'show nowhere, whatever goes wrong while it runs',
      async () => {
        const seen = new Seen()
        await using database = await createDatabase()
        await using redis = await startPrivateRedis({ password: REDIS_PASSWORD })
        await using keys = await startKeyServer()
        const sign = await keys.rotate('ES256')
        const environment = {
          DATABASE_URL: withPassword(database.url),
          REDIS_URL: redis.url,
          CARILLON_JWT_SECRET: JWT_SECRET,
          CARILLON_JWKS_URL: `${keys.url}?token=${JWKS_TOKEN}`,
          CARILLON_LOG_LEVEL: 'debug',
        }
        const created = await endedWith(
          ['keys', 'create', '--name', 'billing', '--can', '*=*'],
          environment,
        )
        const [key = '', id = ''] =
          /carillon_([0-9A-Za-z]{12})_[\w-]{43}/.exec(created.output) ?? []
        expect(id).not.toBe('')
        seen.hide(key.slice(-43))
        seen.add(await endedWith(['keys', 'list'], environment))
        await using server = spawnCli(['serve'], environment)
        const url = await server.ready()

        keys.isBroken = true
        const tokens = {
          good: await tokenOf({ can: EVERYTHING }, JWT_SECRET),
          expired: await tokenOf({ can: EVERYTHING, expiresIn: -60 }, JWT_SECRET),
          forged: await tokenOf({ can: EVERYTHING }, `${JWT_SECRET}, or not`),
          unusable: await tokenOf({ sub: '', can: EVERYTHING }, JWT_SECRET),
          brokenKeys: await sign({ carillon: EVERYTHING }),
          key,
          wrongKey: `${key.slice(0, -4)}aaaa`,
          nonsense: 'nonsense-token-nobody-shows',
        }
        for (const token of Object.values(tokens)) seen.hide(token)
        const ends: string[] = []
        for (const token of Object.values(tokens)) {
          await provoke(url, token, seen)
          ends.push(await provokeSocket(url, token, seen))
        }
        expect(new Set(ends.map((end) => end.slice(0, 4)))).toEqual(
          new Set(['4400', '4403', '1013']),
        )
        keys.isBroken = false

        seen.add(await endedWith(['keys', 'revoke', id], environment))
        const viewer = '{ viewer { userId } }'
        const authorization = { authorization: `Bearer ${key}` }
        const codeOf = async () => {
          const answer = await request(url, viewer, {}, authorization)
          seen.add(answer)
          return answer.errors?.[0]?.extensions.code
        }
        await expect.poll(codeOf, { timeout: 10_000 }).toBe('UNAUTHENTICATED')

        await redis.kill()
        await says(server, /redis/i)
        await provoke(url, tokens.good, seen)
        await database[Symbol.asyncDispose]()
        await provoke(url, tokens.good, seen)
        seen.add(await metricsOf(url))
        seen.add(await (await fetch(new URL('/health/ready', url))).text())
        server.child.kill('SIGTERM')
        await server.exited()
        seen.add(server.output())
        expect(server.output()).toMatch(/"level":(40|50)/)
        expect(seen.length).toBeGreaterThan(10_000)
        expect(seen.leaks()).toEqual([])
      },
      PATIENCE_MS,
    )

    test(
      'show nowhere where it cannot start',
      async () => {
        const seen = new Seen()
        await using database = await createDatabase()
        await using redis = await startPrivateRedis({ password: 'another' })
        const nowhere = await freePort()
        const good = { DATABASE_URL: withPassword(database.url), CARILLON_JWT_SECRET: JWT_SECRET }
        const at = (rest: string) => `postgresql://postgres:${DATABASE_PASSWORD}@${rest}`
        const environments: readonly Record<string, string>[] = [
          { ...good, DATABASE_URL: at(`127.0.0.1:${nowhere}/postgres`) },
          { ...good, DATABASE_URL: at('no-such-host.invalid/postgres') },
          {
            ...good,
            DATABASE_URL: withPassword(database.url).replace(/carillon_test_/, 'missing_'),
          },
          { ...good, DATABASE_URL: `mysql://root:${DATABASE_PASSWORD}@127.0.0.1/a` },
          { ...good, DATABASE_URL: `postgresql//root:${DATABASE_PASSWORD}@127.0.0.1/a` },
          { ...good, DATABASE_URL: at('127.0.0.1:99999/a') },
          { ...good, REDIS_URL: `http://:${REDIS_PASSWORD}@127.0.0.1:${nowhere}` },
          { ...good, CARILLON_JWKS_URL: `ftp://127.0.0.1/?token=${JWKS_TOKEN}` },
          { ...good, CARILLON_JWT_SECRET: seen.hide('a-short-secret') },
          { ...good, CARILLON_CAPABILITIES: '[{"topics":"a"' },
        ]
        for (const environment of environments) {
          const { code, output } = await endedWith(['serve'], environment)
          expect([environment, code]).toEqual([environment, 1])
          seen.add(output)
        }
        const wrong = { ...good, REDIS_URL: redis.url.replace('another', REDIS_PASSWORD) }
        await using server = spawnCli(['serve'], { ...wrong, CARILLON_LOG_LEVEL: 'debug' })
        await says(server, /WRONGPASS|redis/i)
        server.child.kill('SIGTERM')
        await server.exited()
        seen.add(server.output())
        expect(seen.length).toBeGreaterThan(500)
        expect(seen.leaks()).toEqual([])
      },
      PATIENCE_MS,
    )
  })
})

test('what shows would be found', () => {
  const seen = new Seen()
  seen.add(
    'nothing here',
    { at: `postgresql://:${DATABASE_PASSWORD}@a` },
    Buffer.from(JWT_SECRET).toString('hex'),
  )
  expect(seen.leaks()).toHaveLength(2)
})

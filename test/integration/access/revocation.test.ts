import { createServer } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { type CarillonOptions, createCarillon } from 'carillon'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { request, startServer, type TestServer } from '../../support/carillon.ts'
import { readEvents } from '../../support/event-stream.ts'
import { freePort } from '../../support/free-port.ts'
import {
  createDatabase,
  describeWithPostgresql,
  type ThrowawayDatabase,
} from '../../support/postgresql.ts'
import { spawnCli } from '../../support/process.ts'
import { describeWithRedis, type PrivateRedis, startPrivateRedis } from '../../support/redis.ts'
import { lockTable } from '../../support/table-lock.ts'
import { openTalk, refusedInit, type Talk, type TalkOperation } from '../../support/talk.ts'
import { openTcpProxy } from '../../support/tcp-proxy.ts'
import { SECRET, tokenOf } from '../../support/tokens.ts'
import { openRawSocket } from '../../support/websocket.ts'

/** A second, in which instances have asked twice, and what a busy machine takes besides. */
const WITHIN_MS = 5_000

/** The command line starts slowly, and backlogs are large, on a machine that does other things too. */
const PATIENCE = { timeout: 120_000 }

const SOON = { timeout: 20_000, interval: 20 }

const REVOKED = { code: 4403, reason: 'UNAUTHENTICATED: The credentials have been revoked.' }

let names = 0

/** Who is revoked: all that it can be called by is its own. */
interface Subject {
  readonly userId: string
  readonly clientId: string
  readonly tokenId: string
  readonly token: string
}

async function newSubject(): Promise<Subject> {
  const name = ++names
  const [userId, clientId, tokenId] = [`ann-${name}`, `tab-${name}`, `jti-${name}`]
  return {
    userId,
    clientId,
    tokenId,
    token: await tokenOf({ sub: userId, claims: { jti: tokenId } }),
  }
}

const paramsOf = ({ token, clientId }: Subject) => ({ token, clientId })

const sequenceOf = ({ data }: TalkOperation['results'][number]) =>
  (data?.messages as { sequence: number } | undefined)?.sequence

/** The sequences of the messages that have come. */
function seen({ results }: TalkOperation): readonly number[] {
  return results.flatMap((result) => sequenceOf(result) ?? [])
}

const MESSAGES = (topic: string) =>
  `subscription { messages(topics: "${topic}", last: 1) { sequence payload } }`
const EVENTS = (topic: string) =>
  `subscription { events(topics: "${topic}", last: 1) { __typename } }`
const PRESENCE = (topic: string) =>
  `subscription { presence(topics: "${topic}", enter: {}) { type members { userId } } }`
const WATCH = (topic: string) =>
  `subscription { presence(topics: "${topic}") { type members { userId } } }`

const deeds = (topic: string): readonly string[] => [
  `{ messages(topic: "${topic}", last: 1) { headSequence } }`,
  `mutation { publish(input: { topic: "${topic}", payload: "refused" }) { duplicate } }`,
  `mutation { ack(input: { topic: "${topic}", consumer: "c", sequence: 1 }) { consumer { id } } }`,
]

const headersOf = ({ token, clientId }: Subject) => ({
  authorization: `Bearer ${token}`,
  'carillon-client-id': clientId,
})

/** What each of these is answered with over HTTP; `undefined` for no error. */
async function codesOverHttp(url: string, subject: Subject, topic: string) {
  const headers = headersOf(subject)
  const answers = await Promise.all(deeds(topic).map((deed) => request(url, deed, {}, headers)))
  return answers.map(({ errors }) => errors?.[0]?.extensions.code)
}

const ALL_REFUSED = Array.from({ length: 3 }, () => 'UNAUTHENTICATED')
const ALL_DONE = Array.from({ length: 3 }, () => undefined)

/** Publishes one message after the other, until it is stopped; answers the last sequence. */
function publishSteadily({ carillon }: TestServer, topic: string) {
  let isStopped = false
  const publishing = (async () => {
    for (;;) {
      const { message } = await carillon.publish({ topic, payload: 'steady' })
      if (isStopped) return Number(message.sequence)
      await new Promise((resolve) => setTimeout(resolve, 10)) // as a pace, not to wait for anything
    }
  })()
  return {
    stop: () => {
      isStopped = true
      return publishing
    },
  }
}

function openStream(url: string, subject: Subject, query: string) {
  return fetch(url, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'text/event-stream',
      ...headersOf(subject),
    },
    body: JSON.stringify({ query }),
  })
}

/** The texts of the results of a stream, once it has ended. */
async function readAll(response: Response): Promise<readonly string[]> {
  const texts: string[] = []
  for await (const { data } of readEvents(response)) if (data !== '') texts.push(data)
  return texts
}

async function runCli(args: readonly string[], databaseUrl: string): Promise<void> {
  await using cli = spawnCli(args, { DATABASE_URL: databaseUrl })
  const code = await cli.exited()
  if (code !== 0) throw new Error(cli.output())
}

/** Everything that one of an instance's clients has open. */
interface Opened {
  readonly talk: Talk
  readonly operations: readonly TalkOperation[]
}

async function openAll(server: TestServer, params: Record<string, unknown>, topic: string) {
  const talk = await openTalk(server.socketUrl, params)
  const operations = [MESSAGES(topic), EVENTS(topic), PRESENCE(topic)].map((query) =>
    talk.start(query),
  )
  for (const operation of operations) expect((await operation.next()).type).toBe('next')
  return { talk, operations }
}

/** What is told ends with an error, the socket thereafter, and nothing comes in between. */
async function expectRevoked({ talk, operations }: Opened): Promise<void> {
  for (const operation of operations) {
    expect(await operation.ended()).toEqual(['UNAUTHENTICATED'])
  }
  expect(await talk.raw.closed()).toEqual(REVOKED)
  for (const { results } of operations) {
    const types = results.map(({ type }) => type)
    expect(types.indexOf('error')).toBe(types.length - 1)
  }
}

describeWithPostgresql('Two instances', () => {
  describeWithRedis('over Redis', () => {
    let database: ThrowawayDatabase
    let redis: PrivateRedis
    let one: TestServer
    let other: TestServer

    beforeAll(async () => {
      database = await createDatabase()
      redis = await startPrivateRedis()
      const options = {
        databaseUrl: database.url,
        redisUrl: redis.url,
        jwt: { secret: SECRET },
        resume: { pingMs: 20 },
      }
      one = await startServer(options)
      other = await startServer(options)
    })
    afterAll(async () => {
      await one[Symbol.asyncDispose]()
      await other[Symbol.asyncDispose]()
      await redis[Symbol.asyncDispose]()
      await database[Symbol.asyncDispose]()
    })

    const cli = (...args: readonly string[]) => runCli(args, database.url)

    async function newKey(name: string): Promise<Subject> {
      const capabilities = [{ topics: '*', actions: ['*'] }] as const
      const { id, key } = await one.carillon.createApiKey({ name, capabilities })
      return { userId: `backend:${name}`, clientId: `${name}-client`, tokenId: id, token: key }
    }
    const keySubject = () => newKey(`key-${++names}`)

    type Way = readonly [
      what: string,
      subject: () => Promise<Subject>,
      revoke: (subject: Subject) => Promise<unknown>,
    ]

    const WAYS: readonly Way[] = [
      ['a user', newSubject, ({ userId }) => one.carillon.revoke({ userId })],
      ['a token', newSubject, ({ tokenId }) => one.carillon.revoke({ tokenId })],
      ['a client', newSubject, ({ clientId }) => one.carillon.revoke({ clientId })],
      ['an API key', keySubject, ({ tokenId }) => one.carillon.revokeApiKey(tokenId)],
      ['a user by the command line', newSubject, ({ userId }) => cli('revoke', '--user', userId)],
      [
        'a token by the command line',
        newSubject,
        ({ tokenId }) => cli('revoke', '--token-id', tokenId),
      ],
      [
        'a client by the command line',
        newSubject,
        ({ clientId }) => cli('revoke', '--client', clientId),
      ],
      [
        'an API key by the command line',
        keySubject,
        ({ tokenId }) => cli('keys', 'revoke', tokenId),
      ],
    ]

    test.each(WAYS)(
      '%s that is revoked is out on both, and nobody else',
      PATIENCE,
      async (_what, makeSubject, revoke) => {
        const subject = await makeSubject()
        const bob = await newSubject()
        const topic = `room:${++names}`
        await one.carillon.publish({ topic, payload: 'first' })
        await using bobs = await openTalk(other.socketUrl, paramsOf(bob))
        const [bobReads, bobWatches] = [bobs.start(MESSAGES(topic)), bobs.start(WATCH(topic))]
        await bobReads.next()
        const opened: readonly Opened[] = [
          await openAll(one, paramsOf(subject), topic),
          await openAll(other, paramsOf(subject), topic),
        ]
        const streams = await Promise.all(
          [one, other].map(({ url }) => openStream(url, subject, MESSAGES(topic))),
        )
        expect(await codesOverHttp(other.url, subject, topic)).toEqual(ALL_DONE)
        const publisher = publishSteadily(one, topic)

        await revoke(subject)
        const revokedAt = performance.now()
        const streamed = Promise.all(streams.map(readAll))
        await Promise.all(opened.map(expectRevoked))
        for (const texts of await streamed) expect(texts.at(-1)).toContain('UNAUTHENTICATED')
        expect(performance.now() - revokedAt).toBeLessThan(WITHIN_MS)

        for (const { socketUrl, url } of [one, other]) {
          expect(await refusedInit(socketUrl, paramsOf(subject))).toMatchObject({ code: 4403 })
          expect(await codesOverHttp(url, subject, topic)).toEqual(ALL_REFUSED)
        }
        const left = () =>
          bobWatches.results.some(({ data }) => {
            const event = data?.presence as { type: string; members: { userId: string }[] }
            return event.type === 'LEAVE' && event.members[0]?.userId === subject.userId
          })
        await expect.poll(left, SOON).toBe(true)

        const later = _what.includes('API key')
          ? await newKey(subject.userId)
          : {
              ...subject,
              token: await tokenOf({ sub: subject.userId, claims: { jti: `${topic}-2` } }),
            }
        for (const server of [one, other]) {
          await using again = await openTalk(server.socketUrl, paramsOf(later))
          expect((await again.start(MESSAGES(topic)).next()).type).toBe('next')
          expect(await codesOverHttp(server.url, later, topic)).toEqual(ALL_DONE)
        }

        const last = await publisher.stop()
        await expect.poll(() => seen(bobReads).at(-1), SOON).toBeGreaterThanOrEqual(last)
        const got = seen(bobReads)
        expect(got).toEqual(got.map((_, n) => n + 1))
      },
    )

    test('a token that is revoked leaves those of the same user and client alone', async () => {
      const subject = await newSubject()
      const sibling = { ...subject, token: await tokenOf({ sub: subject.userId }) }
      const topic = `room:${++names}`
      await one.carillon.publish({ topic, payload: 'first' })
      await using stays = await openTalk(other.socketUrl, paramsOf(sibling))
      const reads = stays.start(MESSAGES(topic))
      await reads.next()
      const opened = await openAll(other, paramsOf(subject), topic)
      const publisher = publishSteadily(one, topic)
      await one.carillon.revoke({ tokenId: subject.tokenId })
      await expectRevoked(opened)
      const last = await publisher.stop()
      await expect.poll(() => seen(reads).at(-1), SOON).toBe(last)
      expect(seen(reads)).toEqual(Array.from({ length: last }, (_, n) => n + 1))
    })

    test('while it is offline: it comes back with a newer token only, and misses nothing', async () => {
      const subject = await newSubject()
      const topic = `room:${++names}`
      await one.carillon.publish({ topic, payload: 'first' })
      const before = await openTalk(other.socketUrl, paramsOf(subject))
      const reads = before.start(MESSAGES(topic), {}, 'op')
      await reads.next()
      for (let n = 0; n < 5; n++) await one.carillon.publish({ topic, payload: n })
      await expect.poll(() => seen(reads).at(-1), SOON).toBe(6)
      await before[Symbol.asyncDispose]()
      await one.carillon.revoke({ userId: subject.userId })
      for (let n = 0; n < 5; n++) await one.carillon.publish({ topic, payload: n })
      expect(await refusedInit(one.socketUrl, paramsOf(subject))).toMatchObject({ code: 4403 })
      const refused = async () => (await refusedInitOrNot(other, paramsOf(subject)))?.code
      await expect.poll(refused, SOON).toBe(4403)

      const token = await tokenOf({ sub: subject.userId })
      await using again = await openTalk(other.socketUrl, { ...paramsOf(subject), token })
      const goesOn = again.start(MESSAGES(topic), {}, 'op')
      await expect.poll(() => seen(goesOn).at(-1), SOON).toBe(11)
      const all = [...new Set([...seen(reads), ...seen(goesOn)])]
      expect(all).toEqual(Array.from({ length: 11 }, (_, n) => n + 1))
    })

    /** How it is refused; undefined where it is not yet. */
    async function refusedInitOrNot({ socketUrl }: TestServer, payload: Record<string, unknown>) {
      await using raw = await openRawSocket(socketUrl)
      raw.send({ type: 'connection_init', payload })
      const acknowledged = raw.receive().then(
        () => undefined,
        () => raw.closed(),
      )
      return await acknowledged
    }

    test('while a subscription waits for the database: it gets nothing', async () => {
      const subject = await newSubject()
      const topic = `room:${++names}`
      await one.carillon.publish({ topic, payload: 'first' })
      await using talk = await openTalk(one.socketUrl, paramsOf(subject))
      await using lock = await lockTable(database.url, 'carillon.messages')
      const [waits, page] = [talk.start(MESSAGES(topic)), talk.start(deeds(topic)[0] ?? '')]
      await lock.untilAwaited()
      const streaming = openStream(one.url, subject, MESSAGES(topic))
      await one.carillon.revoke({ userId: subject.userId })
      expect(await talk.raw.closed()).toEqual(REVOKED)
      await lock[Symbol.asyncDispose]()
      const texts = await readAll(await streaming)
      expect(texts.filter((one) => one.includes('first'))).toEqual([])
      expect(texts.join()).toContain('UNAUTHENTICATED')
      for (const { results } of [waits, page]) {
        expect(results.filter(({ data }) => data != null)).toEqual([])
      }
    })

    test('PostgreSQL is away: what is known stays in force, the rest comes with it', async () => {
      const port = Number(new URL(database.url).port || 5432)
      await using proxy = await openTcpProxy(port)
      const proxied = new URL(database.url)
      proxied.hostname = '127.0.0.1'
      proxied.port = String(proxy.port)
      await using far = await startServer({
        databaseUrl: proxied.href,
        redisUrl: redis.url,
        jwt: { secret: SECRET },
      })
      const [known, missed, bob] = [await newSubject(), await newSubject(), await newSubject()]
      const live = await openTalk(far.socketUrl, paramsOf(known))
      await one.carillon.revoke({ tokenId: known.tokenId })
      expect(await live.raw.closed()).toEqual(REVOKED)
      await using stays = await openTalk(far.socketUrl, paramsOf(missed))
      proxy.leadTo(await freePort())
      proxy.cut()
      await one.carillon.revoke({ userId: missed.userId })
      expect(await refusedInit(far.socketUrl, paramsOf(known))).toMatchObject({ code: 4403 })
      await using bobs = await openTalk(far.socketUrl, paramsOf(bob))
      expect(stays.raw.socket.readyState).toBe(stays.raw.socket.OPEN)
      proxy.leadTo(port)
      expect(await stays.raw.closed()).toEqual(REVOKED)
      expect((await bobs.ask('{ viewer { userId } }')).data).toEqual({
        viewer: { userId: bob.userId },
      })
    })
  })
})

/** A server whose ends of sockets are at hand. */
async function startWatched(options: CarillonOptions) {
  const carillon = await createCarillon({ dataDir: 'memory:', logLevel: 'silent', ...options })
  const server = createServer()
  let newest: Socket | undefined
  server.on('connection', (end: Socket) => {
    newest = end
  })
  carillon.attach(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    carillon,
    socketUrl: `ws://127.0.0.1:${(server.address() as AddressInfo).port}/graphql`,
    end(): Socket {
      if (newest === undefined) throw new Error('Nobody has come yet.')
      return newest
    },
    async [Symbol.asyncDispose]() {
      await carillon.close()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

const BACKLOG = 1_000
const LARGE = 'x'.repeat(20_000)
const REPLAY = 'subscription { messages(topics: "chat:1", last: 1000) { sequence payload } }'

/** A client that has stopped to read in the middle of its backlog, of which no kernel holds all. */
async function stalled(server: Awaited<ReturnType<typeof startWatched>>, subject: Subject) {
  const inputs = Array.from({ length: 50 }, () => ({ topic: 'chat:1', payload: LARGE }))
  for (let n = 0; n < BACKLOG / 50; n++) await server.carillon.publishMany(inputs)
  const talk = await openTalk(server.socketUrl, paramsOf(subject))
  const end = server.end()
  const replay = talk.start(REPLAY)
  await replay.next()
  talk.raw.socket.pause()
  await expect.poll(() => end.writableLength, SOON).toBeGreaterThan(0)
  let written = -1
  const isStill = () => {
    const isSame = written === end.bytesWritten
    written = end.bytesWritten
    return isSame && end.writableLength > 0
  }
  await expect.poll(isStill, { timeout: 20_000, interval: 300 }).toBe(true)
  return { talk, end, replay }
}

describe('In the middle of a catch-up', PATIENCE, () => {
  test('a revocation lets nothing more be written than what had been already', async () => {
    await using server = await startWatched({ jwt: { secret: SECRET } })
    const subject = await newSubject()
    const { talk, end, replay } = await stalled(server, subject)
    await using _ = talk
    const before = end.bytesWritten
    await server.carillon.revoke({ userId: subject.userId })
    await server.carillon.publish({ topic: 'chat:1', payload: 'later' })
    talk.raw.socket.resume()
    expect((await talk.raw.closed()).code).toBe(4403)
    expect(end.bytesWritten - before).toBeLessThan(LARGE.length) // the errors, and the close
    expect(seen(replay).length).toBeLessThan(BACKLOG)
    expect(JSON.stringify(replay.results)).not.toContain('later')
  })

  test('what waits for a client that does not read is not written after it', async () => {
    await using server = await startWatched({ jwt: { secret: SECRET } })
    const subject = await newSubject()
    await server.carillon.publish({ topic: 'chat:1', payload: 'first' })
    await using talk = await openTalk(server.socketUrl, paramsOf(subject))
    const end = server.end()
    const reads = talk.start(MESSAGES('chat:1'))
    await reads.next()
    talk.raw.socket.pause()
    const inputs = Array.from({ length: 20 }, () => ({ topic: 'chat:1', payload: LARGE }))
    // Once the kernel takes no more, those of the next round wait in front of the socket.
    for (let written = -1; written !== end.bytesWritten; ) {
      written = end.bytesWritten
      await server.carillon.publishMany(inputs)
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
    expect(end.writableLength).toBeGreaterThan(0)
    const before = end.bytesWritten
    await server.carillon.revoke({ userId: subject.userId })
    talk.raw.socket.resume()
    expect((await talk.raw.closed()).code).toBe(4403)
    expect(end.bytesWritten - before).toBeLessThan(LARGE.length)
    expect(reads.results.at(-1)?.errors?.[0]?.extensions.code).toBe('UNAUTHENTICATED')
  })

  test('narrowed capabilities end what they cover no more, and the rest goes on', async () => {
    await using server = await startWatched({ jwt: { secret: SECRET } })
    const subject = await newSubject()
    const { talk, replay } = await stalled(server, subject)
    await using _ = talk
    const other = talk.start('subscription { messages(topics: "news:1") { sequence } }')
    const can = [{ topics: 'news:*', actions: ['*'] }] as const
    const renewed = talk.start(
      'mutation ($token: String!) { refreshToken(token: $token) { userId } }',
      { token: await tokenOf({ sub: subject.userId, can }) },
    )
    talk.raw.socket.resume()
    expect(await replay.ended()).toEqual(['PERMISSION_DENIED'])
    expect((await renewed.next()).data).toMatchObject({ refreshToken: { userId: subject.userId } })
    const got = seen(replay)
    expect(got).toEqual(got.map((_sequence, n) => n + 1))
    expect(got.length).toBeLessThan(BACKLOG)
    const count = replay.results.length
    await server.carillon.publish({ topic: 'chat:1', payload: 'later' })
    await expect
      .poll(async () => {
        await server.carillon.publish({ topic: 'news:1', payload: 1 })
        return seen(other).length
      }, SOON)
      .toBeGreaterThan(0)
    expect(replay.results.length).toBe(count)
  })
})

test('between the init and its acknowledgement: it is refused', async () => {
  let asked: (() => void) | undefined
  const isAsked = new Promise<void>((resolve) => {
    asked = resolve
  })
  let answer: (() => void) | undefined
  const isAnswered = new Promise<void>((resolve) => {
    answer = resolve
  })
  await using server = await startServer({
    authenticate: async () => {
      const issuedAt = new Date()
      asked?.()
      await isAnswered
      return { userId: 'ann', issuedAt }
    },
  })
  await using raw = await openRawSocket(server.socketUrl)
  raw.send({ type: 'connection_init' })
  await isAsked
  await server.carillon.revoke({ userId: 'ann' })
  answer?.()
  expect(await raw.closed()).toEqual(REVOKED)
  expect(raw.pending()).toEqual([])
})

test('while `authorize` is asked for a subscription: it gets nothing', async () => {
  let asked: (() => void) | undefined
  const isAsked = new Promise<void>((resolve) => {
    asked = resolve
  })
  let answer: (() => void) | undefined
  const isAnswered = new Promise<void>((resolve) => {
    answer = resolve
  })
  await using server = await startServer({
    jwt: { secret: SECRET },
    authorize: async () => {
      asked?.()
      await isAnswered
      return true
    },
  })
  const subject = await newSubject()
  await server.carillon.publish({ topic: 'chat:1', payload: 'first' })
  await using talk = await openTalk(server.socketUrl, paramsOf(subject))
  const operation = talk.start(MESSAGES('chat:1'))
  await isAsked
  await server.carillon.revoke({ tokenId: subject.tokenId })
  answer?.()
  expect(await operation.ended()).toEqual(['UNAUTHENTICATED'])
  expect(await talk.raw.closed()).toEqual(REVOKED)
  expect(seen(operation)).toEqual([])
})

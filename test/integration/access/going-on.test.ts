import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startServer, type TestServer } from '../../support/carillon.ts'
import { openClient, SOON, upTo } from '../../support/client.ts'
import { openTcpProxy } from '../../support/tcp-proxy.ts'
import { SECRET, tokenOf } from '../../support/tokens.ts'
import { openAcknowledged, type RawSocket } from '../../support/websocket.ts'

const QUERY = `subscription On($topics: [TopicPattern!]!, $after: [Cursor!], $types: [String!], $last: Int) {
  messages(topics: $topics, after: $after, types: $types, last: $last) { topic sequence cursor }
}`

/** A token to hear what is published, and not what was. */
const LISTENER = { can: [{ topics: 'chat:*', actions: ['SUBSCRIBE' as const] }] }

/** The operation that brings a fresh token. */
const RENEWAL = 'renewal'

interface Told {
  readonly topic: string
  readonly sequence: number
  readonly cursor: string
}

let server: TestServer
let rooms = 0

beforeAll(async () => {
  server = await startServer({ jwt: { secret: SECRET }, resume: { pingMs: 20 } })
})
afterAll(() => server[Symbol.asyncDispose]())

function publish(topic: string, count = 1) {
  return server.carillon.publishMany(
    Array.from({ length: count }, (_, payload) => ({ topic, payload })),
  )
}

async function listener(clientId: string): Promise<RawSocket> {
  return openAcknowledged(server.socketUrl, { clientId, token: await tokenOf(LISTENER) })
}

function subscribe(raw: RawSocket, id: string, variables: Record<string, unknown>): void {
  raw.send({ id, type: 'subscribe', payload: { query: QUERY, variables } })
}

/** What comes next of a subscription: a message, or the code that it ends with. Pings are not answered. */
async function next(raw: RawSocket): Promise<Told | string> {
  for (;;) {
    const { id, type, payload } = await raw.receive()
    if (id === RENEWAL) continue
    if (type === 'next') {
      const { data, errors } = payload as {
        data?: { messages: Told } | null
        errors?: readonly { extensions: { code: string } }[]
      }
      return data?.messages ?? String(errors?.[0]?.extensions.code)
    }
    if (type === 'error') {
      const [error] = payload as readonly { extensions: { code: string } }[]
      return String(error?.extensions.code)
    }
  }
}

/** Publishes until the subscription gets something, and takes all of it; answers the last message. */
async function live(raw: RawSocket, topic: string): Promise<Told> {
  let isLive = false
  const first = next(raw).then((told) => {
    isLive = true
    return told
  })
  while (!isLive) await publish(topic)
  const { topic: state } = await server.carillon.messages({ topic, last: 1 })
  for (let told = await first; ; told = await next(raw)) {
    if (typeof told === 'string') throw new Error(`It ended with ${told}.`)
    if (told.sequence === state.head) return told
  }
}

interface Gone {
  readonly topic: string
  readonly clientId: string
  /** What was published before it subscribed. */
  readonly old: string
  /** The last that it got. */
  readonly heard: Told
}

/** A client that subscribed to its topic, or to this pattern, heard of something, was cut and missed two messages. */
async function cutClient(pattern?: string): Promise<Gone> {
  const topic = `chat:going-on-${++rooms}`
  const clientId = `tab-${rooms}`
  await publish(topic, 2)
  const { messages } = await server.carillon.messages({ topic, first: 1 })
  const raw = await listener(clientId)
  subscribe(raw, 'news', { topics: [pattern ?? topic] })
  const heard = await live(raw, topic)
  raw.socket.terminate()
  await raw.closed()
  await publish(topic, 2)
  return { topic, clientId, old: messages[0]?.cursor ?? '', heard }
}

describe('without HISTORY, a client that was cut', () => {
  test('goes on behind its cursor', async () => {
    const { topic, clientId, heard } = await cutClient()
    await using raw = await listener(clientId)
    subscribe(raw, 'news', { topics: [topic], after: [heard.cursor] })
    const missed = [await next(raw), await next(raw)]
    expect(missed).toMatchObject([
      { sequence: heard.sequence + 1 },
      { sequence: heard.sequence + 2 },
    ])
    await publish(topic)
    expect(await next(raw)).toMatchObject({ sequence: heard.sequence + 3 })
  })

  test('goes on so in a pattern, too, in each topic', async () => {
    const { topic, clientId, heard } = await cutClient('chat:*')
    const silent = `chat:silent-${rooms}`
    await publish(silent)
    const { messages } = await server.carillon.messages({ topic: silent, last: 1 })
    await using raw = await listener(clientId)
    const after = [heard.cursor, messages[0]?.cursor]
    subscribe(raw, 'news', { topics: ['chat:*'], after })
    const missed = [await next(raw), await next(raw)]
    expect(missed).toMatchObject([
      { topic, sequence: heard.sequence + 1 },
      { topic, sequence: heard.sequence + 2 },
    ])
  })

  test('gets nothing from before it came, whatever cursor it makes up', async () => {
    const { topic, clientId, old, heard } = await cutClient()
    await using raw = await listener(clientId)
    subscribe(raw, 'news', { topics: [topic], after: [old] })
    // What it may have got before comes again, as it proved nothing; what was before that does not.
    const first = await next(raw)
    expect(first).toMatchObject({ topic })
    expect((first as Told).sequence).toBeGreaterThan(2)
    expect((first as Told).sequence).toBeLessThanOrEqual(heard.sequence + 1)
  })

  test.each<[what: string, asked: (gone: Gone) => Asked]>([
    ['by another name', (gone) => ({ ...gone, clientId: 'nobody-knows-me' })],
    ['with another operation', (gone) => ({ ...gone, id: 'other' })],
    ['with another filter', (gone) => ({ ...gone, types: ['edited'] })],
    ['and asks for the newest, too', (gone) => ({ ...gone, last: 1 })],
  ])('is refused %s', async (_what, asked) => {
    const gone = await cutClient()
    const { clientId, id = 'news', topic, heard, types, last } = asked(gone)
    await using raw = await listener(clientId)
    subscribe(raw, id, { topics: [topic], after: [heard.cursor], types, last })
    expect(await next(raw)).toBe('PERMISSION_DENIED')
  })

  test('is refused behind a cursor of a topic that it was not in', async () => {
    const { topic, clientId, heard } = await cutClient()
    const secret = `secret:${rooms}`
    await publish(secret)
    const { messages } = await server.carillon.messages({ topic: secret, last: 1 })
    await using raw = await listener(clientId)
    const after = [heard.cursor, messages[0]?.cursor]
    subscribe(raw, 'news', { topics: [topic], after })
    expect(await next(raw)).toBe('PERMISSION_DENIED')
  })

  test('stays in the subscription after its token was renewed, and leaves it where that covers it no more', async () => {
    const { topic, clientId, heard } = await cutClient()
    await using raw = await listener(clientId)
    subscribe(raw, 'news', { topics: [topic], after: [heard.cursor] })
    for (let missed = 0; missed < 2; missed++) expect(await next(raw)).toMatchObject({ topic })
    await renew(raw, await tokenOf(LISTENER))
    await publish(topic)
    expect(await next(raw)).toMatchObject({ sequence: heard.sequence + 3 })
    await renew(raw, await tokenOf({ can: [] }))
    expect(await next(raw)).toBe('PERMISSION_DENIED')
  })
})

interface Asked extends Gone {
  readonly id?: string
  readonly types?: readonly string[]
  readonly last?: number
}

/** What comes meanwhile is left to receive. */
async function renew(raw: RawSocket, token: string): Promise<void> {
  const query = 'mutation ($token: String!) { refreshToken(token: $token) { userId } }'
  raw.send({ id: RENEWAL, type: 'subscribe', payload: { query, variables: { token } } })
  await expect
    .poll(() => raw.pending().some(({ id, type }) => id === RENEWAL && type === 'complete'), SOON)
    .toBe(true)
}

test('the client library misses nothing and repeats nothing in 20 cuts, without HISTORY', async () => {
  await using proxy = await openTcpProxy(Number(new URL(server.url).port))
  await using carillon = openClient(`http://127.0.0.1:${proxy.port}/graphql`, {
    token: () => tokenOf(LISTENER),
  })
  const topic = 'chat:cuts'
  await publish(topic, 3)
  const seen: unknown[] = []
  const faults: unknown[] = []
  carillon.topic(topic).subscribe(({ sequence }) => void seen.push(sequence), {
    onError: (error) => faults.push(error),
  })
  await expect.poll(() => carillon.state, SOON).toBe('live')
  for (let cuts = 0; cuts < 20; cuts++) {
    await publish(topic, 3)
    proxy.cut()
    await publish(topic, 3)
    await expect.poll(() => proxy.accepted, SOON).toBe(cuts + 2)
    await expect.poll(() => carillon.state, SOON).toBe('live')
  }
  await expect.poll(() => seen, SOON).toEqual(upTo(3 + 120, 4))
  expect(faults).toEqual([])
})

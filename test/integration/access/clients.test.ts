import { setTimeout as delay } from 'node:timers/promises'
import { type Client, type ClientOptions, createClient } from 'graphql-ws'
import { describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { startServer, type TestServer } from '../../support/carillon.ts'
import { CLIENTS, type Result } from '../../support/client-libraries.ts'
import { SECRET, tokenOf } from '../../support/tokens.ts'

const TOPIC = 'chat:1'

const SOON = { timeout: 60_000, interval: 20 }

/** Tokens that run out before a client is through. */
const RENEWALS = 4

const SLOW = { timeout: 120_000 }

/** Hands out tokens that hold for so many seconds, and counts them. */
function openIssuer(expiresIn: number) {
  const issuer = {
    issued: 0,
    issue: () => {
      issuer.issued++
      return tokenOf({ expiresIn })
    },
  }
  return issuer
}

/** Forgetful of connections whose token has run out, and quick to ask clients what they have. */
function secured(renewalMs: number): Promise<TestServer> {
  return startServer({ jwt: { secret: SECRET }, renewalMs, resume: { pingMs: 20 } })
}

function clientOf({ socketUrl }: TestServer, options: Partial<ClientOptions>): Client {
  return createClient({
    url: socketUrl,
    webSocketImpl: WebSocket,
    retryAttempts: Number.POSITIVE_INFINITY,
    retryWait: () => delay(5),
    shouldRetry: () => true,
    ...options,
  })
}

/** Publishes one after the other, until it is stopped; answers the last sequence. */
function publishSteadily({ carillon }: TestServer) {
  let isStopped = false
  const publishing = (async () => {
    for (;;) {
      const { message } = await carillon.publish({ topic: TOPIC, payload: 'hi' })
      if (isStopped) return Number(message.sequence)
      await delay(10) // a pace; nothing is waited for
    }
  })()
  return {
    stop: () => {
      isStopped = true
      return publishing
    },
  }
}

interface Shown {
  readonly sequence: number
  readonly cursor: string
  readonly isMarked: boolean
}

function shownOf({ data, extensions }: Result): Shown {
  const { messages } = data as { messages: { sequence: number; cursor: string } }
  const carillon = extensions?.carillon as { resumed?: boolean } | undefined
  return { ...messages, isMarked: carillon?.resumed === true }
}

/** What an application takes: of what may be a repeat, only what it does not have. */
function taken(shown: readonly Shown[]): readonly number[] {
  const known = new Set<number>()
  return shown.flatMap(({ sequence, isMarked }) => {
    if (isMarked && known.has(sequence)) return []
    known.add(sequence)
    return [sequence]
  })
}

function upTo(last: number): readonly number[] {
  return Array.from({ length: last }, (_, n) => n + 1)
}

const QUERY = `subscription { messages(topics: "${TOPIC}", last: 1) { id sequence cursor } }`

describe.each(CLIENTS)('%s', (_name, listen) => {
  test('gets every message once, in order, while its tokens run out', SLOW, async () => {
    await using server = await secured(50)
    await server.carillon.publish({ topic: TOPIC, payload: 'first' })
    const issuer = openIssuer(1.5)
    const closes: unknown[] = []
    const client = clientOf(server, {
      connectionParams: async () => ({ token: await issuer.issue(), clientId: 'tab-1' }),
      on: { closed: (event) => void closes.push((event as { code: number }).code) },
    })
    const shown: Shown[] = []
    listen(client, QUERY, (result) => void shown.push(shownOf(result)))
    await expect.poll(() => shown.length, SOON).toBe(1)
    const publisher = publishSteadily(server)
    await expect.poll(() => issuer.issued, SOON).toBeGreaterThan(RENEWALS)
    const last = await publisher.stop()
    await expect.poll(() => shown.at(-1)?.sequence, SOON).toBe(last)
    await client.dispose()
    expect(taken(shown)).toEqual(upTo(last))
    expect(closes.slice(0, RENEWALS)).toEqual(Array.from({ length: RENEWALS }, () => 4403))
  })

  test('notices nothing where fresh tokens come over the open socket in time', SLOW, async () => {
    await using server = await secured(30_000)
    await server.carillon.publish({ topic: TOPIC, payload: 'first' })
    const issuer = openIssuer(2)
    let connected = 0
    const client = clientOf(server, {
      connectionParams: async () => ({ token: await issuer.issue(), clientId: 'tab-1' }),
      on: { connected: () => void connected++ },
    })
    const shown: Shown[] = []
    listen(client, QUERY, (result) => void shown.push(shownOf(result)))
    await expect.poll(() => shown.length, SOON).toBe(1)
    const publisher = publishSteadily(server)
    let isOver = false
    const refreshing = (async () => {
      while (!isOver) {
        await refresh(client, await issuer.issue())
        await delay(500) // well before the token runs out
      }
    })()
    await delay(5_000) // in which each of the first tokens runs out
    const last = await publisher.stop()
    await expect.poll(() => shown.at(-1)?.sequence, SOON).toBe(last)
    isOver = true
    await refreshing
    await client.dispose()
    expect(issuer.issued).toBeGreaterThan(RENEWALS)
    expect(shown.map(({ sequence }) => sequence)).toEqual(upTo(last))
    expect(shown.filter(({ isMarked }) => isMarked)).toEqual([])
    expect(connected).toBe(1)
  })
})

async function refresh(client: Client, token: string): Promise<void> {
  const query = 'mutation ($token: String!) { refreshToken(token: $token) { userId } }'
  for await (const { errors } of client.iterate({ query, variables: { token } })) {
    expect(errors).toBeUndefined()
  }
}

test(
  'graphql-ws goes on by its cursor: every message once, in order, without a mark',
  SLOW,
  async () => {
    await using server = await secured(50)
    await server.carillon.publish({ topic: TOPIC, payload: 'first' })
    const issuer = openIssuer(1.5)
    const client = clientOf(server, {
      connectionParams: async () => ({ token: await issuer.issue() }),
    })
    const shown: Shown[] = []
    const query = `subscription ($after: [Cursor!]) {
    messages(topics: "${TOPIC}", last: 1, after: $after) { id sequence cursor }
  }`
    // The client sends them as they are when it connects again.
    const variables: { after: readonly string[] } = { after: [] }
    client.subscribe(
      { query, variables },
      {
        next: (result) => {
          const one = shownOf(result as Result)
          variables.after = [one.cursor]
          shown.push(one)
        },
        error: (error) => void shown.push(error as never),
        complete: () => {},
      },
    )
    await expect.poll(() => shown.length, SOON).toBe(1)
    const publisher = publishSteadily(server)
    await expect.poll(() => issuer.issued, SOON).toBeGreaterThan(RENEWALS)
    const last = await publisher.stop()
    await expect.poll(() => shown.at(-1)?.sequence, SOON).toBe(last)
    await client.dispose()
    expect(shown.map(({ sequence }) => sequence)).toEqual(upTo(last))
    expect(shown.filter(({ isMarked }) => isMarked)).toEqual([])
  },
)

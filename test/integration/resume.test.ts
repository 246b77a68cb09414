import { setTimeout as delay } from 'node:timers/promises'
import { ApolloClient, gql, InMemoryCache } from '@apollo/client'
import { GraphQLWsLink } from '@apollo/client/link/subscriptions'
import { subscriptionExchange, Client as UrqlClient } from '@urql/core'
import { type Client, createClient } from 'graphql-ws'
import { describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { startServer } from '../support/carillon.ts'
import { openTcpProxy } from '../support/tcp-proxy.ts'

/** A result, as the client library hands it on. */
interface Result {
  readonly data?: unknown
  readonly extensions?: Record<string, unknown> | undefined
}

/** What a subscriber was shown. */
interface Seen {
  readonly sequence: number
  readonly resumed: boolean
}

type Listen = (client: Client, query: string, see: (result: Result) => void) => void

const CLIENTS: readonly [string, Listen][] = [
  [
    'graphql-ws',
    (client, query, see) => {
      client.subscribe({ query }, { next: see, error: fail, complete: () => {} })
    },
  ],
  [
    'Apollo Client',
    (client, query, see) => {
      const apollo = new ApolloClient({
        link: new GraphQLWsLink(client),
        cache: new InMemoryCache(),
      })
      apollo
        .subscribe({ query: gql(query), fetchPolicy: 'no-cache' })
        .subscribe({ next: see, error: fail })
    },
  ],
  [
    'urql',
    (client, query, see) => {
      const urql = new UrqlClient({
        url: 'http://127.0.0.1/graphql',
        preferGetMethod: false,
        exchanges: [
          subscriptionExchange({
            forwardSubscription: ({ query: text = '', variables }) => ({
              subscribe: (sink) => {
                const unsubscribe = client.subscribe(
                  { query: text, variables: variables as Record<string, unknown> },
                  sink as never,
                )
                return { unsubscribe }
              },
            }),
          }),
        ],
      })
      urql.subscription(query, {}).subscribe(({ error, ...result }) => {
        if (error !== undefined) fail(error)
        else see(result)
      })
    },
  ],
]

function fail(error: unknown): never {
  throw error instanceof Error ? error : new Error(JSON.stringify(error))
}

function clientOf(port: number, clientId: string): Client {
  return createClient({
    url: `ws://127.0.0.1:${port}/graphql`,
    webSocketImpl: WebSocket,
    connectionParams: { clientId },
    lazy: true,
    retryAttempts: Number.POSITIVE_INFINITY,
    retryWait: () => delay(5),
    shouldRetry: () => true,
  })
}

const CUTS = 100

describe.each(CLIENTS)('%s, whose connection is cut in mid-stream', (name, listen) => {
  test(`misses nothing in ${CUTS} cuts, and knows what may be a repeat`, {
    timeout: 120_000,
  }, async () => {
    await using server = await startServer()
    await using proxy = await openTcpProxy(Number(new URL(server.url).port))
    const topic = `chat:${name.replaceAll(' ', '-')}`
    const seen: Seen[] = []
    const client = clientOf(proxy.port, 'tab-1')
    listen(
      client,
      `subscription { messages(topics: "${topic}") { id sequence payload } }`,
      ({ data, extensions }) => {
        const { sequence } = (data as { messages: { sequence: number } }).messages
        const carillon = extensions?.carillon as { resumed?: boolean } | undefined
        seen.push({ sequence, resumed: carillon?.resumed === true })
      },
    )
    const publish = () => server.carillon.publish({ topic, payload: 'hi' })
    while (seen.length === 0) await publish()
    for (let cut = 0; cut < CUTS; cut++) {
      const connections = proxy.accepted
      for (let n = 0; n < 1 + (cut % 7); n++) await publish()
      proxy.cut()
      for (let n = 0; n < cut % 4; n++) await publish()
      while (proxy.accepted === connections) await delay(1)
    }
    const last = (await publish()).message.sequence ?? 0
    while (!seen.some(({ sequence }) => sequence === last)) await delay(5)
    const first = seen[0]?.sequence ?? 0
    expect([...new Set(seen.map(({ sequence }) => sequence))]).toEqual(
      Array.from({ length: last - first + 1 }, (_, n) => first + n),
    )
    expect(unmarkedRepeats(seen)).toEqual([])
    await client.dispose()
  })
})

/** What came twice without a mark. */
function unmarkedRepeats(seen: readonly Seen[]): readonly Seen[] {
  const known = new Set<number>()
  return seen.filter((one) => {
    const isRepeat = known.has(one.sequence)
    known.add(one.sequence)
    return isRepeat && !one.resumed
  })
}

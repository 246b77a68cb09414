import { setTimeout as delay } from 'node:timers/promises'
import { ApolloClient, gql, InMemoryCache } from '@apollo/client'
import { GraphQLWsLink } from '@apollo/client/link/subscriptions'
import { subscriptionExchange, Client as UrqlClient } from '@urql/core'
import { type Client, type ClientOptions, createClient } from 'graphql-ws'
import { WebSocket } from 'ws'
import { carillonCache, carillonLink } from '../../src/apollo/index.ts'
import type { FollowOptions } from '../../src/links/following.ts'
import { carillonExchange } from '../../src/urql/index.ts'

// GraphQLWsLink looks at it to tell errors apart; Node has none before 22.
Object.assign(globalThis, { WebSocket: globalThis.WebSocket ?? WebSocket })

/** What a library tells of a subscription. */
export interface Told {
  readonly next: (data: Record<string, unknown>) => void
  readonly error: (error: unknown) => void
}

export interface Asked {
  readonly query: string
  readonly variables?: Record<string, unknown>
}

/** Subscribes by a library with our link or exchange, over the connection of a graphql-ws client. Answers how to end it. */
export type Follow = (
  client: Client,
  asked: Asked,
  told: Told,
  options?: FollowOptions,
) => () => void

/** So that tests need not wait. */
const SOON: FollowOptions = { backoff: { baseMs: 5, maxMs: 50 } }

/** Libraries with ours in front of their transport. */
export const FOLLOWED: readonly [string, Follow][] = [
  [
    'Apollo Client with carillonLink',
    (client, { query, variables = {} }, told, options = SOON) => {
      const apollo = new ApolloClient({
        link: carillonLink(options).concat(new GraphQLWsLink(client)),
        cache: new InMemoryCache(carillonCache()),
      })
      const subscription = apollo.subscribe({ query: gql(query), variables }).subscribe({
        next: ({ data, error }) => {
          if (error !== undefined) told.error(error)
          else told.next(data as Record<string, unknown>)
        },
        error: told.error,
      })
      return () => subscription.unsubscribe()
    },
  ],
  [
    'urql with carillonExchange',
    (client, { query, variables = {} }, told, options = SOON) => {
      const urql = new UrqlClient({
        url: 'http://127.0.0.1/graphql',
        preferGetMethod: false,
        exchanges: [carillonExchange(options), transportOf(client)],
      })
      const subscription = urql.subscription(query, variables).subscribe(({ data, error }) => {
        if (error !== undefined) told.error(error)
        else told.next(data)
      })
      return () => subscription.unsubscribe()
    },
  ],
]

/** As the documentation of urql has it. */
export function transportOf(client: Client) {
  return subscriptionExchange({
    forwardSubscription: ({ query = '', variables }) => ({
      subscribe: (sink) => ({
        unsubscribe: client.subscribe(
          { query, variables: variables as Record<string, unknown> },
          sink as never,
        ),
      }),
    }),
  })
}

/** A client without a name, so that only cursors can make it go on. */
export function namelessClient(port: number, options: Partial<ClientOptions> = {}): Client {
  return createClient({
    url: `ws://127.0.0.1:${port}/graphql`,
    webSocketImpl: WebSocket,
    retryAttempts: Number.POSITIVE_INFINITY,
    retryWait: () => delay(2),
    shouldRetry: () => true,
    ...options,
  })
}

import { ApolloClient, gql, InMemoryCache } from '@apollo/client'
import { GraphQLWsLink } from '@apollo/client/link/subscriptions'
import { subscriptionExchange, Client as UrqlClient } from '@urql/core'
import type { Client } from 'graphql-ws'

/** A result, as the client library hands it on. */
export interface Result {
  readonly data?: unknown
  readonly extensions?: Record<string, unknown> | undefined
}

/** Subscribes by a library, over the connection of a graphql-ws client. */
export type Listen = (client: Client, query: string, see: (result: Result) => void) => void

/** Unmodified client libraries. */
export const CLIENTS: readonly [string, Listen][] = [
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

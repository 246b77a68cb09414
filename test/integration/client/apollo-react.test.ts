import '../../support/dom.ts' // first: react-dom looks once whether there is a document

import { ApolloClient, ApolloLink, gql, HttpLink, InMemoryCache } from '@apollo/client'
import { GraphQLWsLink } from '@apollo/client/link/subscriptions'
import { ApolloProvider, useQuery } from '@apollo/client/react'
import { OperationTypeNode } from 'graphql'
import { createElement, StrictMode, useEffect } from 'react'
import { createRoot } from 'react-dom/client'
import { expect, test } from 'vitest'
import {
  addMessage,
  carillonCache,
  carillonLink,
  type LiveMessage,
  liveStart,
} from '../../../src/apollo/index.ts'
import { startServer } from '../../support/carillon.ts'
import { newElement } from '../../support/dom.ts'
import { namelessClient } from '../../support/followed-libraries.ts'
import { openTcpProxy } from '../../support/tcp-proxy.ts'

const SOON = { timeout: 20_000, interval: 5 }

const HISTORY = gql`
  query Shown($topic: TopicName!, $last: Int, $before: Cursor) {
    messages(topic: $topic, last: $last, before: $before) {
      nodes { id topic sequence cursor payload }
      pageInfo { startCursor endCursor hasPreviousPage hasNextPage }
    }
  }
`

const LIVE = gql`
  subscription LiveShown($topics: [TopicPattern!]!, $after: [Cursor!], $last: Int) {
    messages(topics: $topics, after: $after, last: $last) { id topic sequence cursor payload }
  }
`

interface History {
  readonly messages: {
    readonly nodes: readonly { readonly payload: number }[]
    readonly pageInfo: { readonly startCursor: string | null; readonly endCursor: string | null }
  }
}

/** As the documentation has it. */
function Chat({ topic }: { readonly topic: string }) {
  const variables = { topic, last: 5 }
  const { data, client, fetchMore } = useQuery<History>(HISTORY, { variables })
  const isThere = data !== undefined
  useEffect(() => {
    const history = client.readQuery<History>({ query: HISTORY, variables: { topic, last: 5 } })
    if (!isThere || history === null) return
    const start = { topics: topic, ...liveStart(history.messages.pageInfo) }
    const live = client
      .subscribe<{ messages: LiveMessage }>({ query: LIVE, variables: start })
      .subscribe((result) => addMessage(client.cache, result.data?.messages))
    return () => live.unsubscribe()
  }, [client, topic, isThere])
  const older = () =>
    fetchMore({ variables: { before: data?.messages.pageInfo.startCursor ?? null } })
  const shown = data?.messages.nodes.map(({ payload }) => payload).join(' ')
  return createElement('button', { type: 'button', onClick: older }, shown)
}

test('a component shows history and live messages as one list, through cuts', async () => {
  await using server = await startServer()
  await using proxy = await openTcpProxy(Number(new URL(server.url).port))
  const topic = 'apollo-react:1'
  const publish = (first: number, last: number) =>
    server.carillon.publishMany(
      Array.from({ length: last - first + 1 }, (_, n) => ({ topic, payload: first + n })),
    )
  await publish(1, 8)
  const socket = namelessClient(proxy.port)
  const client = new ApolloClient({
    link: ApolloLink.split(
      ({ operationType }) => operationType === OperationTypeNode.SUBSCRIPTION,
      carillonLink().concat(new GraphQLWsLink(socket)),
      new HttpLink({ uri: server.url }),
    ),
    cache: new InMemoryCache(carillonCache()),
  })
  const element = newElement()
  const root = createRoot(element)
  const chat = createElement(Chat, { topic })
  root.render(
    createElement(StrictMode, null, createElement(ApolloProvider, { client, children: chat })),
  )
  await expect.poll(() => element.textContent, SOON).toBe('4 5 6 7 8')
  for (let first = 9; first <= 15; first += 2) {
    await publish(first, first + 1)
    proxy.cut()
  }
  await expect.poll(() => element.textContent, SOON).toBe('4 5 6 7 8 9 10 11 12 13 14 15 16')
  element.querySelector('button')?.click()
  const all = Array.from({ length: 16 }, (_, n) => n + 1)
  await expect.poll(() => element.textContent, SOON).toBe(all.join(' '))
  root.unmount()
  client.cache.evict({ id: 'ROOT_QUERY', fieldName: 'messages', args: { topic } })
  client.cache.gc()
  const kept = Object.keys(client.cache.extract() as object).filter((key) => /^Message:/.test(key))
  expect(kept.length).toBe(1) // that of the last result of the subscription
  await socket.dispose()
})

import { Client, cacheExchange, fetchExchange, subscriptionExchange } from '@urql/core'
import { addMessage, carillonExchange, liveStart } from 'carillon/urql'
import { createClient } from 'graphql-ws'
import { WebSocket } from 'ws'
import type { ShownFragment } from './generated/graphql'
import { HISTORY, LIVE, PUBLISH } from './operations'

const url = process.argv[2] ?? 'http://127.0.0.1:4000/graphql'
const topic = 'codegen:urql'

const socket = createClient({ url: url.replace(/^http/, 'ws'), webSocketImpl: WebSocket })
const client = new Client({
  url,
  preferGetMethod: false,
  exchanges: [
    cacheExchange,
    carillonExchange(),
    subscriptionExchange({
      forwardSubscription: ({ query = '', variables }) => ({
        subscribe: (sink) => ({
          unsubscribe: socket.subscribe({ query, variables: { ...variables } }, sink as never),
        }),
      }),
    }),
    fetchExchange,
  ],
})

await client.mutation(PUBLISH, { input: { topic, payload: 'one' } }).toPromise()
const { data } = await client.query(HISTORY, { topic, last: 50 }).toPromise()
if (data === undefined) throw new Error('There is no history.')

let shown: readonly ShownFragment[] = data.messages.nodes
const live = client.subscription(LIVE, { topics: topic, ...liveStart(data.messages.pageInfo) })
const done = new Promise<void>((resolve) => {
  const subscription = live.subscribe((result) => {
    shown = addMessage(shown, result.data?.messages)
    if (shown.at(-1)?.payload !== 'two') return
    subscription.unsubscribe()
    resolve()
  })
})
await client.mutation(PUBLISH, { input: { topic, payload: 'two' } }).toPromise()
await done
for (const { sequence, payload } of shown) console.log(sequence, payload)
await socket.dispose()

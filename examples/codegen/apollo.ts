import { ApolloClient, ApolloLink, HttpLink, InMemoryCache } from '@apollo/client'
import { GraphQLWsLink } from '@apollo/client/link/subscriptions'
import { addMessage, carillonCache, carillonLink, liveStart } from 'carillon/apollo'
import { OperationTypeNode } from 'graphql'
import { createClient } from 'graphql-ws'
import { WebSocket } from 'ws'
import { HISTORY, LIVE, PUBLISH } from './operations'

const uri = process.argv[2] ?? 'http://127.0.0.1:4000/graphql'
const topic = 'codegen:apollo'

const socket = createClient({ url: uri.replace(/^http/, 'ws'), webSocketImpl: WebSocket })
const client = new ApolloClient({
  link: ApolloLink.split(
    ({ operationType }) => operationType === OperationTypeNode.SUBSCRIPTION,
    carillonLink().concat(new GraphQLWsLink(socket)),
    new HttpLink({ uri }),
  ),
  cache: new InMemoryCache(carillonCache()),
})

await client.mutate({ mutation: PUBLISH, variables: { input: { topic, payload: 'one' } } })
const history = { query: HISTORY, variables: { topic, last: 50 } }
const { data } = await client.query(history)
if (data === undefined) throw new Error('There is no history.')

const variables = { topics: topic, ...liveStart(data.messages.pageInfo) }
const done = new Promise<void>((resolve) => {
  const subscription = client.subscribe({ query: LIVE, variables }).subscribe((result) => {
    addMessage(client.cache, result.data?.messages)
    if (result.data?.messages.payload !== 'two') return
    subscription.unsubscribe()
    resolve()
  })
})
await client.mutate({ mutation: PUBLISH, variables: { input: { topic, payload: 'two' } } })
await done
const shown = client.readQuery(history)?.messages.nodes ?? []
for (const { sequence, payload } of shown) console.log(sequence, payload)
await socket.dispose()

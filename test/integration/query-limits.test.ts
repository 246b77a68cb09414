import { getIntrospectionQuery } from 'graphql'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { request, startServer, type TestServer } from '../support/carillon.ts'
import { openAcknowledged } from '../support/websocket.ts'

let server: TestServer

beforeAll(async () => {
  server = await startServer()
})
afterAll(() => server[Symbol.asyncDispose]())

interface Question {
  readonly query: string
  readonly variables?: Record<string, unknown>
}

async function overHttp({ query, variables }: Question) {
  const { errors } = await request(server.url, query, variables)
  return errors?.map(({ extensions }) => extensions)
}

async function overSocket(payload: Question) {
  await using raw = await openAcknowledged(server.socketUrl)
  raw.send({ id: '1', type: 'subscribe', payload })
  const { type, payload: answer } = await raw.receive()
  if (type !== 'error') return undefined
  return (answer as readonly { readonly extensions: unknown }[]).map(({ extensions }) => extensions)
}

const aliases = Array.from({ length: 51 }, (_, n) => `a${n}: __typename`).join(' ')
const directives = '... @skip(if: true) { __typename } '.repeat(51)
const pages = `query ($n: Int!) {
  topics(first: $n) { nodes { messages(last: $n) { nodes { id } } } }
}`

const OVER: readonly [string, Question][] = [
  [
    'queryDepth',
    { query: `{ __type(name: "A") { ${'ofType { '.repeat(20)} name ${'} '.repeat(20)} } }` },
  ],
  ['queryTokens', { query: `{ ${'__typename '.repeat(2_000)} }` }],
  ['queryAliases', { query: `{ ${aliases} }` }],
  ['queryDirectives', { query: `{ ${directives} }` }],
  [
    'queryCost',
    { query: '{ topics(first: 1000) { nodes { messages(last: 1000) { nodes { id } } } } }' },
  ],
  ['queryCost', { query: pages, variables: { n: 1_000 } }],
]

const TRANSPORTS = [
  ['HTTP', overHttp],
  ['WebSocket', overSocket],
] as const

test.each(TRANSPORTS)('over %s, each limit refuses what is over it by its name', async (_, ask) => {
  for (const [limit, question] of OVER) {
    expect(await ask(question)).toEqual([{ code: 'INVALID_INPUT', retryable: false, limit }])
  }
})

test.each(TRANSPORTS)('over %s, what clients ask for passes', async (_, ask) => {
  const scalars =
    'id topic sequence cursor type payload metadata encrypted from clientId to ephemeral'
  for (const question of [
    { query: getIntrospectionQuery() },
    { query: `{ messages(topic: "a", first: 1000) { nodes { ${scalars} } } }` },
    { query: pages, variables: { n: 20 } },
  ]) {
    expect(await ask(question)).toBeUndefined()
  }
})

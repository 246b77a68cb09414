import { ApolloClient, gql, HttpLink, InMemoryCache } from '@apollo/client'
import { GraphQLWsLink } from '@apollo/client/link/subscriptions'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { addMessage, carillonCache, carillonLink, liveStart } from '../../../src/apollo/index.ts'
import { startServer, type TestServer } from '../../support/carillon.ts'
import { namelessClient } from '../../support/followed-libraries.ts'

const SOON = { timeout: 20_000, interval: 5 }

const MESSAGE = gql`
  fragment Shown on Message {
    id
    topic
    sequence
    cursor
    from
    type
    payload
  }
`

const HISTORY = gql`
  query History($topic: TopicName!, $first: Int, $after: Cursor, $last: Int, $before: Cursor, $types: [String!]) {
    messages(topic: $topic, first: $first, after: $after, last: $last, before: $before, types: $types) {
      nodes { ...Shown }
      pageInfo { startCursor endCursor hasPreviousPage hasNextPage }
      headSequence
    }
  }
  ${MESSAGE}
`

const LIVE = gql`
  subscription Live($topics: [TopicPattern!]!, $after: [Cursor!], $last: Int) {
    messages(topics: $topics, after: $after, last: $last) { ...Shown }
  }
  ${MESSAGE}
`

interface Page {
  readonly messages: {
    readonly nodes: readonly { readonly sequence: number; readonly payload: unknown }[]
    readonly pageInfo: {
      readonly startCursor: string | null
      readonly endCursor: string | null
      readonly hasPreviousPage: boolean
      readonly hasNextPage: boolean
    }
    readonly headSequence: number
  }
}

let server: TestServer
let topics = 0

beforeAll(async () => {
  server = await startServer()
})
afterAll(() => server[Symbol.asyncDispose]())

function newApollo() {
  return new ApolloClient({
    link: new HttpLink({ uri: server.url }),
    cache: new InMemoryCache(carillonCache()),
  })
}

async function topicWith(count: number): Promise<string> {
  const topic = `apollo:${++topics}`
  await publish(topic, 1, count)
  return topic
}

async function publish(topic: string, first: number, last = first, type = 'message') {
  const payloads = Array.from({ length: last - first + 1 }, (_, n) => first + n)
  await server.carillon.publishMany(payloads.map((payload) => ({ topic, type, payload })))
}

/** What is in the cache, whatever was asked for. */
function listed(apollo: ApolloClient, topic: string): Page['messages'] | undefined {
  return apollo.readQuery<Page>({ query: HISTORY, variables: { topic } })?.messages
}

function sequences(page: Page['messages'] | undefined): readonly number[] | undefined {
  return page?.nodes.map(({ sequence }) => sequence)
}

async function fetchPage(apollo: ApolloClient, variables: Record<string, unknown>) {
  const fetchPolicy = 'network-only'
  const { data } = await apollo.query<Page>({ query: HISTORY, variables, fetchPolicy })
  if (data === undefined) throw new Error('There is no page.')
  return data.messages
}

async function live(topic: string, sequence: number) {
  const { messages } = await server.carillon.messages({ topic, last: 100 })
  const message = messages.find((one) => one.sequence === sequence)
  if (message === undefined) throw new Error(`There is no message ${sequence}.`)
  const { id, cursor, from, type, payload } = message
  return { id, topic, sequence, cursor, from, type, payload }
}

function range(first: number, last: number): readonly number[] {
  return Array.from({ length: last - first + 1 }, (_, n) => first + n)
}

test('pages and live messages are one list: in order, without doubles, up to the ends', async () => {
  const topic = await topicWith(60)
  const apollo = newApollo()
  const newest = await fetchPage(apollo, { topic, last: 20 })
  const client = namelessClient(Number(new URL(server.url).port))
  const link = carillonLink().concat(new GraphQLWsLink(client))
  const variables = { topics: [topic], ...liveStart(newest.pageInfo) }
  const socket = new ApolloClient({ link, cache: apollo.cache })
  const subscription = socket
    .subscribe<{ messages: never }>({ query: LIVE, variables })
    .subscribe(({ data }) => addMessage(apollo.cache, data?.messages))
  await publish(topic, 61, 70)
  await expect.poll(() => sequences(listed(apollo, topic)), SOON).toEqual(range(41, 70))
  for (let page = newest; page.pageInfo.hasPreviousPage; ) {
    const { startCursor: before } = listed(apollo, topic)?.pageInfo ?? {}
    page = await fetchPage(apollo, { topic, last: 20, before })
  }
  const all = listed(apollo, topic)
  expect(sequences(all)).toEqual(range(1, 70))
  expect(all?.nodes.map(({ payload }) => payload)).toEqual(range(1, 70))
  expect(all?.headSequence).toBe(70)
  expect(all?.pageInfo).toMatchObject({ hasPreviousPage: false, hasNextPage: false })
  const { cursor } = await live(topic, 70)
  expect(all?.pageInfo.endCursor).toBe(cursor)
  subscription.unsubscribe()
  await client.dispose()
})

test('pages may come in any order, and more than once', async () => {
  const topic = await topicWith(50)
  const cursorAt = async (sequence: number) => (await live(topic, sequence)).cursor
  const apollo = newApollo()
  await fetchPage(apollo, { topic, last: 10 })
  await fetchPage(apollo, { topic, first: 10, after: await cursorAt(10) })
  await fetchPage(apollo, { topic, last: 15, before: await cursorAt(11) })
  await fetchPage(apollo, { topic, first: 10, after: await cursorAt(10) })
  await fetchPage(apollo, { topic, last: 25, before: await cursorAt(45) })
  const all = listed(apollo, topic)
  expect(sequences(all)).toEqual(range(1, 50))
  expect(all?.pageInfo).toMatchObject({ hasPreviousPage: false, hasNextPage: false })
})

test('the newest page takes the place of a list that it does not touch', async () => {
  const topic = await topicWith(10)
  const apollo = newApollo()
  await fetchPage(apollo, { topic, last: 5 })
  await publish(topic, 11, 40)
  await fetchPage(apollo, { topic, last: 5 })
  expect(sequences(listed(apollo, topic))).toEqual(range(36, 40))
  await publish(topic, 41, 43)
  await fetchPage(apollo, { topic, last: 5 })
  expect(sequences(listed(apollo, topic))).toEqual(range(36, 43))
})

test('a list that is not at the present gets live messages with its pages', async () => {
  const topic = await topicWith(10)
  const apollo = newApollo()
  const oldest = await fetchPage(apollo, { topic, first: 5 })
  addMessage(apollo.cache, await live(topic, 10))
  expect(sequences(listed(apollo, topic))).toEqual(range(1, 5))
  await fetchPage(apollo, { topic, first: 5, after: oldest.pageInfo.endCursor })
  addMessage(apollo.cache, await live(topic, 10))
  await publish(topic, 11)
  addMessage(apollo.cache, await live(topic, 11))
  expect(sequences(listed(apollo, topic))).toEqual(range(1, 11))
})

test('live messages come into the lists that their filters let them into', async () => {
  const topic = await topicWith(2)
  const apollo = newApollo()
  await fetchPage(apollo, { topic, last: 5 })
  await fetchPage(apollo, { topic, last: 5, types: ['note'] })
  await publish(topic, 3, 3, 'note')
  for (const sequence of [3, 2]) addMessage(apollo.cache, await live(topic, sequence))
  const notes = apollo.readQuery<Page>({ query: HISTORY, variables: { topic, types: ['note'] } })
  expect(sequences(listed(apollo, topic))).toEqual([1, 2, 3])
  expect(sequences(notes?.messages)).toEqual([3])
})

test('an empty topic begins with its first live message, and a new epoch with a new list', async () => {
  const topic = await topicWith(0)
  const apollo = newApollo()
  const { pageInfo } = await fetchPage(apollo, { topic, last: 5 })
  expect(liveStart(pageInfo)).toEqual({ last: 1_000 })
  await publish(topic, 1, 2)
  for (const sequence of [1, 2]) addMessage(apollo.cache, await live(topic, sequence))
  expect(sequences(listed(apollo, topic))).toEqual([1, 2])
  await server.carillon.purgeTopic(topic)
  await publish(topic, 3)
  addMessage(apollo.cache, await live(topic, 1))
  expect(listed(apollo, topic)?.nodes).toMatchObject([{ sequence: 1, payload: 3 }])
  await fetchPage(apollo, { topic, last: 5 })
  expect(listed(apollo, topic)?.nodes).toMatchObject([{ sequence: 1, payload: 3 }])
})

test('a list of Topic.messages gets them, too, whether it has nodes or edges', async () => {
  const topic = await topicWith(3)
  const apollo = newApollo()
  const query = gql`
    query ($topic: TopicName!) {
      topic(name: $topic) {
        id
        name
        messages(last: 2) {
          edges { cursor node { id sequence } }
          pageInfo { startCursor endCursor hasPreviousPage hasNextPage }
        }
      }
    }
  `
  await apollo.query({ query, variables: { topic } })
  await publish(topic, 4)
  addMessage(apollo.cache, await live(topic, 4))
  addMessage(apollo.cache, await live(topic, 4))
  const data = apollo.readQuery<{
    topic: { messages: { edges: { node: { sequence: number } }[] } }
  }>({ query, variables: { topic } })
  const numbers = data?.topic.messages.edges.map(({ node }) => node.sequence)
  expect(numbers).toEqual([2, 3, 4])
})

test('ephemeral messages are in no list', async () => {
  const topic = await topicWith(1)
  const apollo = newApollo()
  await fetchPage(apollo, { topic, last: 5 })
  addMessage(apollo.cache, { id: 'ephemeral', topic, sequence: null, cursor: null })
  addMessage(apollo.cache, undefined)
  expect(sequences(listed(apollo, topic))).toEqual([1])
})

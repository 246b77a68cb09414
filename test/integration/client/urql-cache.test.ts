import { fetchExchange, gql, Client as UrqlClient } from '@urql/core'
import { cacheExchange } from '@urql/exchange-graphcache'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  addMessage,
  carillonCache,
  carillonExchange,
  liveStart,
  mergeMessages,
} from '../../../src/urql/index.ts'
import { startServer, type TestServer } from '../../support/carillon.ts'
import { namelessClient, transportOf } from '../../support/followed-libraries.ts'

const SOON = { timeout: 20_000, interval: 5 }

const MESSAGE = 'fragment Shown on Message { id topic sequence cursor from type payload }'

const HISTORY = gql`
  query History($topic: TopicName!, $first: Int, $after: Cursor, $last: Int, $before: Cursor) {
    messages(topic: $topic, first: $first, after: $after, last: $last, before: $before) {
      nodes { ...Shown }
      edges { cursor node { id } }
      pageInfo { startCursor endCursor hasPreviousPage hasNextPage }
      headSequence
    }
  }
  ${gql(MESSAGE)}
`

const LIVE = gql`
  subscription Live($topics: [TopicPattern!]!, $after: [Cursor!], $last: Int) {
    messages(topics: $topics, after: $after, last: $last) { ...Shown }
  }
  ${gql(MESSAGE)}
`

const GOING_ON = gql`
  subscription GoingOn($topics: [TopicPattern!]!, $after: [Cursor!], $last: Int) {
    messages(topics: $topics, after: $after, last: $last, onGap: SKIP) { ...Shown }
  }
  ${gql(MESSAGE)}
`

interface Shown {
  readonly sequence: number
  readonly payload: unknown
}

interface Page {
  readonly nodes: readonly Shown[]
  readonly edges: readonly { readonly cursor: string }[]
  readonly pageInfo: {
    readonly startCursor: string | null
    readonly endCursor: string | null
    readonly hasPreviousPage: boolean
    readonly hasNextPage: boolean
  }
  readonly headSequence: number
}

let server: TestServer
let topics = 0

beforeAll(async () => {
  server = await startServer()
})
afterAll(() => server[Symbol.asyncDispose]())

async function topicWith(count: number): Promise<string> {
  const topic = `urql:${++topics}`
  await publish(topic, 1, count)
  return topic
}

async function publish(topic: string, first: number, last = first) {
  const payloads = Array.from({ length: last - first + 1 }, (_, n) => first + n)
  await server.carillon.publishMany(payloads.map((payload) => ({ topic, payload })))
}

function range(first: number, last: number): readonly number[] {
  return Array.from({ length: last - first + 1 }, (_, n) => first + n)
}

/** A client with Graphcache, whose subscriptions are over a connection of their own. */
function openUrql() {
  const socket = namelessClient(Number(new URL(server.url).port))
  const urql = new UrqlClient({
    url: server.url,
    preferGetMethod: false,
    exchanges: [
      cacheExchange(carillonCache()),
      carillonExchange(),
      transportOf(socket),
      fetchExchange,
    ],
  })
  const page = async (variables: Record<string, unknown>): Promise<Page> => {
    const { data, error } = await urql.query<{ messages: Page }>(HISTORY, variables).toPromise()
    if (data === undefined) throw error
    return data.messages
  }
  return { urql, page, [Symbol.asyncDispose]: async () => void (await socket.dispose()) }
}

describe('Graphcache', () => {
  test('has pages and live messages as one list: in order, without doubles, up to the ends', async () => {
    const topic = await topicWith(60)
    await using opened = openUrql()
    const { urql, page } = opened
    const newest = await page({ topic, last: 20 })
    let shown: Page | undefined
    const watching = urql
      .query<{ messages: Page }>(HISTORY, { topic, last: 20 })
      .subscribe(({ data }) => {
        shown = data?.messages
      })
    const sequences = () => shown?.nodes.map(({ sequence }) => sequence)
    const variables = { topics: [topic], ...liveStart(newest.pageInfo) }
    const live = urql.subscription(LIVE, variables).subscribe(() => {})
    await publish(topic, 61, 70)
    await expect.poll(sequences, SOON).toEqual(range(41, 70))
    for (let before = shown?.pageInfo.startCursor; before != null; ) {
      const { pageInfo } = await page({ topic, last: 20, before })
      before = pageInfo.hasPreviousPage ? pageInfo.startCursor : null
    }
    await expect.poll(sequences, SOON).toEqual(range(1, 70))
    expect(shown?.nodes.map(({ payload }) => payload)).toEqual(range(1, 70))
    expect(shown?.edges.length).toBe(70)
    expect(shown?.pageInfo).toMatchObject({ hasPreviousPage: false, hasNextPage: false })
    expect(shown?.headSequence).toBe(70)
    live.unsubscribe()
    watching.unsubscribe()
  })

  test('fetches a page that it does not have, in any order', async () => {
    const topic = await topicWith(50)
    const { messages } = await server.carillon.messages({ topic, last: 100 })
    const cursorAt = (sequence: number) => messages[sequence - 1]?.cursor
    await using opened = openUrql()
    const { page } = opened
    await page({ topic, last: 10 })
    await page({ topic, first: 10, after: cursorAt(10) })
    await page({ topic, last: 15, before: cursorAt(11) })
    const all = await page({ topic, last: 25, before: cursorAt(45) })
    expect(all.nodes.map(({ sequence }) => sequence)).toEqual(range(1, 50))
    expect(all.pageInfo).toMatchObject({ hasPreviousPage: false, hasNextPage: false })
  })

  test('begins an empty topic with what is live', async () => {
    const topic = await topicWith(0)
    await using opened = openUrql()
    const { urql, page } = opened
    const { pageInfo } = await page({ topic, last: 5 })
    await publish(topic, 1, 2)
    const variables = { topics: [topic], ...liveStart(pageInfo) }
    const live = urql.subscription(LIVE, variables).subscribe(() => {})
    const sequences = async () => (await page({ topic, last: 5 })).nodes.map((one) => one.sequence)
    await expect.poll(sequences, SOON).toEqual([1, 2])
    live.unsubscribe()
  })

  test('after a purge has what came since, and nothing of before', async () => {
    const topic = await topicWith(3)
    await using opened = openUrql()
    const { urql, page } = opened
    const { pageInfo } = await page({ topic, last: 5 })
    const variables = { topics: [topic], ...liveStart(pageInfo) }
    const live = urql.subscription(GOING_ON, variables).subscribe(() => {})
    const sequences = async () => (await page({ topic, last: 5 })).nodes.map((one) => one.sequence)
    await publish(topic, 4, 5)
    await expect.poll(sequences, SOON).toEqual([1, 2, 3, 4, 5])
    await server.carillon.purgeTopic(topic)
    await publish(topic, 1, 2)
    await expect.poll(sequences, SOON).toEqual([1, 2])
    live.unsubscribe()
  })
})

describe('Without a normalised cache', () => {
  const cursorOf = (sequence: number, epoch: string) =>
    Buffer.from(`${sequence}:${epoch}:chat:1`).toString('base64url')
  const at = (sequence: number, epoch = 'aaaaaaaaaaaa') => ({
    sequence,
    cursor: cursorOf(sequence, epoch),
  })

  test('pages and live messages become one list, in whatever order they come', () => {
    const list = [at(5), at(9), at(7), at(7), at(6)].reduce<readonly object[]>(addMessage, [])
    expect(list).toEqual([at(5), at(6), at(7), at(9)])
    expect(mergeMessages([at(3), at(4), at(5)], undefined, [at(1), at(4)])).toEqual([
      at(1),
      at(3),
      at(4),
      at(5),
    ])
  })

  test('a message that is there changes nothing, nor does an ephemeral one', () => {
    const list = [at(5), at(6)]
    expect(addMessage(list, at(5))).toBe(list)
    expect(addMessage(list, undefined)).toBe(list)
    expect(addMessage<{ sequence: number | null }>(list, { sequence: null })).toBe(list)
  })

  test('a new epoch begins a new list', () => {
    const list = [at(5), at(6)]
    expect(addMessage(list, at(1, 'bbbbbbbbbbbb'))).toEqual([at(1, 'bbbbbbbbbbbb')])
    expect(mergeMessages(list, [at(1, 'bbbbbbbbbbbb')])).toEqual([at(1, 'bbbbbbbbbbbb')])
  })
})

import type { EventsRequest, TopicEvent } from 'carillon'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { encodeCursor } from '../../src/core/cursor.ts'
import type { Epoch, Sequence } from '../../src/core/sequence.ts'
import { startServer, type TestServer } from '../support/carillon.ts'
import { readEvents } from '../support/event-stream.ts'
import {
  EVENTS_QUERY,
  receiveInShort,
  shownInShort,
  subscribeToEvents,
  takeInShort,
} from '../support/events.ts'
import { createDatabase, describeWithPostgresql, execute } from '../support/postgresql.ts'
import { rejection } from '../support/rejection.ts'
import { openAcknowledged } from '../support/websocket.ts'

let server: TestServer
let topics = 0

beforeAll(async () => {
  server = await startServer()
})
afterAll(() => server[Symbol.asyncDispose]())

function newTopic(): string {
  return `events:${++topics}`
}

async function publish(topic: string, ...payloads: unknown[]): Promise<void> {
  await server.carillon.publishMany(payloads.map((payload) => ({ topic, payload })))
}

async function cursorAt(topic: string, sequence: number): Promise<string> {
  const { topic: state } = await server.carillon.messages({ topic, last: 1 })
  return encodeCursor({ topic: state.name, epoch: state.epoch, sequence: sequence as Sequence })
}

/** A cursor as it was before the numbering started again. */
async function oldCursorAt(topic: string, sequence: number): Promise<string> {
  const { topic: state } = await server.carillon.messages({ topic, last: 1 })
  const epoch = 'ffffffffffff' as Epoch
  return encodeCursor({ topic: state.name, epoch, sequence: sequence as Sequence })
}

/** One way to take events: what came so far, in short, and more. */
interface Taker extends AsyncDisposable {
  take(count: number): Promise<string[]>
}

async function openLibrary(request: EventsRequest): Promise<Taker> {
  const events = await server.carillon.events(request)
  return {
    take: (count) => takeInShort(events, count),
    [Symbol.asyncDispose]: async () => void (await events.return()),
  }
}

async function openSocket(request: EventsRequest): Promise<Taker> {
  const raw = await openAcknowledged(server.socketUrl)
  subscribeToEvents(raw, request)
  return {
    take: (count) => receiveInShort(raw, count),
    [Symbol.asyncDispose]: () => raw[Symbol.asyncDispose](),
  }
}

async function openStream(request: EventsRequest): Promise<Taker> {
  const abort = new AbortController()
  const response = await fetch(server.url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'text/event-stream' },
    body: JSON.stringify({ query: EVENTS_QUERY, variables: request }),
    signal: abort.signal,
  })
  const events = readEvents(response)
  return {
    async take(count) {
      const seen: string[] = []
      while (seen.length < count) {
        const { value } = await events.next()
        if (value === undefined) break
        seen.push(shownInShort(JSON.parse(value.data).data.events))
      }
      return seen
    },
    async [Symbol.asyncDispose]() {
      abort.abort()
    },
  }
}

const WAYS = [
  ['the library', openLibrary],
  ['a WebSocket', openSocket],
  ['server-sent events', openStream],
] as const

describe.each(WAYS)('Events by %s', (_name, open) => {
  test('say at once that a topic is live, before anything that is published', async () => {
    const topic = newTopic()
    await publish(topic, 'before')
    await using events = await open({ topics: [topic] })
    expect(await events.take(1)).toEqual(['caught up'])
    await publish(topic, 'a', 'b')
    expect(await events.take(2)).toEqual(['live 2', 'live 3'])
    await server.carillon.publish({ topic, payload: 'typing', ephemeral: true })
    expect(await events.take(1)).toEqual(['live typing'])
  })

  test('say once that the topic has caught up, between what was missed and what is live', async () => {
    const topic = newTopic()
    await publish(topic, 1, 2, 3)
    await using events = await open({ topics: [topic], after: [await cursorAt(topic, 1)] })
    expect(await events.take(3)).toEqual(['replayed 2', 'replayed 3', 'caught up'])
    await publish(topic, 4)
    expect(await events.take(1)).toEqual(['live 4'])
  })

  test('of a cursor at the head say at once that it has caught up', async () => {
    const topic = newTopic()
    await publish(topic, 1, 2)
    await using events = await open({ topics: [topic], after: [await cursorAt(topic, 2)] })
    expect(await events.take(1)).toEqual(['caught up'])
    await publish(topic, 3)
    expect(await events.take(1)).toEqual(['live 3'])
  })

  test('say that a topic has caught up where the filters leave all of it out', async () => {
    const topic = newTopic()
    await publish(topic, 1, 2)
    await using events = await open({ topics: [topic], last: 2, types: ['other'] })
    expect(await events.take(1)).toEqual(['caught up'])
    await server.carillon.publish({ topic, payload: 3, type: 'other' })
    expect(await events.take(1)).toEqual(['live 3'])
  })

  test('under a pattern say of each topic that it is live, when it joins', async () => {
    const prefix = newTopic()
    await publish(`${prefix}:old`, 1)
    await using events = await open({ topics: [`${prefix}:*`, `${prefix}:named`] })
    expect(await events.take(1)).toEqual(['caught up'])
    await publish(`${prefix}:new`, 'first')
    expect(await events.take(2)).toEqual(['caught up', 'live 1'])
    await publish(`${prefix}:old`, 'second')
    expect(await events.take(2)).toEqual(['caught up', 'live 2'])
    await publish(`${prefix}:new`, 'second')
    expect(await events.take(1)).toEqual(['live 2'])
  })

  test('of a cursor of before a new epoch tell the gap, then the new epoch from its beginning', async () => {
    const topic = newTopic()
    await publish(topic, 1, 2)
    await using events = await open({ topics: [topic], after: [await oldCursorAt(topic, 40)] })
    expect(await events.take(4)).toEqual([
      'gap EPOCH_CHANGED 41-41',
      'replayed 1',
      'replayed 2',
      'caught up',
    ])
  })

  test('begin with the snapshot, go on with what came after it, and are live then', async () => {
    const topic = newTopic()
    await publish(topic, 1, 2, 3, 4)
    await server.carillon.saveSnapshot({ topic, sequence: 2, state: { sum: 3 } })
    await using events = await open({ topics: [topic], snapshot: true })
    expect(await events.take(4)).toEqual([
      'snapshot 2 {"sum":3}',
      'replayed 3',
      'replayed 4',
      'caught up',
    ])
    await publish(topic, 5)
    expect(await events.take(1)).toEqual(['live 5'])
  })

  test('of topics without a snapshot begin as without the option', async () => {
    const [live, last] = [newTopic(), newTopic()]
    await publish(live, 1)
    await publish(last, 1, 2)
    await using one = await open({ topics: [live], snapshot: true })
    expect(await one.take(1)).toEqual(['caught up'])
    await using other = await open({ topics: [last], snapshot: true, last: 1 })
    expect(await other.take(2)).toEqual(['replayed 2', 'caught up'])
  })

  test('begin with the snapshots under a pattern', async () => {
    const prefix = newTopic()
    await publish(`${prefix}:with`, 1, 2)
    await publish(`${prefix}:without`, 1)
    await server.carillon.saveSnapshot({ topic: `${prefix}:with`, sequence: 1, state: 'one' })
    await using events = await open({ topics: [`${prefix}:*`], snapshot: true })
    expect(await events.take(3)).toEqual(['snapshot 1 "one"', 'replayed 2', 'caught up'])
    await publish(`${prefix}:without`, 2)
    expect(await events.take(2)).toEqual(['caught up', 'live 2'])
  })

  test('go on behind a cursor that is good, and repair one that is not with the snapshot', async () => {
    const topic = newTopic()
    await publish(topic, 1, 2, 3)
    await server.carillon.saveSnapshot({ topic, sequence: 2, state: 'two' })
    const request = { topics: [topic], snapshot: true }
    await using good = await open({ ...request, after: [await cursorAt(topic, 1)] })
    expect(await good.take(3)).toEqual(['replayed 2', 'replayed 3', 'caught up'])
    await using bad = await open({ ...request, after: [await oldCursorAt(topic, 9)] })
    expect(await bad.take(3)).toEqual(['snapshot 2 "two"', 'replayed 3', 'caught up'])
  })

  test('never leave out what is no message, however few messages a second are wanted', async () => {
    const topic = newTopic()
    await publish(topic, 1, 2, 3, 4)
    await using events = await open({ topics: [topic], last: 4, maxPerSecond: 1 })
    expect(await events.take(3)).toEqual(['replayed 1', 'replayed 4', 'caught up'])
  })
})

describe('Events', () => {
  test('a topic that several patterns match is told once', async () => {
    const prefix = newTopic()
    const topic = `${prefix}:a:b`
    const events = await server.carillon.events({
      topics: [topic, `${prefix}:*`, `${prefix}:a:*`],
    })
    await publish(topic, 1, 2)
    expect(await takeInShort(events, 3)).toEqual(['caught up', 'live 1', 'live 2'])
    await events.return()
  })

  test('the cursor of what has caught up is where live begins', async () => {
    const topic = newTopic()
    await publish(topic, 1, 2)
    const events = await server.carillon.events({ topics: [topic], last: 1 })
    await events.next()
    const { value } = (await events.next()) as IteratorResult<TopicEvent, undefined>
    expect(value).toEqual({ kind: 'caughtUp', topic, cursor: await cursorAt(topic, 2) })
    await events.return()
  })

  test('of a consumer begin behind what it has acknowledged', async () => {
    const topic = newTopic()
    await publish(topic, 1, 2, 3)
    await server.carillon.ack({ topic, consumer: 'mailer', sequence: 2 })
    const events = await server.carillon.events({ topics: [topic], consumer: 'mailer' })
    expect(await takeInShort(events, 2)).toEqual(['replayed 3', 'caught up'])
    await events.return()
  })

  test('are refused for a cursor past the head, and for what is no topic', async () => {
    const topic = newTopic()
    await publish(topic, 1)
    const past = server.carillon.events({ topics: [topic], after: [await cursorAt(topic, 2)] })
    expect(await rejection(past)).toMatchObject({ code: 'INVALID_CURSOR' })
    const none = server.carillon.events({ topics: ['*'] })
    expect(await rejection(none)).toMatchObject({ code: 'INVALID_TOPIC_PATTERN' })
  })

  test('while messages are published, every subscriber sees the same order around the same cut', async () => {
    const topic = newTopic()
    await publish(topic, ...Array.from({ length: 90 }, (_, n) => n + 1))
    const publishing = (async () => {
      for (let n = 91; n <= 150; n++) await publish(topic, n)
    })()
    const takers = await Promise.all(
      [0, 30, 60, 90].flatMap((sequence) =>
        [openLibrary, openSocket].map(async (open) => ({
          sequence,
          taker: await open({ topics: [topic], after: [await cursorAt(topic, sequence)] }),
        })),
      ),
    )
    await publishing
    for (const { sequence, taker } of takers) {
      const seen = await taker.take(151 - sequence)
      const cut = seen.indexOf('caught up')
      expect(seen.filter((one) => one === 'caught up')).toHaveLength(1)
      const numbers = seen.filter((one) => one !== 'caught up').map((one) => one.split(' ')[1])
      expect(numbers).toEqual(
        Array.from({ length: 150 - sequence }, (_, n) => `${sequence + n + 1}`),
      )
      expect(seen.slice(0, cut).every((one) => one.startsWith('replayed'))).toBe(true)
      await taker[Symbol.asyncDispose]()
    }
  })

  test('cost one execution a message for all that show them alike', async () => {
    const topic = newTopic()
    const raw = await openAcknowledged(server.socketUrl)
    for (let n = 1; n <= 20; n++) subscribeToEvents(raw, { topics: [topic] }, String(n))
    await receiveInShort(raw, 20)
    const field = server.carillon.schema.getSubscriptionType()?.getFields().events
    const resolve = field?.resolve
    if (field === undefined || resolve === undefined) throw new Error('There is no such field.')
    let executions = 0
    field.resolve = (...args) => {
      executions++
      return resolve(...args)
    }
    await publish(topic, 1)
    expect(await receiveInShort(raw, 20)).toEqual(Array.from({ length: 20 }, () => 'live 1'))
    expect(executions).toBe(1)
    field.resolve = resolve
    await raw[Symbol.asyncDispose]()
  })
})

describeWithPostgresql('Events of what is no longer kept', () => {
  test('tell the gap, in its place, and go on with the oldest message', async () => {
    await using database = await createDatabase()
    await using kept = await startServer({ databaseUrl: database.url })
    const { carillon } = kept
    const topic = 'kept:1'
    await carillon.publishMany([1, 2, 3, 4, 5].map((payload) => ({ topic, payload })))
    await carillon.saveSnapshot({ topic, sequence: 2, state: 'two' })
    const { messages } = await carillon.messages({ topic, first: 1 })
    const after = [messages[0]?.cursor ?? '']
    await execute(database.url, 'DELETE FROM carillon.messages WHERE sequence <= 3')
    await execute(database.url, 'UPDATE carillon.topics SET tail = 4')
    const events = await carillon.events({ topics: [topic], after })
    expect(await takeInShort(events, 4)).toEqual([
      'gap RETENTION 2-3',
      'replayed 4',
      'replayed 5',
      'caught up',
    ])
    const repaired = await carillon.events({ topics: [topic], after, snapshot: true })
    expect(await takeInShort(repaired, 5)).toEqual([
      'snapshot 2 "two"',
      'gap RETENTION 3-3',
      'replayed 4',
      'replayed 5',
      'caught up',
    ])
  })
})

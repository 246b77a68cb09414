import { createElement, useReducer } from 'react'
import { renderToString } from 'react-dom/server'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import {
  CarillonProvider,
  type ConnectionInfo,
  type PresenceState,
  type UseMessagesOptions,
  type UseMessagesResult,
  type UsePublishResult,
  useConnection,
  useMessages,
  usePresence,
  usePublish,
} from '../../../src/react/index.ts'
import { startServer, type TestServer } from '../../support/carillon.ts'
import { type Mounted, mount, type WatchedClient, watchedClient } from '../../support/react.ts'
import { openTcpProxy } from '../../support/tcp-proxy.ts'
import { SECRET, tokenOf } from '../../support/tokens.ts'

const SOON = { timeout: 20_000, interval: 5 }

const EVENTS = 'subscription Events'
const PRESENCE = 'subscription Presence'

let server: TestServer
let topics = 0

beforeAll(async () => {
  server = await startServer()
})
afterAll(() => server[Symbol.asyncDispose]())

function newTopic(): string {
  return `react:${++topics}`
}

async function publish(topic: string, first: number, last = first): Promise<void> {
  const payloads = Array.from({ length: last - first + 1 }, (_, n) => first + n)
  await server.carillon.publishMany(payloads.map((payload) => ({ topic, payload })))
}

function range(first: number, last: number): readonly number[] {
  return Array.from({ length: last - first + 1 }, (_, n) => first + n)
}

interface Room extends Mounted {
  /** What the hooks answered, each time they were asked. */
  readonly renders: (UseMessagesResult<number> & UsePublishResult<number>)[]
  readonly now: () => UseMessagesResult<number> & UsePublishResult<number>
  readonly payloads: () => readonly number[]
  readonly change: (topic: string, options?: UseMessagesOptions<number>) => void
}

/** A component that shows a topic and publishes to it. */
function openRoom(
  { client }: WatchedClient,
  topic: string,
  options?: UseMessagesOptions<number>,
): Room {
  const renders: Room['renders'] = []
  function Chat({ topic, options }: { topic: string; options?: UseMessagesOptions<number> }) {
    const shown = { ...useMessages<number>(topic, options), ...usePublish<number>(topic) }
    renders.push(shown)
    return shown.messages.map(({ payload }) => payload).join(' ')
  }
  const nodeOf = (...props: [string, UseMessagesOptions<number>?]) =>
    createElement(Chat, { topic: props[0], ...(props[1] && { options: props[1] }) })
  const mounted = mount(client, nodeOf(topic, options))
  const now = () => {
    const last = renders.at(-1)
    expect.assert(last !== undefined, 'nothing was rendered yet')
    return last
  }
  return {
    ...mounted,
    renders,
    now,
    payloads: () => renders.at(-1)?.messages.map(({ payload }) => payload) ?? [],
    change: (...props) => mounted.render(nodeOf(...props)),
  }
}

describe('useMessages', () => {
  test('shows history and what comes live, over one subscription in strict mode', async () => {
    const topic = newTopic()
    await publish(topic, 1, 3)
    await using watched = watchedClient(server.url)
    using room = openRoom(watched, topic)
    await expect.poll(room.payloads, SOON).toEqual([1, 2, 3])
    await publish(topic, 4, 5)
    await expect.poll(() => room.element.textContent, SOON).toBe('1 2 3 4 5')
    expect(room.now()).toMatchObject({ status: 'ready', hasEarlier: false, error: undefined })
    expect(watched.wire.begun(EVENTS)).toBe(1)
  })

  test('shares one subscription between the components that show a topic', async () => {
    const topic = newTopic()
    await publish(topic, 1, 3)
    await using watched = watchedClient(server.url)
    using one = openRoom(watched, topic)
    await expect.poll(one.payloads, SOON).toEqual([1, 2, 3])
    using other = openRoom(watched, topic)
    await expect.poll(other.payloads, SOON).toEqual([1, 2, 3])
    await expect.poll(() => watched.wire.open(EVENTS), SOON).toBe(1)
    one.unmount()
    await publish(topic, 4)
    await expect.poll(other.payloads, SOON).toEqual([1, 2, 3, 4])
  })

  test('ends its subscription when it is unmounted', async () => {
    const topic = newTopic()
    await using watched = watchedClient(server.url)
    using room = openRoom(watched, topic)
    await expect.poll(() => room.now().status, SOON).toBe('ready')
    expect(watched.wire.open(EVENTS)).toBe(1)
    room.unmount()
    await expect.poll(() => watched.wire.open(EVENTS), SOON).toBe(0)
  })

  test('renders no list that is not there: nothing before all of history is', async () => {
    const topic = newTopic()
    await publish(topic, 1, 40)
    await using watched = watchedClient(server.url)
    using room = openRoom(watched, topic)
    await expect.poll(() => room.now().status, SOON).toBe('ready')
    const lengths = new Set(room.renders.map(({ messages }) => messages.length))
    expect([...lengths]).toEqual([0, 40])
  })

  test('loads earlier messages until there are none', async () => {
    const topic = newTopic()
    await publish(topic, 1, 25)
    await using watched = watchedClient(server.url)
    using room = openRoom(watched, topic, { history: 10 })
    await expect.poll(room.payloads, SOON).toEqual(range(16, 25))
    expect(room.now().hasEarlier).toBe(true)
    const both = [room.now().loadEarlier(), room.now().loadEarlier()]
    expect(both[0]).toBe(both[1])
    await expect.poll(() => room.now().isLoadingEarlier, SOON).toBe(true)
    await both[0]
    await expect.poll(room.payloads, SOON).toEqual(range(6, 25))
    await room.now().loadEarlier()
    await expect.poll(room.payloads, SOON).toEqual(range(1, 25))
    await expect.poll(() => room.now().hasEarlier, SOON).toBe(false)
  })

  test('lets go of the oldest where it holds enough, and gets them back', async () => {
    const topic = newTopic()
    await publish(topic, 1, 5)
    await using watched = watchedClient(server.url)
    using room = openRoom(watched, topic, { history: 5, keep: 10 })
    await expect.poll(room.payloads, SOON).toEqual(range(1, 5))
    await publish(topic, 6, 14)
    await expect.poll(room.payloads, SOON).toEqual(range(5, 14))
    expect(room.now().hasEarlier).toBe(true)
    await room.now().loadEarlier()
    await expect.poll(room.payloads, SOON).toEqual(range(1, 14))
    await publish(topic, 15)
    await expect.poll(room.payloads, SOON).toEqual(range(2, 15))
  })

  test('shows every message once, in order, through cuts', async () => {
    const topic = newTopic()
    await using proxy = await openTcpProxy(Number(new URL(server.url).port))
    await using watched = watchedClient(`ws://127.0.0.1:${proxy.port}/graphql`)
    using room = openRoom(watched, topic)
    await expect.poll(() => room.now().status, SOON).toBe('ready')
    for (let last = 0; last < 500; last += 25) {
      await publish(topic, last + 1, last + 25)
      proxy.cut()
    }
    await expect.poll(() => room.payloads().at(-1), SOON).toBe(500)
    expect(room.payloads()).toEqual(range(1, 500))
  })

  test('shows another topic when it is asked for one, and no message of the first', async () => {
    const [one, other] = [newTopic(), newTopic()]
    await publish(one, 1, 2)
    await publish(other, 7, 8)
    await using watched = watchedClient(server.url)
    using room = openRoom(watched, one)
    await expect.poll(room.payloads, SOON).toEqual([1, 2])
    const { length } = room.renders
    room.change(other)
    await expect.poll(room.payloads, SOON).toEqual([7, 8])
    const later = room.renders.slice(length).flatMap(({ messages }) => messages)
    expect(new Set(later.map(({ topic }) => topic))).toEqual(new Set([other]))
    await expect.poll(() => watched.wire.open(EVENTS), SOON).toBe(1)
  })

  test('begins its list anew where the numbering starts again', async () => {
    const topic = newTopic()
    await publish(topic, 1, 2)
    await using watched = watchedClient(server.url)
    const gaps: unknown[] = []
    using room = openRoom(watched, topic, { onGap: ({ reason }) => void gaps.push(reason) })
    await expect.poll(room.payloads, SOON).toEqual([1, 2])
    await server.carillon.purgeTopic(topic)
    await publish(topic, 3)
    await expect.poll(room.payloads, SOON).toEqual([3])
    expect(gaps).toEqual(['EPOCH_CHANGED'])
  })

  test('says why it has failed', async () => {
    await using watched = watchedClient(server.url)
    using room = openRoom(watched, 'no topic')
    await expect.poll(() => room.now().status, SOON).toBe('failed')
    expect(room.now().error?.code).toMatch(/^INVALID_TOPIC/)
  })

  test('answers the same object until something changes, also with options made anew', async () => {
    const topic = newTopic()
    await publish(topic, 1)
    await using watched = watchedClient(server.url)
    const results = new Set<unknown>()
    let again = () => {}
    function Chat() {
      again = useReducer((n: number) => n + 1, 0)[1]
      const shown = useMessages(topic, { types: ['message'], onMessage: () => {} })
      const publishing = usePublish(topic)
      if (shown.status === 'ready') for (const one of [shown, publishing]) results.add(one)
      return null
    }
    using _mounted = mount(watched.client, createElement(Chat))
    await expect.poll(() => results.size, SOON).toBe(2)
    for (let n = 0; n < 3; n++) again()
    await publish(topic, 2)
    await expect.poll(() => results.size, SOON).toBe(3)
    expect(watched.wire.begun(EVENTS)).toBe(1)
  })

  test('tells of each message as it comes, also of ephemeral ones, which are in no list', async () => {
    const topic = newTopic()
    await publish(topic, 1)
    await using watched = watchedClient(server.url)
    const told: number[] = []
    using room = openRoom(watched, topic, { onMessage: ({ payload }) => void told.push(payload) })
    await expect.poll(() => room.now().status, SOON).toBe('ready')
    await server.carillon.publish({ topic, payload: 2, ephemeral: true })
    await publish(topic, 3)
    await expect.poll(room.payloads, SOON).toEqual([1, 3])
    expect(told).toEqual([1, 2, 3])
  })
})

describe('usePublish', () => {
  test('shows what is sent at once, and then once, without a moment in between', async () => {
    const topic = newTopic()
    await using watched = watchedClient(server.url)
    using room = openRoom(watched, topic)
    await expect.poll(() => room.now().status, SOON).toBe('ready')
    for (let payload = 1; payload <= 5; payload++) room.now().send(payload)
    await expect.poll(room.payloads, SOON).toEqual(range(1, 5))
    await expect.poll(() => room.now().outgoing, SOON).toEqual([])
    const { length } = room.renders.filter(({ outgoing }) => outgoing.length > 0)
    expect(length).toBeGreaterThan(0)
    const first = room.renders.findIndex(({ outgoing }) => outgoing.length === 5)
    for (const { messages, outgoing } of room.renders.slice(first)) {
      const shown = [...messages, ...outgoing].map(({ payload }) => payload)
      expect(shown).toEqual(range(1, 5))
    }
  })

  test('keeps what has failed, until it is tried again or dismissed', async () => {
    const topic = newTopic()
    await using watched = watchedClient(server.url)
    using room = openRoom(watched, topic)
    await publish(topic, 1)
    await expect.poll(room.payloads, SOON).toEqual([1])
    const outgoing = room.now().send(2, { expectedHead: 0 })
    await outgoing.settled
    await expect.poll(() => room.now().outgoing[0]?.status, SOON).toBe('failed')
    expect(room.now().outgoing[0]?.error?.code).toBe('SEQUENCE_CONFLICT')
    room.now().outgoing[0]?.retry()
    await expect.poll(() => room.now().outgoing[0]?.status, SOON).toBe('failed')
    room.now().outgoing[0]?.dismiss()
    await expect.poll(() => room.now().outgoing, SOON).toEqual([])
    expect(room.payloads()).toEqual([1])
  })

  test('resolves with the message as it is stored', async () => {
    const topic = newTopic()
    await using watched = watchedClient(server.url)
    using room = openRoom(watched, topic)
    await expect.poll(() => room.now().status, SOON).toBe('ready')
    const message = await room.now().publish(7, { type: 'note' })
    expect(message).toMatchObject({ topic, sequence: 1, payload: 7, type: 'note' })
    await expect.poll(room.payloads, SOON).toEqual([7])
  })
})

describe('usePresence', () => {
  function openPresence({ client }: WatchedClient, topic: string, first?: unknown) {
    const renders: PresenceState[] = []
    function Here({ state }: { state: unknown }) {
      renders.push(usePresence(topic, state))
      return null
    }
    const mounted = mount(client, createElement(Here, { state: first }))
    return {
      ...mounted,
      say: (state: unknown) => mounted.render(createElement(Here, { state })),
      states: () => renders.at(-1)?.members.map(({ userId, state }) => [userId, state]),
      status: () => renders.at(-1)?.status,
      error: () => renders.at(-1)?.error,
    }
  }

  test('shows who is there, says what changes, and leaves with its component', async () => {
    const topic = newTopic()
    await using ann = watchedClient(server.url, { connectionParams: { userId: 'ann' } })
    await using bob = watchedClient(server.url, { connectionParams: { userId: 'bob' } })
    using here = openPresence(ann, topic, { is: 'reading' })
    using watching = openPresence(bob, topic)
    await expect.poll(watching.states, SOON).toEqual([['ann', { is: 'reading' }]])
    here.say({ is: 'typing' })
    await expect.poll(watching.states, SOON).toEqual([['ann', { is: 'typing' }]])
    expect(here.status()).toBe('ready')
    here.unmount()
    await expect.poll(watching.states, SOON).toEqual([])
    expect([ann.wire.begun(PRESENCE), bob.wire.begun(PRESENCE)]).toEqual([1, 1])
  })

  test('says what is wrong with a topic that is none', async () => {
    await using ann = watchedClient(server.url)
    using here = openPresence(ann, 'no topic', { is: 'reading' })
    await expect.poll(here.error, SOON).toMatchObject({ code: 'INVALID_TOPIC_NAME' })
    expect(here.states()).toEqual([])
  })

  test('says why the server does not show who is there', async () => {
    await using strict = await startServer({ jwt: { secret: SECRET } })
    const can = [{ topics: '*', actions: ['SUBSCRIBE'] as const }]
    const onError = vi.fn()
    await using ann = watchedClient(strict.url, { token: await tokenOf({ can }), onError })
    for (const state of [undefined, { is: 'reading' }]) {
      using here = openPresence(ann, newTopic(), state)
      await expect.poll(here.error, SOON).toMatchObject({ code: 'PERMISSION_DENIED' })
      expect(here.status()).toBe('loading')
      expect(here.states()).toEqual([])
    }
    expect(onError).not.toHaveBeenCalled()
  })

  test('says nothing again that has not changed', async () => {
    const topic = newTopic()
    await using ann = watchedClient(server.url, { connectionParams: { userId: 'ann' } })
    using here = openPresence(ann, topic, { is: 'reading' })
    await expect.poll(here.states, SOON).toEqual([['ann', { is: 'reading' }]])
    here.say({ is: 'reading' })
    here.say({ is: 'gone' })
    await expect.poll(here.states, SOON).toEqual([['ann', { is: 'gone' }]])
    expect(ann.wire.begun('mutation UpdatePresence')).toBe(1)
  })
})

test('useConnection follows the client through a lost connection', async () => {
  await using proxy = await openTcpProxy(Number(new URL(server.url).port))
  await using watched = watchedClient(`ws://127.0.0.1:${proxy.port}/graphql`)
  const renders: ConnectionInfo[] = []
  function Status() {
    useMessages(`react:connection`)
    renders.push(useConnection())
    return null
  }
  using _mounted = mount(watched.client, createElement(Status))
  await expect.poll(() => renders.at(-1)?.state, SOON).toBe('live')
  const { length } = renders
  proxy.cut()
  await expect.poll(() => renders.slice(length).some(({ reason }) => reason), SOON).toBe(true)
  await expect.poll(() => renders.at(-1), SOON).toEqual({ state: 'live', reason: undefined })
})

test('on a server everything is empty, and nothing is connected', async () => {
  await using watched = watchedClient(server.url)
  function Page() {
    const { messages, status } = useMessages('react:server')
    const { members } = usePresence('react:server', null)
    const { state } = useConnection()
    return [messages.length, status, members.length, state].join(' ')
  }
  const props = { client: watched.client, children: createElement(Page) }
  expect(renderToString(createElement(CarillonProvider, props))).toBe('0 loading 0 offline')
  expect(watched.client.state).toBe('offline')
})

test('a hook without a provider says so', () => {
  function Page() {
    return useConnection().state
  }
  expect(() => renderToString(createElement(Page))).toThrow('CarillonProvider')
})

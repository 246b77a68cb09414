import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { request, startServer, type TestServer } from '../support/carillon.ts'
import { readEvents } from '../support/event-stream.ts'
import { type PresenceWatch, watchPresence } from '../support/presence.ts'
import { connect, openRawSocket } from '../support/websocket.ts'

const SOON = { timeout: 5_000, interval: 5 }

const GRACE_MS = 1_000

let server: TestServer
let scopes = 0

beforeAll(async () => {
  server = await startServer({ presence: { graceMs: GRACE_MS } })
})
afterAll(() => server[Symbol.asyncDispose]())

/** What the topics of a test begin with, and no others. */
function newScope(): string {
  return `room-${++scopes}`
}

function as(userId: string, clientId?: string) {
  return connect(server.socketUrl, { connectionParams: { userId, clientId } })
}

/** Waits until a watcher was told so much. */
async function told(watch: PresenceWatch, count: number): Promise<void> {
  await expect.poll(() => watch.events.length, SOON).toBeGreaterThanOrEqual(count)
}

describe('presence', () => {
  test('tells everyone first, then who joins, changes and leaves', async () => {
    const scope = newScope()
    await using ann = as('ann', 'phone')
    await using bob = as('bob', 'laptop')
    const watching = watchPresence(ann, `${scope}:1`, { state: { mood: 'calm' } })
    await told(watching, 1)
    const other = watchPresence(bob, `${scope}:1`, { state: null })
    await told(watching, 2)
    await told(other, 1)
    expect(other.lines()).toEqual(['SYNC ann bob'])
    const updated = await request(
      server.url,
      `mutation ($state: JSON) { updatePresence(topic: "${scope}:1", state: $state) { userId state } }`,
      { state: { typing: true } },
      { 'carillon-user-id': 'bob', 'carillon-client-id': 'laptop' },
    )
    expect(updated).toEqual({
      data: { updatePresence: { userId: 'bob', state: { typing: true } } },
    })
    await told(watching, 3)
    other.unsubscribe()
    await told(watching, 4)
    expect(watching.lines()).toEqual(['SYNC ann', 'JOIN bob', 'UPDATE bob', 'LEAVE bob'])
    expect(watching.events[0]?.members).toMatchObject([
      { userId: 'ann', clientIds: ['phone'], state: { mood: 'calm' } },
    ])
    expect(watching.events[2]?.members).toMatchObject([{ state: { typing: true } }])
    expect(watching.users(`${scope}:1`)).toEqual([['ann', { mood: 'calm' }]])
  })

  test('who only listens to messages, or watches, is not present', async () => {
    const scope = newScope()
    await using ann = as('ann')
    const unsubscribe = ann.subscribe(
      { query: `subscription { messages(topics: "${scope}:1") { id } }` },
      { next: () => {}, error: () => {}, complete: () => {} },
    )
    const watching = watchPresence(ann, `${scope}:1`)
    await told(watching, 1)
    expect(watching.lines()).toEqual(['SYNC'])
    const asked = `{ presence(topic: "${scope}:1") { userId } topic(name: "${scope}:1") { presence { userId } } }`
    expect(await request(server.url, asked)).toEqual({
      data: { presence: [], topic: { presence: [] } },
    })
    unsubscribe()
  })

  test('a query and Topic.presence answer who is there', async () => {
    const scope = newScope()
    await using ann = as('ann', 'phone')
    await told(watchPresence(ann, [`${scope}:1`, `${scope}:2`], { state: 1 }), 2)
    const fields = '{ userId clientIds state joinedAt lastSeenAt }'
    const asked = `{ presence(topic: "${scope}:1") ${fields} topic(name: "${scope}:2") { presence ${fields} } }`
    const { data } = await request(server.url, asked)
    const member = {
      ...{ userId: 'ann', clientIds: ['phone'], state: 1 },
      ...{ joinedAt: expect.stringMatching(/Z$/), lastSeenAt: expect.stringMatching(/Z$/) },
    }
    expect(data).toEqual({ presence: [member], topic: { presence: [member] } })
  })

  test('a user is there from the first client to the last; the newest state wins and falls back', async () => {
    const scope = newScope()
    await using watcher = as('watcher')
    const watching = watchPresence(watcher, `${scope}:1`)
    await told(watching, 1)
    await using phone = as('ann', 'phone')
    await using laptop = as('ann', 'laptop')
    const first = watchPresence(phone, `${scope}:1`, { state: 'on the phone' })
    await told(watching, 2)
    const second = watchPresence(laptop, `${scope}:1`, { state: 'at the desk' })
    await told(watching, 3)
    second.unsubscribe()
    await told(watching, 4)
    first.unsubscribe()
    await told(watching, 5)
    const [, joined, both, fallenBack] = watching.events
    expect(watching.lines()).toEqual(['SYNC', 'JOIN ann', 'UPDATE ann', 'UPDATE ann', 'LEAVE ann'])
    expect(joined?.members).toMatchObject([{ clientIds: ['phone'], state: 'on the phone' }])
    expect(both?.members).toMatchObject([{ clientIds: ['laptop', 'phone'], state: 'at the desk' }])
    expect(fallenBack?.members).toMatchObject([{ clientIds: ['phone'], state: 'on the phone' }])
    expect(fallenBack?.members[0]?.joinedAt).toBe(joined?.members[0]?.joinedAt)
  })

  test('a client that comes back within the grace causes no event, and one that does not leaves once', async () => {
    const scope = newScope()
    await using watcher = as('watcher')
    const watching = watchPresence(watcher, `${scope}:1`)
    await told(watching, 1)
    const open = async () => {
      const client = as('ann', 'tab')
      const watch = watchPresence(client, `${scope}:1`, { state: 'here' })
      await told(watch, 1)
      return client
    }
    const first = await open()
    await told(watching, 2)
    first.terminate()
    await delay(100)
    const second = await open()
    await delay(GRACE_MS + 200)
    expect(watching.lines()).toEqual(['SYNC', 'JOIN ann'])
    const terminatedAt = performance.now()
    second.terminate()
    await told(watching, 3)
    expect(performance.now() - terminatedAt).toBeGreaterThan(GRACE_MS - 50)
    await delay(500)
    expect(watching.lines()).toEqual(['SYNC', 'JOIN ann', 'LEAVE ann'])
  })

  test('a client whose connection was cut still says what it said last', async () => {
    const scope = newScope()
    await using watcher = as('watcher')
    const watching = watchPresence(watcher, `${scope}:1`)
    await told(watching, 1)
    await using ann = connect(server.socketUrl, {
      connectionParams: { userId: 'ann', clientId: 'tab' },
      retryAttempts: 5,
      retryWait: () => delay(50),
      shouldRetry: () => true,
    })
    const own = watchPresence(ann, `${scope}:1`, { state: 'idle' })
    await told(watching, 2)
    const query = `mutation { updatePresence(topic: "${scope}:1", state: "typing") { userId } }`
    for await (const { errors } of ann.iterate({ query })) expect(errors).toBeUndefined()
    await told(watching, 3)
    await told(own, 2)
    ann.terminate()
    await told(own, 3)
    await delay(200)
    expect(own.lines().at(-1)).toBe('SYNC ann')
    expect(watching.lines()).toEqual(['SYNC', 'JOIN ann', 'UPDATE ann'])
    expect(own.users(`${scope}:1`)).toEqual([['ann', 'typing']])
  })

  test('many who come at once arrive together', async () => {
    const scope = newScope()
    await using watcher = as('watcher')
    const watching = watchPresence(watcher, `${scope}:1`)
    await told(watching, 1)
    const subscriptions = await Promise.all(
      Array.from({ length: 500 }, (_, index) =>
        server.carillon.presence(
          { topics: [`${scope}:1`], enter: {} },
          { as: { userId: `user-${index}` } },
        ),
      ),
    )
    await expect.poll(() => watching.present(`${scope}:1`).size, SOON).toBe(500)
    expect(watching.events.length).toBeLessThan(8)
    for (const subscription of subscriptions) subscription.close()
    await expect.poll(() => watching.present(`${scope}:1`).size, SOON).toBe(0)
    expect(watching.events.length).toBeLessThan(16)
  })

  test('a pattern tells of the topics in which someone is, and of others from their first member', async () => {
    const scope = newScope()
    await using ann = as('ann')
    await using watcher = as('watcher')
    await told(watchPresence(ann, [`${scope}:1`, `${scope}:2`, `other-${scope}:1`], {}), 3)
    const watching = watchPresence(watcher, [`${scope}:*`, `${scope}:1`])
    await told(watching, 2)
    await using bob = as('bob')
    const entered = watchPresence(bob, [`${scope}:1`, `${scope}:3`], {})
    await told(watching, 4)
    entered.unsubscribe()
    await told(watching, 6)
    await told(watchPresence(bob, `${scope}:3`, {}), 1)
    await told(watching, 7)
    const ofTopic = (name: string) =>
      watching.events
        .filter(({ topic }) => topic === name)
        .map(({ type, members }) => [type, ...members.map(({ userId }) => userId)].join(' '))
    expect(ofTopic(`${scope}:1`)).toEqual(['SYNC ann', 'JOIN bob', 'LEAVE bob'])
    expect(ofTopic(`${scope}:2`)).toEqual(['SYNC ann'])
    expect(ofTopic(`${scope}:3`)).toEqual(['JOIN bob', 'LEAVE bob', 'JOIN bob'])
    expect(ofTopic(`other-${scope}:1`)).toEqual([])
  })

  test('refuses what it cannot do, with an error of the catalogue', async () => {
    const scope = newScope()
    await using ann = as('ann', 'tab')
    const refused = async (topics: string | string[], enter?: { state?: unknown }) => {
      const watch = watchPresence(ann, topics, enter)
      await expect.poll(() => watch.errors.length, SOON).toBe(1)
      return (watch.errors[0] as { extensions: { code: string } }).extensions.code
    }
    expect(await refused(`${scope}:*`, {})).toBe('INVALID_TOPIC_NAME')
    expect(await refused('*')).toBe('INVALID_TOPIC_PATTERN')
    expect(await refused([])).toBe('INVALID_INPUT')
    expect(await refused(Array.from({ length: 101 }, (_, index) => `t:${index}`))).toBe(
      'INVALID_INPUT',
    )
    expect(await refused(`${scope}:1`, { state: 'x'.repeat(4095) })).toBe('PAYLOAD_TOO_LARGE')
    const largest = watchPresence(ann, `${scope}:1`, { state: 'x'.repeat(4094) })
    await told(largest, 1)
    const update = `mutation { updatePresence(topic: "${scope}:2", state: 1) { userId } }`
    const { errors } = await request(server.url, update, {}, { 'carillon-client-id': 'tab' })
    expect(errors?.[0]?.extensions).toEqual({ code: 'INVALID_INPUT', retryable: false })
  })

  test('a client that does not name itself is present by its connection', async () => {
    const scope = newScope()
    await using ann = as('ann')
    const own = watchPresence(ann, `${scope}:1`, { state: 1 })
    await told(own, 1)
    expect(own.events[0]?.members[0]?.clientIds).toHaveLength(1)
    const query = `mutation { updatePresence(topic: "${scope}:1", state: 2) { state } }`
    for await (const { data } of ann.iterate({ query })) {
      expect(data).toEqual({ updatePresence: { state: 2 } })
    }
    await told(own, 2)
    expect(own.users(`${scope}:1`)).toEqual([['ann', 2]])
  })

  test('a watcher that does not read gets a SYNC once it does, and holds nothing up', async () => {
    const topic = `${newScope()}:1`
    await using slow = await openRawSocket(server.socketUrl)
    slow.send({ type: 'connection_init' })
    await slow.receive()
    const query = `subscription { presence(topics: "${topic}") { type members { userId state } } }`
    slow.send({ type: 'subscribe', id: '1', payload: { query } })
    await slow.receive()
    slow.socket.pause()
    const users = Array.from({ length: 100 }, (_, index) => ({
      userId: `user-${index}`,
      clientId: 'tab',
    }))
    const stays = await Promise.all(
      users.map((as) => server.carillon.presence({ topics: [topic], enter: {} }, { as })),
    )
    await using watcher = as('watcher')
    const watching = watchPresence(watcher, topic)
    await told(watching, 1)
    for (let turn = 1; turn <= 40; turn++) {
      const state = `${turn} ${'x'.repeat(4_000)}`
      await Promise.all(users.map((as) => server.carillon.updatePresence({ topic, state }, { as })))
      await expect
        .poll(() => watching.users(topic).filter(([, it]) => it === state).length, SOON)
        .toBe(100)
    }
    slow.socket.resume()
    const types: string[] = []
    for (let isUpToDate = false; !isUpToDate; ) {
      const { payload } = (await slow.receive()) as {
        payload: { data: { presence: { type: string; members: { state: string | null }[] } } }
      }
      const { type, members } = payload.data.presence
      types.push(type)
      isUpToDate = members.length === 100 && members.every(({ state }) => state?.startsWith('40 '))
    }
    expect(types.at(-1)).toBe('SYNC')
    expect(types.length).toBeLessThan(40)
    for (const stay of stays) stay.close()
  })

  test('over server-sent events', async () => {
    const scope = newScope()
    await using watcher = as('watcher')
    const watching = watchPresence(watcher, `${scope}:1`)
    await told(watching, 1)
    const query = `subscription { presence(topics: "${scope}:1", enter: {}) { type members { userId } } }`
    const stop = new AbortController()
    const response = await fetch(server.url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'text/event-stream' },
      body: JSON.stringify({ query }),
      signal: stop.signal,
    })
    const { value } = await readEvents(response).next()
    expect(JSON.parse(value?.data ?? '')).toEqual({
      data: { presence: { type: 'SYNC', members: [{ userId: 'anonymous' }] } },
    })
    await told(watching, 2)
    stop.abort()
    await told(watching, 3)
    expect(watching.lines()).toEqual(['SYNC', 'JOIN anonymous', 'LEAVE anonymous'])
  })

  test('is counted in /metrics', async () => {
    const metric = async (name: string) => {
      const response = await fetch(server.url.replace('/graphql', '/metrics'))
      expect(response.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/)
      const value = new RegExp(`^carillon_presence_${name} (\\d+)$`, 'm').exec(
        await response.text(),
      )
      return Number(value?.[1])
    }
    const [joins, leaves] = [await metric('joins_total'), await metric('leaves_total')]
    const entered = await server.carillon.presence({ topics: ['metric:1', 'metric:2'], enter: {} })
    expect(await metric('joins_total')).toBe(joins + 2)
    expect(await metric('members')).toBeGreaterThanOrEqual(2)
    entered.close()
    expect(await metric('leaves_total')).toBe(leaves + 2)
    expect(await metric('expired_leases_total')).toBe(0)
    expect(await server.carillon.metrics()).toContain('# TYPE carillon_presence_members gauge')
  })

  test('a host that closes ends the subscriptions of the library', async () => {
    await using own = await startServer()
    const subscription = await own.carillon.presence({ topics: ['room:1'] })
    expect((await subscription.next()).value?.type).toBe('SYNC')
    const next = subscription.next()
    await own.carillon.close()
    expect(await next).toEqual({ done: true, value: undefined })
  })
})

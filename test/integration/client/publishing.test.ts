import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { CarillonError } from '../../../src/client/index.ts'
import { startServer, type TestServer } from '../../support/carillon.ts'
import { openClient, recordSockets, SOON, upTo, watchStates } from '../../support/client.ts'
import { startSwallowingProxy } from '../../support/swallowing-proxy.ts'
import { openTcpProxy } from '../../support/tcp-proxy.ts'
import { SECRET, tokenOf } from '../../support/tokens.ts'

let server: TestServer
let topics = 0

beforeAll(async () => {
  server = await startServer()
})
afterAll(() => server[Symbol.asyncDispose]())

function newTopic(): string {
  return `publish:${++topics}`
}

function portOf({ url }: TestServer): number {
  return Number(new URL(url).port)
}

describe('publish', () => {
  test('resolves with the message as it is stored', async () => {
    await using carillon = openClient(server.url, { clientId: 'tab-1' })
    const room = carillon.topic(newTopic())
    const options = { type: 'note', metadata: { trace: 1 }, idempotencyKey: 'k', ttl: 60 } as const
    const message = await room.publish({ text: 'hi' }, { ...options, to: ['ann'] })
    expect(message).toMatchObject({
      topic: room.name,
      sequence: 1,
      type: 'note',
      payload: { text: 'hi' },
      metadata: { trace: 1 },
      idempotencyKey: 'k',
      clientId: 'tab-1',
      to: ['ann'],
      ephemeral: false,
    })
    expect(Object.isFrozen(message)).toBe(true)
    expect(await room.publish({ text: 'hi' }, { ...options, to: ['ann'] })).toEqual(message)
  })

  test('takes what the payload is when it is called', async () => {
    await using carillon = openClient(server.url)
    const payload = { text: 'before' }
    const publishing = carillon.topic(newTopic()).publish(payload)
    payload.text = 'after'
    expect(await publishing).toMatchObject({ payload: { text: 'before' } })
  })

  test('keeps the order of a topic, a burst in few requests', async () => {
    const sockets = recordSockets()
    await using carillon = openClient(server.url, sockets)
    const room = carillon.topic(newTopic())
    const published = await Promise.all(upTo(500).map((payload) => room.publish(payload)))
    expect(published.map(({ sequence }) => sequence)).toEqual(upTo(500))
    expect(published.map(({ payload }) => payload)).toEqual(upTo(500))
    expect(sockets.asked('Publish').length).toBeLessThan(20)
  })

  test('rejects the one that is refused, and publishes those with it', async () => {
    await using carillon = openClient(server.url)
    const room = carillon.topic(newTopic())
    const settled = await Promise.allSettled([
      room.publish(1),
      room.publish(2, { ttl: -1 }),
      room.publish(3),
      room.publish(4, { expectedHead: 7 }),
      room.publish(5, { expectedHead: 2 }),
      room.publish('x'.repeat(40_000)),
      room.publish(undefined),
      room.publish(1n),
    ])
    const outcomes = settled.map((one) =>
      one.status === 'fulfilled' ? one.value.sequence : (one.reason as CarillonError).code,
    )
    expect(outcomes).toEqual([
      1,
      'INVALID_INPUT',
      2,
      'SEQUENCE_CONFLICT',
      3,
      'PAYLOAD_TOO_LARGE',
      'INVALID_PAYLOAD',
      'INVALID_PAYLOAD',
    ])
  })

  test('whose answer is lost is stored once, and resolves with that message', async () => {
    await using proxy = await startSwallowingProxy(portOf(server))
    const sockets = recordSockets()
    const options = { ...sockets, keepAlive: 50, keepAliveTimeout: 50, connectTimeout: 100 }
    await using carillon = openClient(`http://127.0.0.1:${proxy.port}/graphql`, options)
    const room = carillon.topic(newTopic())
    await room.publish('first')
    void proxy.swallow()
    const publishing = room.publish('second', { timeout: 1_000 })
    await expect(publishing).rejects.toMatchObject({ code: 'NETWORK_ERROR', retryable: true })
    await expect
      .poll(() => server.carillon.messages({ topic: room.name }), SOON)
      .toMatchObject({ topic: { head: 2 } })
    const [, second] = sockets.asked('Publish') as { inputs: { idempotencyKey: string }[] }[]
    const key = second?.inputs[0]?.idempotencyKey
    await using direct = openClient(server.url)
    const again = await direct.topic(room.name).publish('second', { idempotencyKey: key })
    expect(again.sequence).toBe(2)
  })

  test('without a connection waits for one, and says when there is none in time', async () => {
    await using proxy = await openTcpProxy(1)
    await using carillon = openClient(`http://127.0.0.1:${proxy.port}/graphql`, {
      maxQueuedPublishes: 2,
    })
    const room = carillon.topic(newTopic())
    const impatient = room.publish('impatient', { timeout: 100 })
    const patient = room.publish('patient')
    await expect(room.publish('too many')).rejects.toMatchObject({
      code: 'NOT_CONNECTED',
      limit: 'maxQueuedPublishes',
      retryable: true,
    })
    await expect(impatient).rejects.toMatchObject({ code: 'NOT_CONNECTED' })
    proxy.leadTo(portOf(server))
    expect(await patient).toMatchObject({ sequence: 1 })
  })

  test('rejects what has no answer when the client is closed, and all that follows', async () => {
    await using proxy = await openTcpProxy(1)
    const carillon = openClient(`http://127.0.0.1:${proxy.port}/graphql`)
    const room = carillon.topic(newTopic())
    const publishing = room.publish('waits')
    const reading = room.history()
    await carillon.close()
    const closed = { code: 'NOT_CONNECTED', retryable: false }
    await expect(publishing).rejects.toMatchObject(closed)
    await expect(reading).rejects.toMatchObject(closed)
    await expect(room.publish('late')).rejects.toMatchObject(closed)
    expect(carillon.state).toBe('closed')
  })

  test('that is too long for the server is no end of the client', async () => {
    await using strict = await startServer({ limits: { frameBytes: 3_000 } })
    await using carillon = openClient(strict.url)
    const states = watchStates(carillon)
    const room = carillon.topic(newTopic())
    await expect(room.publish('x'.repeat(4_000), { timeout: 2_000 })).rejects.toMatchObject({
      // Its time may be over in a pause after the close, or in the middle of the next try.
      code: expect.stringMatching(/^(PAYLOAD_TOO_LARGE|NETWORK_ERROR|NOT_CONNECTED|ACK_TIMEOUT)$/),
    })
    expect(states).toContainEqual(
      expect.stringMatching(/^offline: (PAYLOAD_TOO_LARGE|NETWORK_ERROR)$/),
    )
    expect(await room.publish('short')).toMatchObject({ sequence: 1 })
  })

  test('is tried again when the server says how long to wait', async () => {
    await using limited = await startServer({
      jwt: { secret: SECRET },
      limits: { publishesPerSecondPerUser: 5 },
    })
    await using carillon = openClient(limited.url, { token: () => tokenOf() })
    const room = carillon.topic('limited')
    const messages = await Promise.all(upTo(8).map((payload) => room.publish(payload)))
    expect(messages.map(({ sequence }) => sequence)).toEqual(upTo(8))
    const settled = await Promise.allSettled(
      upTo(8).map((payload) => room.publish(payload, { timeout: 10 })),
    )
    expect(settled.filter(({ status }) => status === 'rejected').length).toBeGreaterThan(0)
  })
})

describe('An ephemeral message', () => {
  test('reaches those who listen, without a place', async () => {
    await using carillon = openClient(server.url)
    const room = carillon.topic(newTopic())
    const seen: unknown[] = []
    room.subscribe(({ payload, sequence, ephemeral }) => {
      seen.push([payload, sequence, ephemeral])
    })
    await expect.poll(() => carillon.state, SOON).toBe('live')
    const message = await room.publish('typing', { ephemeral: true })
    expect(message).toMatchObject({ sequence: null, cursor: null, idempotencyKey: null })
    await expect.poll(() => seen, SOON).toEqual([['typing', null, true]])
    expect(await room.ack(message, { consumer: 'inbox' })).toBeUndefined()
  })

  test('waits for the first connection, and for no later one', async () => {
    await using proxy = await openTcpProxy(portOf(server))
    await using carillon = openClient(`http://127.0.0.1:${proxy.port}/graphql`)
    const room = carillon.topic(newTopic())
    expect(await room.publish('first', { ephemeral: true })).toMatchObject({ ephemeral: true })
    proxy.leadTo(1)
    proxy.cut()
    await expect.poll(() => carillon.state, SOON).toBe('offline')
    await expect(room.publish('late', { ephemeral: true })).rejects.toMatchObject({
      code: 'NOT_CONNECTED',
    })
  })
})

describe('send', () => {
  test('shows a message at once, which is sent', async () => {
    await using carillon = openClient(server.url)
    const room = carillon.topic<{ text: string }>(newTopic())
    const keys: unknown[] = []
    room.subscribe(({ idempotencyKey }) => void keys.push(idempotencyKey))
    await expect.poll(() => carillon.state, SOON).toBe('live')
    const draft = room.send({ text: 'hi' })
    const statuses = [draft.status]
    draft.onChange(({ status }) => void statuses.push(status))
    expect(draft).toMatchObject({ payload: { text: 'hi' }, message: undefined })
    expect(await draft.settled).toBe(draft)
    expect(statuses).toEqual(['pending', 'sent'])
    expect(draft.message).toMatchObject({ sequence: 1 })
    await expect.poll(() => keys, SOON).toEqual([draft.idempotencyKey])
  })

  test('fails with the reason, and is tried again under the same key', async () => {
    await using proxy = await openTcpProxy(1)
    await using carillon = openClient(`http://127.0.0.1:${proxy.port}/graphql`)
    const draft = carillon.topic(newTopic()).send('hi', { timeout: 100 })
    const statuses: string[] = []
    const stop = draft.onChange(({ status }) => void statuses.push(status))
    await draft.settled
    expect(draft.error).toMatchObject({ code: 'NOT_CONNECTED' })
    proxy.leadTo(portOf(server))
    await expect.poll(() => carillon.state, SOON).toBe('live')
    draft.retry()
    draft.retry()
    await draft.settled
    stop()
    expect(statuses).toEqual(['failed', 'pending', 'sent'])
    expect(draft.error).toBeUndefined()
    expect(draft.message?.idempotencyKey).toBe(draft.idempotencyKey)
  })
})

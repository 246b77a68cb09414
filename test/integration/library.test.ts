import { type AnyMessage, type Carillon, createCarillon, type SubscribeRequest } from 'carillon'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { rejection } from '../support/rejection.ts'

let carillon: Carillon
let topics = 0

beforeAll(async () => {
  carillon = await createCarillon({ dataDir: 'memory:', logLevel: 'silent' })
})
afterAll(() => carillon.close())

function newTopic(): string {
  return `library:${++topics}`
}

/** Everything that a subscription has got once a last message of type `end` arrives. */
async function untilEnd(messages: AsyncIterable<AnyMessage>): Promise<unknown[]> {
  const payloads: unknown[] = []
  for await (const { type, payload } of messages) {
    if (type === 'end') break
    payloads.push(payload)
  }
  return payloads
}

test('an iterable gets what is published from then on, until the loop is left', async () => {
  const topic = newTopic()
  await carillon.publish({ topic, payload: 'before' })
  const messages = await carillon.subscribe({ topics: [topic] })
  await carillon.publishMany([1, 2, 3].map((payload) => ({ topic, payload })))
  const seen: unknown[] = []
  for await (const { payload } of messages) {
    seen.push(payload)
    if (seen.length === 3) break
  }
  expect(seen).toEqual([1, 2, 3])
  expect(await messages.next()).toEqual({ done: true, value: undefined })
})

test('a handler gets one message at a time, in order', async () => {
  const topic = newTopic()
  const calls: string[] = []
  let done: () => void = () => undefined
  const all = new Promise<void>((resolve) => {
    done = resolve
  })
  await using subscription = await carillon.subscribe({ topics: [topic] }, async ({ payload }) => {
    calls.push(`begin ${payload}`)
    await new Promise((resolve) => setImmediate(resolve))
    calls.push(`end ${payload}`)
    if (payload === 2) done()
  })
  await carillon.publish({ topic, payload: 1 })
  await carillon.publish({ topic, payload: 2 })
  await all
  expect(calls).toEqual(['begin 1', 'end 1', 'begin 2', 'end 2'])
  await subscription.unsubscribe()
  await subscription.unsubscribe()
  await subscription.ended
})

test('a handler that throws ends its own subscription, and no other', async () => {
  const topic = newTopic()
  const fault = new Error('on purpose')
  const faulty = await carillon.subscribe({ topics: [topic] }, () => {
    throw fault
  })
  const other = await carillon.subscribe({ topics: [topic] })
  await carillon.publish({ topic, payload: 1 })
  expect(await rejection(faulty.ended)).toBe(fault)
  await carillon.publish({ topic, payload: 2, type: 'end' })
  expect(await untilEnd(other)).toEqual([1])
})

test('a signal ends a subscription, also before it began', async () => {
  const topic = newTopic()
  const controller = new AbortController()
  const messages = await carillon.subscribe({ topics: [topic] }, { signal: controller.signal })
  const pending = messages.next()
  controller.abort()
  expect(await pending).toEqual({ done: true, value: undefined })
  const refused = carillon.subscribe({ topics: [topic] }, { signal: controller.signal })
  expect(await rejection(refused)).toMatchObject({ name: 'AbortError' })
})

test('filters by user, by type and by both', async () => {
  const topic = newTopic()
  const byUser = await carillon.subscribe({ topics: [topic], from: ['ann', 'end'] })
  const byType = await carillon.subscribe({ topics: [topic], types: ['a', 'end'] })
  const byBoth = await carillon.subscribe({
    topics: [topic],
    from: ['ann', 'end'],
    types: ['a', 'end'],
  })
  const nobody = await carillon.subscribe({ topics: [topic], from: [] })
  for (const [userId, type] of [
    ['ann', 'a'],
    ['ann', 'b'],
    ['bob', 'a'],
    ['end', 'end'],
  ] as const) {
    await carillon.publish({ topic, type, payload: `${userId} ${type}` }, { as: { userId } })
  }
  expect(await untilEnd(byUser)).toEqual(['ann a', 'ann b'])
  expect(await untilEnd(byType)).toEqual(['ann a', 'bob a'])
  expect(await untilEnd(byBoth)).toEqual(['ann a'])
  const none = nobody.next()
  await nobody.return()
  expect(await none).toEqual({ done: true, value: undefined })
})

test('delivers messages with recipients to them, to the publisher and to backends only', async () => {
  const topic = newTopic()
  const subscribeAs = (userId: string) =>
    carillon.subscribe({ topics: [topic] }, { as: { userId } })
  const [ann, bob, eve] = await Promise.all(['ann', 'bob', 'eve'].map(subscribeAs))
  const backend = await carillon.subscribe({ topics: [topic] })
  await carillon.publish({ topic, payload: 'to bob', to: ['bob'] }, { as: { userId: 'ann' } })
  await carillon.publish({ topic, payload: 'to all' }, { as: { userId: 'ann' } })
  await carillon.publish({ topic, payload: 0, type: 'end' })
  const seen = await Promise.all(
    [ann, bob, eve, backend].map((messages) => (messages === undefined ? [] : untilEnd(messages))),
  )
  expect(seen).toEqual([
    ['to bob', 'to all'],
    ['to bob', 'to all'],
    ['to all'],
    ['to bob', 'to all'],
  ])
})

test('leaves out the own echo of a client that says so, and of no other', async () => {
  const topic = newTopic()
  const phone = { userId: 'ann', clientId: 'phone' }
  const laptop = { userId: 'ann', clientId: 'laptop' }
  const silent = await carillon.subscribe({ topics: [topic], echo: false }, { as: phone })
  const echoing = await carillon.subscribe({ topics: [topic] }, { as: phone })
  const nameless = await carillon.subscribe(
    { topics: [topic], echo: false },
    { as: { userId: 'ann' } },
  )
  await carillon.publish({ topic, payload: 'phone' }, { as: phone })
  await carillon.publish({ topic, payload: 'laptop' }, { as: laptop })
  await carillon.publish({ topic, payload: 'nameless' }, { as: { userId: 'ann' } })
  await carillon.publish({ topic, payload: 0, type: 'end' })
  expect(await untilEnd(silent)).toEqual(['laptop', 'nameless'])
  expect(await untilEnd(echoing)).toEqual(['phone', 'laptop', 'nameless'])
  expect(await untilEnd(nameless)).toEqual(['phone', 'laptop', 'nameless'])
})

test('does not deliver a message that has expired before its turn', async () => {
  const topic = newTopic()
  const messages = await carillon.subscribe({ topics: [topic] })
  const { message } = await carillon.publish({ topic, payload: 'short', ttl: 1 })
  await carillon.publish({ topic, payload: 'long', ttl: 60 })
  await expect.poll(() => Date.now(), { timeout: 3_000 }).toBeGreaterThan(Number(message.expiresAt))
  await carillon.publish({ topic, payload: 0, type: 'end' })
  expect(await untilEnd(messages)).toEqual(['long'])
})

test('refuses identities and names that are none', async () => {
  const topic = newTopic()
  for (const userId of ['', 'a\0b', 'x'.repeat(129), '\ud800']) {
    const refused = carillon.publish({ topic, payload: 1 }, { as: { userId } })
    expect(await rejection(refused)).toMatchObject({ code: 'INVALID_INPUT' })
  }
  expect(await rejection(carillon.subscribe({ topics: [] }))).toMatchObject({
    code: 'INVALID_INPUT',
  })
  for (const request of [
    { topics: 'chat:1' },
    { topics: undefined },
    { topics: ['t'], types: 'x' },
    { topics: ['t'], from: [1] },
  ]) {
    const refused = carillon.subscribe(request as unknown as SubscribeRequest)
    expect(await rejection(refused)).toMatchObject({ code: 'INVALID_INPUT' })
  }
  const tooMany = Array.from({ length: 101 }, (_, n) => `library:many:${n}`)
  expect(await rejection(carillon.subscribe({ topics: tooMany }))).toMatchObject({
    code: 'INVALID_INPUT',
  })
  const most = await carillon.subscribe({ topics: tooMany.slice(1) })
  await most.return()
})

test('publishes as the backend where no user is named', async () => {
  const topic = newTopic()
  const { message } = await carillon.publish({ topic, payload: 1 })
  expect(message).toMatchObject({ from: 'backend', clientId: null })
  expect(JSON.parse(JSON.stringify(message))).toMatchObject({
    id: message.id,
    cursor: message.cursor,
    sequence: 1,
    payload: 1,
  })
})

test('takes limits of its own', async () => {
  await using small = await createCarillon({
    dataDir: 'memory:',
    logLevel: 'silent',
    limits: { payloadBytes: 10, publishMany: 1 },
  })
  const publish = (payload: string) => small.publish({ topic: 'small', payload })
  await publish('12345678')
  expect(await rejection(publish('123456789'))).toMatchObject({ code: 'PAYLOAD_TOO_LARGE' })
  const two = [1, 2].map((payload) => ({ topic: 'small', payload }))
  expect(await rejection(small.publishMany(two))).toMatchObject({ code: 'INVALID_INPUT' })
})

test('refuses everything once it is closed, and closes once', async () => {
  const closed = await createCarillon({ dataDir: 'memory:', logLevel: 'silent' })
  const messages = await closed.subscribe({ topics: ['t'] })
  const pending = messages.next()
  await Promise.all([closed.close(), closed.close()])
  expect(await pending).toEqual({ done: true, value: undefined })
  for (const refused of [
    closed.publish({ topic: 't', payload: 1 }),
    closed.publishMany([{ topic: 't', payload: 1 }]),
    closed.messages({ topic: 't' }),
    closed.subscribe({ topics: ['t'] }),
    closed.ack({ topic: 't', consumer: 'c', sequence: 1 }),
  ]) {
    expect(await rejection(refused)).toMatchObject({ code: 'SHUTTING_DOWN', retryable: true })
  }
})

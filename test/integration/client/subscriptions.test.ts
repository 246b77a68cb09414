import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Gap, Message } from '../../../src/client/index.ts'
import { startServer, type TestServer } from '../../support/carillon.ts'
import { openClient, recordSockets, SOON, upTo } from '../../support/client.ts'
import { openTcpProxy } from '../../support/tcp-proxy.ts'

let server: TestServer
let topics = 0

beforeAll(async () => {
  server = await startServer({ retention: [{ topics: 'short:*', maxMessages: 3 }] })
})
afterAll(() => server[Symbol.asyncDispose]())

function newTopic(scope = 'chat'): string {
  return `${scope}:${++topics}`
}

async function fill(topic: string, count: number, type = 'message'): Promise<void> {
  const inputs = upTo(count).map((payload) => ({ topic, payload, type }))
  for (let n = 0; n < count; n += 100) await server.carillon.publishMany(inputs.slice(n, n + 100))
}

/** A handler, and the sequences that it was told. */
function listener() {
  const sequences: (number | null)[] = []
  return { sequences, handle: ({ sequence }: Message) => void sequences.push(sequence) }
}

describe('Two handlers of one topic', () => {
  test('share one subscription on the wire, and each is told everything', async () => {
    const sockets = recordSockets()
    await using carillon = openClient(server.url, sockets)
    const room = carillon.topic(newTopic())
    const [one, other] = [listener(), listener()]
    const first = room.subscribe(one.handle)
    const second = room.subscribe(other.handle)
    await expect.poll(() => carillon.state, SOON).toBe('live')
    await fill(room.name, 3)
    await expect.poll(() => [one.sequences, other.sequences], SOON).toEqual([upTo(3), upTo(3)])
    expect(sockets.asked('Events')).toHaveLength(1)
    first.unsubscribe()
    first.unsubscribe()
    await first.ended
    await fill(room.name, 1)
    await expect.poll(() => other.sequences, SOON).toEqual(upTo(4))
    expect(one.sequences).toEqual(upTo(3))
    second.unsubscribe()
    expect(sockets.completed()).toBe(1)
  })

  test('share one from then on where the second one began behind', async () => {
    const sockets = recordSockets()
    await using carillon = openClient(server.url, sockets)
    const room = carillon.topic(newTopic())
    await fill(room.name, 5)
    const [one, other] = [listener(), listener()]
    room.subscribe(one.handle)
    await expect.poll(() => carillon.state, SOON).toBe('live')
    room.subscribe(other.handle, { last: 3 })
    await expect.poll(() => other.sequences, SOON).toEqual(upTo(5, 3))
    await expect.poll(() => sockets.completed(), SOON).toBe(1)
    await fill(room.name, 2)
    await expect.poll(() => [one.sequences, other.sequences], SOON).toEqual([[6, 7], upTo(7, 3)])
    expect(sockets.asked('Events')).toHaveLength(2)
  })

  test('share one that has come to the present, wherever it began', async () => {
    const sockets = recordSockets()
    await using carillon = openClient(server.url, sockets)
    const room = carillon.topic(newTopic())
    await fill(room.name, 5)
    const [one, other] = [listener(), listener()]
    const caughtUp: string[] = []
    room.subscribe(one.handle, { last: 3, onCaughtUp: () => void caughtUp.push('one') })
    await expect.poll(() => caughtUp, SOON).toEqual(['one'])
    room.subscribe(other.handle, { onCaughtUp: () => void caughtUp.push('other') })
    expect(caughtUp).toEqual(['one']) // nobody is told before who subscribes has got the subscription
    await expect.poll(() => caughtUp, SOON).toEqual(['one', 'other'])
    await fill(room.name, 2)
    await expect.poll(() => [one.sequences, other.sequences], SOON).toEqual([upTo(7, 3), [6, 7]])
    expect(sockets.asked('Events')).toHaveLength(1)
    expect(caughtUp).toEqual(['one', 'other'])
  })

  test('miss nothing where one begins while the other one is still catching up', async () => {
    await using carillon = openClient(server.url)
    const room = carillon.topic(newTopic())
    await fill(room.name, 500)
    const [one, other] = [listener(), listener()]
    room.subscribe(one.handle, { last: 500 })
    await expect.poll(() => one.sequences.length, { ...SOON, interval: 1 }).toBeGreaterThan(0)
    const isThere = new Promise<void>((resolve) => {
      room.subscribe(other.handle, { onCaughtUp: resolve })
    })
    await isThere
    await fill(room.name, 20)
    await expect.poll(() => one.sequences, SOON).toEqual(upTo(520))
    await expect.poll(() => other.sequences, SOON).toEqual(upTo(520, 501))
  })

  test('with other filters have other subscriptions', async () => {
    await using carillon = openClient(server.url)
    const room = carillon.topic(newTopic())
    const [all, some] = [listener(), listener()]
    room.subscribe(all.handle)
    room.subscribe(some.handle, { types: ['wanted'] })
    await expect.poll(() => carillon.state, SOON).toBe('live')
    await room.publish('a')
    await room.publish('b', { type: 'wanted' })
    await expect.poll(() => [all.sequences, some.sequences], SOON).toEqual([[1, 2], [2]])
  })

  test('do not harm one another by what they throw', async () => {
    const faults: unknown[] = []
    await using carillon = openClient(server.url, { onError: (error) => void faults.push(error) })
    const room = carillon.topic(newTopic())
    const { sequences, handle } = listener()
    const fault = new Error('of the application')
    room.subscribe(() => {
      throw fault
    })
    room.subscribe(async () => {
      throw fault
    })
    room.subscribe(handle)
    await expect.poll(() => carillon.state, SOON).toBe('live')
    await fill(room.name, 2)
    await expect.poll(() => sequences, SOON).toEqual([1, 2])
    await expect.poll(() => faults, SOON).toEqual([fault, fault, fault, fault])
  })

  test('the wire takes the greatest of their limits, and everything where one has none', async () => {
    const sockets = recordSockets()
    await using carillon = openClient(server.url, sockets)
    const room = carillon.topic(newTopic())
    const limits = () => sockets.asked('Events').map(({ maxPerSecond }) => maxPerSecond)
    const [two, five, all] = [listener(), listener(), listener()]
    room.subscribe(two.handle, { limit: 2 })
    await expect.poll(() => carillon.state, SOON).toBe('live')
    room.subscribe(five.handle, { limit: 5 })
    await expect.poll(limits, SOON).toEqual([2, 5])
    const unlimited = room.subscribe(all.handle)
    await expect.poll(limits, SOON).toEqual([2, 5, undefined])
    await room.publish('a first one, behind which the next window begins')
    await expect.poll(() => all.sequences.length, SOON).toBe(1)
    await fill(room.name, 19)
    await expect.poll(() => all.sequences, SOON).toEqual(upTo(20))
    // The first ones of the window, then the newest of those that were too many.
    await expect.poll(() => two.sequences, SOON).toEqual([1, 2, 19, 20])
    await expect.poll(() => five.sequences, SOON).toEqual([...upTo(5), ...upTo(20, 16)])
    unlimited.unsubscribe()
    await expect.poll(limits, SOON).toEqual([2, 5, undefined, 5])
  })
})

describe('A handler', () => {
  test('is told of one message at a time, and of what it missed while it was slow', async () => {
    const sockets = recordSockets()
    await using carillon = openClient(server.url, { ...sockets, maxWaitingMessages: 10 })
    const room = carillon.topic(newTopic())
    const [quick, slow] = [listener(), listener()]
    let running = 0
    room.subscribe(quick.handle)
    room.subscribe(async (message) => {
      expect(++running).toBe(1)
      if (message.sequence === 1) await expect.poll(() => quick.sequences.length, SOON).toBe(500)
      slow.handle(message)
      running--
    })
    await expect.poll(() => carillon.state, SOON).toBe('live')
    await fill(room.name, 500)
    await expect.poll(() => slow.sequences.length, SOON).toBe(500)
    expect(slow.sequences).toEqual(upTo(500))
    expect(quick.sequences).toEqual(upTo(500))
    expect(sockets.asked('Events').length).toBeGreaterThan(1)
  })

  test('begins behind a message, with the newest ones, or at the beginning of a consumer', async () => {
    await using carillon = openClient(server.url, { connectionParams: { userId: 'ann' } })
    const room = carillon.topic(newTopic())
    await fill(room.name, 5)
    const { messages } = await room.history({ first: 2 })
    const [behind, last, consumer] = [listener(), listener(), listener()]
    room.subscribe(behind.handle, { after: messages[1] })
    room.subscribe(last.handle, { last: 2 })
    room.subscribe(consumer.handle, { consumer: 'inbox' })
    await expect.poll(() => behind.sequences, SOON).toEqual([3, 4, 5])
    await expect.poll(() => last.sequences, SOON).toEqual([4, 5])
    await expect.poll(() => consumer.sequences, SOON).toEqual(upTo(5))
  })

  test('is told once when it has caught up', async () => {
    await using proxy = await openTcpProxy(Number(new URL(server.url).port))
    await using carillon = openClient(`http://127.0.0.1:${proxy.port}/graphql`)
    const room = carillon.topic(newTopic())
    await fill(room.name, 2)
    const story: string[] = []
    const tell = (who: string, options = {}) =>
      room.subscribe(({ sequence }) => void story.push(`${who} ${sequence}`), {
        ...options,
        onCaughtUp: () => void story.push(`${who} is live`),
      })
    tell('one', { last: 2 })
    await expect.poll(() => story, SOON).toEqual(['one 1', 'one 2', 'one is live'])
    tell('other')
    expect(story).toHaveLength(3)
    await expect.poll(() => story, SOON).toHaveLength(4)
    proxy.cut()
    await fill(room.name, 1)
    await expect.poll(() => story.slice(3), SOON).toEqual(['other is live', 'one 3', 'other 3'])
  })

  test('gets no echo where it wants none', async () => {
    await using carillon = openClient(server.url)
    await using other = openClient(server.url)
    const topic = newTopic()
    const { sequences, handle } = listener()
    carillon.topic(topic).subscribe(handle, { echo: false })
    await expect.poll(() => carillon.state, SOON).toBe('live')
    await carillon.topic(topic).publish('own')
    await other.topic(topic).publish('of another one')
    await expect.poll(() => sequences, SOON).toEqual([2])
  })

  test('is not told of the same message twice, nor misses one, where others may not see it', async () => {
    await using proxy = await openTcpProxy(Number(new URL(server.url).port))
    const url = `http://127.0.0.1:${proxy.port}/graphql`
    await using carillon = openClient(url, { connectionParams: { userId: 'ann' } })
    const topic = newTopic()
    const { sequences, handle } = listener()
    const gaps: Gap[] = []
    carillon.topic(topic).subscribe(handle, { onGap: (gap) => void gaps.push(gap) })
    await expect.poll(() => carillon.state, SOON).toBe('live')
    for (let n = 1; n <= 9; n++) {
      const to = n % 3 === 0 ? ['bob'] : undefined
      await server.carillon.publish({ topic, payload: n, to })
      if (n === 4) proxy.cut()
    }
    await expect.poll(() => sequences, SOON).toEqual([1, 2, 4, 5, 7, 8])
    expect(gaps).toEqual([])
  })
})

describe('What can no longer be delivered', () => {
  test('is told to onGap, once, where the topic no longer keeps it', async () => {
    await using proxy = await openTcpProxy(Number(new URL(server.url).port))
    await using carillon = openClient(`http://127.0.0.1:${proxy.port}/graphql`)
    const room = carillon.topic(newTopic('short'))
    const story: unknown[] = []
    room.subscribe(({ sequence }) => void story.push(sequence), {
      onGap: (gap) => void story.push(gap),
    })
    await expect.poll(() => carillon.state, SOON).toBe('live')
    await fill(room.name, 2)
    await expect.poll(() => story, SOON).toEqual([1, 2])
    proxy.leadTo(1)
    proxy.cut()
    await fill(room.name, 8)
    await server.carillon.applyRetention()
    proxy.leadTo(Number(new URL(server.url).port))
    const gap = { topic: room.name, fromSequence: 3, toSequence: 7, reason: 'RETENTION' }
    await expect.poll(() => story, SOON).toEqual([1, 2, gap, 8, 9, 10])
    proxy.cut()
    await fill(room.name, 1)
    await expect.poll(() => story.slice(3), SOON).toEqual([8, 9, 10, 11])
  })

  test('is told to onGap where the numbering starts again, and the new one follows', async () => {
    await using proxy = await openTcpProxy(Number(new URL(server.url).port))
    await using carillon = openClient(`http://127.0.0.1:${proxy.port}/graphql`)
    const room = carillon.topic(newTopic())
    const story: unknown[] = []
    room.subscribe(({ payload }) => void story.push(payload), {
      onGap: ({ reason, fromSequence }) => void story.push([reason, fromSequence]),
    })
    await expect.poll(() => carillon.state, SOON).toBe('live')
    await fill(room.name, 3)
    await expect.poll(() => story, SOON).toEqual([1, 2, 3])
    await server.carillon.purgeTopic(room.name)
    await expect.poll(() => story, SOON).toEqual([1, 2, 3, ['EPOCH_CHANGED', 4]])
    proxy.cut() // with nothing of the new numbering yet
    await fill(room.name, 2)
    await expect.poll(() => story.slice(4), SOON).toEqual([1, 2])
  })

  test('is an error that is reported where there is no onGap', async () => {
    const faults: unknown[] = []
    await using carillon = openClient(server.url, { onError: (error) => void faults.push(error) })
    const room = carillon.topic(newTopic('short'))
    await fill(room.name, 1)
    const { messages } = await room.history()
    await fill(room.name, 9)
    await server.carillon.applyRetention()
    const { sequences, handle } = listener()
    room.subscribe(handle, { after: messages[0] })
    await expect.poll(() => sequences, SOON).toEqual([8, 9, 10])
    expect(faults).toMatchObject([{ code: 'CURSOR_EXPIRED', gap: { fromSequence: 2 } }])
  })
})

describe('A loop over messages', () => {
  test('takes them at its own pace, and ends with its signal', async () => {
    await using carillon = openClient(server.url, { maxWaitingMessages: 5 })
    const room = carillon.topic(newTopic())
    await fill(room.name, 100)
    const stop = new AbortController()
    const seen: unknown[] = []
    for await (const { sequence } of room.messages({ last: 100, signal: stop.signal })) {
      seen.push(sequence)
      if (seen.length === 100) setTimeout(() => stop.abort(), 20)
    }
    expect(seen).toEqual(upTo(100))
  })

  test('ends with break, which unsubscribes, and with the client', async () => {
    const sockets = recordSockets()
    await using carillon = openClient(server.url, sockets)
    const room = carillon.topic(newTopic())
    await fill(room.name, 3)
    for await (const { sequence } of room.messages({ last: 3 })) if (sequence === 2) break
    await expect.poll(() => sockets.completed(), SOON).toBe(1)
    const loop = room.messages()
    const next = loop.next()
    await carillon.close()
    expect(await next).toEqual({ done: true, value: undefined })
  })

  test('throws what ends the subscription', async () => {
    await using carillon = openClient(server.url)
    const loop = carillon.topic(newTopic()).messages({ types: [''], after: 'no cursor' })
    await expect(loop.next()).rejects.toMatchObject({ code: 'INVALID_CURSOR' })
    expect(await loop.next()).toEqual({ done: true, value: undefined })
  })
})

test('a snapshot comes first, then what followed it', async () => {
  await using carillon = openClient(server.url)
  const room = carillon.topic(newTopic())
  await fill(room.name, 5)
  await server.carillon.saveSnapshot({ topic: room.name, sequence: 3, state: { sum: 6 } })
  const story: unknown[] = []
  room.subscribe(({ sequence }) => void story.push(sequence), {
    snapshot: ({ sequence, state }) => void story.push([sequence, state]),
  })
  await expect.poll(() => story, SOON).toEqual([[3, { sum: 6 }], 4, 5])
})

test('a consumer goes on behind what it has acknowledged', async () => {
  await using carillon = openClient(server.url, { connectionParams: { userId: 'ann' } })
  const room = carillon.topic(newTopic())
  await fill(room.name, 6)
  for await (const message of room.messages({ consumer: 'inbox' })) {
    const consumer = await room.ack(message)
    expect(consumer).toMatchObject({ name: 'inbox', ackedSequence: message.sequence })
    if (message.sequence === 4) break
  }
  const again = carillon.topic(room.name)
  const { sequences, handle } = listener()
  again.subscribe(handle, { consumer: 'inbox' })
  await expect.poll(() => sequences, SOON).toEqual([5, 6])
  await expect(carillon.topic(room.name).ack({ sequence: 1, cursor: 'x' })).rejects.toMatchObject({
    code: 'INVALID_INPUT',
  })
})

test('acknowledgements that come together are one, the furthest', async () => {
  const sockets = recordSockets()
  await using carillon = openClient(server.url, sockets)
  const room = carillon.topic(newTopic())
  await fill(room.name, 50)
  const { messages } = await room.history({ first: 50 })
  const answers = await Promise.all(
    [...messages].reverse().map((message) => room.ack(message, { consumer: 'inbox' })),
  )
  expect(new Set(answers.map((consumer) => consumer?.ackedSequence))).toEqual(new Set([50]))
  expect(sockets.asked('Ack')).toHaveLength(1)
})

test('history comes in pages, with more in the direction that was asked for', async () => {
  await using carillon = openClient(server.url)
  const room = carillon.topic(newTopic())
  const empty = await room.history()
  expect(empty).toMatchObject({ messages: [], hasMore: false, headSequence: 0, endCursor: null })
  await fill(room.name, 60)
  const newest = await room.history()
  expect(newest.messages.map(({ sequence }) => sequence)).toEqual(upTo(60, 36))
  expect(newest.hasMore).toBe(true)
  const older = await room.history({ last: 50, before: newest.messages[0] })
  expect(older.messages.map(({ sequence }) => sequence)).toEqual(upTo(35))
  expect(older.hasMore).toBe(false)
  const newer = await room.history({ after: older.messages.at(-1) })
  expect(newer).toMatchObject({ hasMore: false, hasPreviousPage: true })
  await expect(room.history({ first: 1, last: 1 })).rejects.toMatchObject({
    code: 'INVALID_HISTORY_OPTS',
  })
  const replayed: unknown[] = []
  for await (const { sequence } of room.replay({ after: newest.startCursor ?? '', pageSize: 7 })) {
    replayed.push(sequence)
  }
  expect(replayed).toEqual(upTo(60, 37))
})

test('a name that is none is refused at once', async () => {
  await using carillon = openClient(server.url)
  for (const name of ['', 'chat:*', 'a b', 'a'.repeat(129)]) {
    expect(() => carillon.topic(name)).toThrow(
      expect.objectContaining({ code: 'INVALID_TOPIC_NAME' }),
    )
  }
})

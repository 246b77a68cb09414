import { setImmediate } from 'node:timers/promises'
import {
  type AnyMessage,
  type Carillon,
  createCarillon,
  type OverflowRequest,
  type Subscription,
} from 'carillon'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { rejection } from '../support/rejection.ts'

let carillon: Carillon
let topics = 0

beforeAll(async () => {
  carillon = await createCarillon({ dataDir: 'memory:', logLevel: 'silent' })
})
afterAll(() => carillon.close())

function newTopic(): string {
  return `overflow:${++topics}`
}

/** More of them than the ring of a topic holds. */
const PAYLOAD = 'x'.repeat(1_000)

/** Resolves once those who listen to the topic are as far behind as there are messages. */
async function publish(topic: string, count: number): Promise<void> {
  const witness = await carillon.subscribe({ topics: [topic], types: ['last'] })
  for (let start = 1; start <= count; start += 100) {
    const size = Math.min(100, count - start + 1)
    const batch = Array.from({ length: size }, (_, n) => ({
      topic,
      payload: PAYLOAD,
      ...(start + n === count ? { type: 'last' } : {}),
    }))
    await carillon.publishMany(batch)
  }
  await witness.next()
  await witness.return()
}

async function take(messages: AsyncIterator<AnyMessage>, count: number) {
  const sequences: (number | null)[] = []
  while (sequences.length < count) {
    const { value, done } = await messages.next()
    if (done === true) throw new Error(`It has ended behind ${sequences.length} messages.`)
    sequences.push(value.sequence)
  }
  return sequences
}

function upTo(last: number, first = 1): number[] {
  return Array.from({ length: last - first + 1 }, (_, n) => first + n)
}

/** What happens once, or again and again; `next` resolves for one that nobody has awaited yet. */
function occasions() {
  let count = 0
  let awaited = 0
  let wake: () => void = () => undefined
  return {
    happen: () => {
      count++
      wake()
    },
    get count() {
      return count
    },
    async next(): Promise<void> {
      awaited++
      while (count < awaited) {
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      }
    },
  }
}

/** A subscriber that pauses, and how often it has. */
async function subscribePausing(topic: string, maxLag: number) {
  const pauses = occasions()
  const options: OverflowRequest = { overflow: 'pause', maxLag, onPause: pauses.happen }
  const messages = await carillon.subscribe({ topics: [topic] }, options)
  return { messages, pauses }
}

/** A call of `next()` that can be asked whether it has settled. */
function ask(messages: Subscription) {
  let isSettled = false
  const answer = messages.next().finally(() => {
    isSettled = true
  })
  return { answer, isSettled: () => isSettled }
}

describe('catchUp', () => {
  test.each([
    ['is the default', {}],
    ['does not look at maxLag', { overflow: 'catchUp', maxLag: 1 }],
  ] as [string, OverflowRequest][])(
    '%s: nothing is lost behind 3,000 messages',
    async (_, options) => {
      const topic = newTopic()
      const messages = await carillon.subscribe({ topics: [topic] }, options)
      await publish(topic, 3_000)
      expect(await take(messages, 3_000)).toEqual(upTo(3_000))
      await publish(topic, 1)
      expect(await take(messages, 1)).toEqual([3_001])
      expect(messages.dropped).toBe(0)
      await messages.return()
    },
  )
})

describe('dropOldest', () => {
  test('goes on with the newest messages, and counts the others', async () => {
    const topic = newTopic()
    const options: OverflowRequest = { overflow: 'dropOldest', maxLag: 100 }
    const messages = await carillon.subscribe({ topics: [topic] }, options)
    await publish(topic, 3_000)
    expect(await take(messages, 40)).toEqual(upTo(2_940, 2_901))
    expect(messages.dropped).toBe(2_900)
    await publish(topic, 500)
    expect(await take(messages, 100)).toEqual(upTo(3_500, 3_401))
    expect(messages.dropped).toBe(2_900 + 460)
    await messages.return()
  })

  test('drops nothing of a subscriber that is just maxLag behind', async () => {
    const topic = newTopic()
    const options: OverflowRequest = { overflow: 'dropOldest', maxLag: 5 }
    const messages = await carillon.subscribe({ topics: [topic] }, options)
    await publish(topic, 5)
    expect(await take(messages, 5)).toEqual(upTo(5))
    await publish(topic, 6)
    expect(await take(messages, 5)).toEqual(upTo(11, 7))
    expect(messages.dropped).toBe(1)
    await messages.return()
  })

  test('takes each topic by itself', async () => {
    const [flooded, quiet] = [newTopic(), newTopic()]
    const options: OverflowRequest = { overflow: 'dropOldest', maxLag: 2 }
    const messages = await carillon.subscribe({ topics: [flooded, quiet] }, options)
    await publish(flooded, 300)
    await publish(quiet, 2)
    const seen: string[] = []
    while (seen.length < 4) {
      const { value } = await messages.next()
      seen.push(`${value?.topic} ${value?.sequence}`)
    }
    expect(seen.sort()).toEqual(
      [`${flooded} 299`, `${flooded} 300`, `${quiet} 1`, `${quiet} 2`].sort(),
    )
    expect(messages.dropped).toBe(298)
    await messages.return()
  })
})

describe('pause', () => {
  test('stops, and after resume() everything comes in order; and so again', async () => {
    const topic = newTopic()
    const { messages, pauses } = await subscribePausing(topic, 100)
    for (const round of [0, 1]) {
      const first = round * 3_001 + 1
      await publish(topic, 3_000)
      expect(messages.isPaused).toBe(false) // until it finds itself behind
      const { answer, isSettled } = ask(messages)
      await pauses.next()
      expect(messages.isPaused).toBe(true)
      await publish(topic, 1)
      await setImmediate()
      expect(isSettled()).toBe(false)
      messages.resume()
      expect(messages.isPaused).toBe(false)
      expect((await answer).value?.sequence).toBe(first)
      expect(await take(messages, 3_000)).toEqual(upTo(first + 3_000, first + 1))
      expect(pauses.count).toBe(round + 1)
    }
    expect(messages.dropped).toBe(0)
    await messages.return()
  })

  test('does not pause a subscriber that is just maxLag behind', async () => {
    const topic = newTopic()
    const { messages, pauses } = await subscribePausing(topic, 5)
    await publish(topic, 5)
    expect(await take(messages, 5)).toEqual(upTo(5))
    expect(pauses.count).toBe(0)
    await messages.return()
  })

  test('pauses in the middle of what it was reading', async () => {
    const topic = newTopic()
    const { messages, pauses } = await subscribePausing(topic, 100)
    await publish(topic, 50)
    expect(await take(messages, 20)).toEqual(upTo(20))
    await publish(topic, 200)
    const { answer } = ask(messages)
    await pauses.next()
    messages.resume()
    expect((await answer).value?.sequence).toBe(21)
    expect(await take(messages, 229)).toEqual(upTo(250, 22))
    await messages.return()
  })

  test('resume() of one that is not paused changes nothing', async () => {
    const topic = newTopic()
    const { messages, pauses } = await subscribePausing(topic, 5)
    messages.resume()
    await publish(topic, 6)
    const { answer } = ask(messages)
    await pauses.next()
    messages.resume()
    messages.resume()
    expect((await answer).value?.sequence).toBe(1)
    expect(await take(messages, 5)).toEqual(upTo(6, 2))
    await messages.return()
  })

  test('a topic that was not behind at resume() can pause it later', async () => {
    const [slow, other] = [newTopic(), newTopic()]
    const pauses = occasions()
    const options: OverflowRequest = { overflow: 'pause', maxLag: 5, onPause: pauses.happen }
    const messages = await carillon.subscribe({ topics: [slow, other] }, options)
    for (const topic of [slow, other]) {
      await publish(topic, 6)
      const { answer } = ask(messages)
      await pauses.next()
      messages.resume()
      expect((await answer).value?.topic).toBe(topic)
      expect(await take(messages, 5)).toEqual(upTo(6, 2))
    }
    await messages.return()
  })

  test('onPause may resume at once', async () => {
    const topic = newTopic()
    const messages: Subscription = await carillon.subscribe(
      { topics: [topic] },
      { overflow: 'pause', maxLag: 5, onPause: () => messages.resume() },
    )
    await publish(topic, 20)
    expect(await take(messages, 20)).toEqual(upTo(20))
    expect(messages.isPaused).toBe(false)
    await messages.return()
  })

  test('one that is paused can be ended', async () => {
    const topic = newTopic()
    const { messages, pauses } = await subscribePausing(topic, 5)
    await publish(topic, 6)
    const { answer } = ask(messages)
    await pauses.next()
    await messages.return()
    expect(await answer).toEqual({ done: true, value: undefined })
  })
})

describe('With a handler', () => {
  test('pause: one that is at most maxLag behind goes on by itself', async () => {
    const topic = newTopic()
    const pauses = occasions()
    const calls = occasions()
    const seen: (number | null)[] = []
    await using subscription = await carillon.subscribe(
      { topics: [topic] },
      ({ sequence }) => {
        seen.push(sequence)
        calls.happen()
      },
      { overflow: 'pause', maxLag: 150, onPause: pauses.happen },
    )
    expect(subscription.isPaused).toBe(false)
    // A commit hands its messages on in one tick: the handler is behind them all at once.
    const batch = Array.from({ length: 100 }, () => ({ topic, payload: PAYLOAD }))
    await carillon.publishMany(batch)
    while (calls.count < 100) await calls.next()
    expect(pauses.count).toBe(0)
    expect(subscription.dropped).toBe(0)
    expect(seen).toEqual(upTo(100))
  })

  test('pause: a handler that takes its time is behind when it is done', async () => {
    const topic = newTopic()
    const pauses = occasions()
    const calls = occasions()
    const seen: (number | null)[] = []
    let finish: () => void = () => undefined
    const isFree = new Promise<void>((resolve) => {
      finish = resolve
    })
    await using subscription = await carillon.subscribe(
      { topics: [topic] },
      async ({ sequence }) => {
        seen.push(sequence)
        calls.happen()
        await isFree
      },
      { overflow: 'pause', maxLag: 100, onPause: pauses.happen },
    )
    await publish(topic, 1)
    await calls.next()
    await publish(topic, 101)
    finish()
    await pauses.next()
    expect(subscription.isPaused).toBe(true)
    expect(seen).toEqual([1])
    subscription.resume()
    while (calls.count < 102) await calls.next()
    expect(seen).toEqual(upTo(102))
    expect(subscription.isPaused).toBe(false)
    expect(pauses.count).toBe(1)
  })

  test('dropOldest: dropped counts', async () => {
    const topic = newTopic()
    const calls = occasions()
    const seen: (number | null)[] = []
    let finish: () => void = () => undefined
    const isFree = new Promise<void>((resolve) => {
      finish = resolve
    })
    await using subscription = await carillon.subscribe(
      { topics: [topic] },
      async ({ sequence }) => {
        seen.push(sequence)
        calls.happen()
        await isFree
      },
      { overflow: 'dropOldest', maxLag: 10 },
    )
    await publish(topic, 1)
    await calls.next()
    expect(subscription.dropped).toBe(0)
    await publish(topic, 300)
    finish()
    while (calls.count < 11) await calls.next()
    expect(seen).toEqual([1, ...upTo(301, 292)])
    expect(subscription.dropped).toBe(290)
  })
})

test.each([
  ['another kind', { overflow: 'dropNewest' }],
  ['no kind', { overflow: null }],
  ['a lag of nothing', { overflow: 'pause', maxLag: 0 }],
  ['a lag below nothing', { overflow: 'dropOldest', maxLag: -1 }],
  ['a lag of more than 100,000', { overflow: 'dropOldest', maxLag: 100_001 }],
  ['a part of a message', { overflow: 'pause', maxLag: 1.5 }],
  ['a text', { overflow: 'pause', maxLag: '5' }],
  ['a lag of nothing where none matters', { maxLag: 0 }],
] as [string, OverflowRequest][])('refuses %s', async (_name, options) => {
  const request = { topics: [newTopic()] }
  expect(await rejection(carillon.subscribe(request, options))).toMatchObject({
    code: 'INVALID_INPUT',
  })
  const handler = () => undefined
  expect(await rejection(carillon.subscribe(request, handler, options))).toMatchObject({
    code: 'INVALID_INPUT',
  })
})

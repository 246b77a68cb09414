import { setImmediate } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { BACKEND } from '../../src/access/viewer.ts'
import type {
  Bus,
  BusListener,
  BusSubscription,
  EpochChange,
  EpochListener,
} from '../../src/bus/bus.ts'
import { MemoryBus } from '../../src/bus/memory-bus.ts'
import type { AnyMessage } from '../../src/core/message.ts'
import type { TopicName, TopicPattern } from '../../src/core/topic-name.ts'
import type { Database } from '../../src/database/database.ts'
import { MEMORY, openEmbedded } from '../../src/database/embedded.ts'
import { Hub, type HubBounds } from '../../src/hub/hub.ts'
import type { Subscription } from '../../src/hub/subscription.ts'
import type { Log } from '../../src/log/log.ts'
import { PrismaLog } from '../../src/log/prisma-log.ts'
import { CarillonError } from '../../src/protocol/errors.ts'
import { draft } from '../support/messages.ts'

let database: Database
let log: PrismaLog
let topics = 0

beforeAll(async () => {
  database = await openEmbedded(MEMORY)
  log = new PrismaLog(database)
})
afterAll(async () => {
  await log.close()
  await database.close()
})

/** A bus that does to messages what the test says: lose, repeat, reorder, hold back. */
class BadBus implements Bus {
  readonly kind = 'memory'
  readonly isConnected = true
  readonly #bus = new MemoryBus((error) => {
    throw error
  })
  transform: (messages: readonly AnyMessage[]) => readonly AnyMessage[] = (messages) => messages

  publish(messages: readonly AnyMessage[]): void {
    this.#bus.publish(this.transform(messages))
  }

  announce(change: EpochChange): void {
    this.#bus.announce(change)
  }

  subscribe(
    topic: TopicPattern,
    listener: BusListener,
    onEpochChange?: EpochListener,
  ): Promise<BusSubscription> {
    return this.#bus.subscribe(topic, listener, onEpochChange)
  }

  onGap(): () => void {
    return this.#bus.onGap()
  }

  close(): Promise<void> {
    return this.#bus.close()
  }
}

interface Fixture extends AsyncDisposable {
  readonly hub: Hub
  readonly bus: BadBus
  readonly topic: TopicName
  readonly faults: unknown[]
  publish(count: number): Promise<void>
  subscribe(): Promise<Subscription>
}

function setUp(bounds: Partial<HubBounds> = {}, parts: { readonly log?: Log } = {}): Fixture {
  const bus = new BadBus()
  const faults: unknown[] = []
  const topic = `hub:${++topics}` as TopicName
  const hub = new Hub({
    log: parts.log ?? log,
    bus,
    onFault: (fault) => faults.push(fault),
    bounds: { checkIntervalMs: 100, retryMs: 20, ...bounds },
  })
  return {
    hub,
    bus,
    topic,
    faults,
    async publish(count) {
      const appended = await log.append(Array.from({ length: count }, () => draft(topic)))
      bus.publish(appended.map(({ message }) => message))
    },
    subscribe: () => hub.subscribe([topic], { filter: { reader: BACKEND, echo: true } }),
    [Symbol.asyncDispose]: () => hub.close(),
  }
}

/** The log with some methods in place of its own. */
function logWith(methods: Partial<Log>): Log {
  return {
    append: (drafts) => log.append(drafts),
    page: (query) => log.page(query),
    read: (...args) => log.read(...args),
    message: (...args) => log.message(...args),
    topic: (name) => log.topic(name),
    topicStates: (names) => log.topicStates(names),
    topics: (query) => log.topics(query),
    purge: (...args) => log.purge(...args),
    changeEpoch: (known) => log.changeEpoch(known),
    ping: () => log.ping(),
    close: () => log.close(),
    ...methods,
  }
}

async function take(subscription: Subscription, count: number): Promise<number[]> {
  const sequences: number[] = []
  while (sequences.length < count) {
    const { value } = await subscription.next()
    if (value === undefined) break
    sequences.push(Number(value.sequence))
  }
  return sequences
}

function upTo(last: number, first = 1): number[] {
  return Array.from({ length: last - first + 1 }, (_, n) => first + n)
}

test('delivers what is committed after the subscription, and nothing before', async () => {
  await using fixture = setUp()
  await fixture.publish(3)
  const subscription = await fixture.subscribe()
  await fixture.publish(2)
  expect(await take(subscription, 2)).toEqual([4, 5])
})

test('puts what the bus reorders and repeats back in order, once', async () => {
  await using fixture = setUp({ holeWaitMs: 60_000 })
  const subscription = await fixture.subscribe()
  fixture.bus.transform = (messages) => [...messages].reverse().flatMap((one) => [one, one])
  await fixture.publish(20)
  await fixture.publish(20)
  expect(await take(subscription, 40)).toEqual(upTo(40))
})

test('reads from the log what the bus loses in the middle', async () => {
  await using fixture = setUp({ holeWaitMs: 5, checkIntervalMs: 60_000 })
  const subscription = await fixture.subscribe()
  fixture.bus.transform = (messages) =>
    messages.filter(({ sequence }) => Number(sequence) % 3 === 0)
  await fixture.publish(30)
  expect(await take(subscription, 30)).toEqual(upTo(30))
})

test('finds a last message that the bus has lost, however quiet the topic is then', async () => {
  await using fixture = setUp()
  const subscription = await fixture.subscribe()
  fixture.bus.transform = () => []
  await fixture.publish(1)
  expect(await take(subscription, 1)).toEqual([1])
})

test('fills a hole that is longer than what it keeps in memory', async () => {
  await using fixture = setUp({ ringBytes: 4_000, holeWaitMs: 5 })
  const subscription = await fixture.subscribe()
  fixture.bus.transform = () => []
  await fixture.publish(1_300)
  fixture.bus.transform = (messages) => messages
  await fixture.publish(1)
  expect(await take(subscription, 1_301)).toEqual(upTo(1_301))
})

test('keeps at most its bound of messages behind a hole, and loses none of them', async () => {
  await using fixture = setUp({ maxEarly: 5, holeWaitMs: 20 })
  const subscription = await fixture.subscribe()
  fixture.bus.transform = (messages) => messages.slice(1)
  await fixture.publish(50)
  expect(await take(subscription, 50)).toEqual(upTo(50))
})

test('a subscriber that memory has left behind goes on from the log', async () => {
  await using fixture = setUp({ ringBytes: 4_000 })
  const subscription = await fixture.subscribe()
  for (let round = 0; round < 12; round++) await fixture.publish(100)
  expect(await take(subscription, 1_200)).toEqual(upTo(1_200))
  await fixture.publish(1)
  expect(await take(subscription, 1)).toEqual([1_201])
})

test('a subscriber that falls behind again and again goes on from the log each time', async () => {
  await using fixture = setUp({ ringBytes: 4_000 })
  const subscription = await fixture.subscribe()
  for (let round = 0; round < 10; round++) {
    await fixture.publish(100)
    expect(await take(subscription, 100)).toEqual(upTo((round + 1) * 100, round * 100 + 1))
  }
})

test('a subscriber that is behind waits while the log is away', async () => {
  let away = true
  let refused = 0
  const flaky = logWith({
    read(...args) {
      if (!away) return log.read(...args)
      refused++
      return Promise.reject(new CarillonError('SERVICE_UNAVAILABLE'))
    },
  })
  await using fixture = setUp({ ringBytes: 1_000 }, { log: flaky })
  const subscription = await fixture.subscribe()
  await fixture.publish(10)
  const sequences = take(subscription, 10)
  await expect.poll(() => refused).toBeGreaterThan(1)
  away = false
  expect(await sequences).toEqual(upTo(10))
})

test('goes on by itself once the log answers again', async () => {
  let away = true
  const flaky = logWith({
    read: (...args) => (away ? Promise.reject(new Error('away')) : log.read(...args)),
  })
  await using fixture = setUp({ holeWaitMs: 1 }, { log: flaky })
  const subscription = await fixture.subscribe()
  fixture.bus.transform = (messages) => messages.slice(1)
  await fixture.publish(3)
  await expect.poll(() => fixture.faults.length).toBeGreaterThan(1)
  away = false
  expect(await take(subscription, 3)).toEqual(upTo(3))
})

test('loses nothing where one joins a topic while the last one leaves', async () => {
  await using fixture = setUp()
  for (let round = 0; round < 50; round++) {
    const leaving = await fixture.subscribe()
    const joining = fixture.subscribe()
    leaving.close()
    const joined = await joining
    await fixture.publish(1)
    expect(await take(joined, 1)).toHaveLength(1)
    joined.close()
  }
})

test('misses nothing that is published while a subscriber joins', async () => {
  await using fixture = setUp()
  let published = 0
  let stop = false
  const publishing = (async () => {
    while (!stop) {
      await fixture.publish(1)
      published++
    }
  })()
  const firsts: number[] = []
  for (let round = 0; round < 20; round++) {
    const before = published
    const subscription = await fixture.subscribe()
    const sequences = await take(subscription, 5)
    const [first = 0] = sequences
    firsts.push(first)
    expect(first).toBeGreaterThan(before)
    expect(sequences).toEqual(upTo(first + 4, first))
    subscription.close()
  }
  stop = true
  await publishing
  expect(firsts).toHaveLength(20)
})

test('misses nothing of one topic while it waits for another to go live', async () => {
  const slow = `hub:slow:${++topics}` as TopicName
  let goLive: () => void = () => undefined
  const held = new Promise<void>((resolve) => {
    goLive = resolve
  })
  const slowLog = logWith({
    async topic(name) {
      if (name === slow) await held
      return log.topic(name)
    },
  })
  await using fixture = setUp({ checkIntervalMs: 60_000 }, { log: slowLog })
  const keepsLive = await fixture.subscribe()
  const filter = { reader: BACKEND, echo: true }
  const subscribing = fixture.hub.subscribe([fixture.topic, slow], { filter })
  await fixture.publish(1)
  await take(keepsLive, 1)
  goLive()
  expect(await take(await subscribing, 1)).toEqual([1])
})

test('a check of the heads does not disturb a topic that is going live', async () => {
  const slowLog = logWith({
    async topic(name) {
      await new Promise((resolve) => setTimeout(resolve, 150))
      return log.topic(name)
    },
  })
  await using fixture = setUp({ checkIntervalMs: 10, holeWaitMs: 1 }, { log: slowLog })
  await fixture.publish(10)
  const subscribing = fixture.subscribe()
  await fixture.publish(5)
  const subscription = await subscribing
  await fixture.publish(5)
  expect(await take(subscription, 5)).toEqual(upTo(20, 16))
})

test('ends a pending next() when the subscription is closed', async () => {
  await using fixture = setUp()
  const subscription = await fixture.subscribe()
  const pending = subscription.next()
  await subscription.return()
  expect(await pending).toEqual({ done: true, value: undefined })
  expect(await subscription.next()).toEqual({ done: true, value: undefined })
})

test('serves several topics turn by turn, each in order', async () => {
  await using fixture = setUp()
  const other = `${fixture.topic}:other` as TopicName
  const subscription = await fixture.hub.subscribe([fixture.topic, other, other], {
    filter: { reader: BACKEND, echo: true },
  })
  await fixture.publish(50)
  const appended = await log.append(Array.from({ length: 50 }, () => draft(other)))
  fixture.bus.publish(appended.map(({ message }) => message))
  await setImmediate() // what came in one tick is there at once
  const seen: AnyMessage[] = []
  while (seen.length < 100) {
    const { value } = await subscription.next()
    if (value !== undefined) seen.push(value)
  }
  for (const name of [fixture.topic, other]) {
    const own = seen.filter(({ topic }) => topic === name)
    expect(own.map(({ sequence }) => sequence)).toEqual(upTo(50))
  }
  expect(new Set(seen.slice(0, 10).map(({ topic }) => topic)).size).toBe(2)
})

import { expect, test } from 'vitest'
import { MemoryBus } from '../../../src/bus/memory-bus.ts'
import type { AnyMessage, Message } from '../../../src/core/message.ts'
import type { Epoch, Sequence } from '../../../src/core/sequence.ts'
import type { TopicName } from '../../../src/core/topic-name.ts'
import { Feed } from '../../../src/hub/feed.ts'
import type { Filter } from '../../../src/hub/filter.ts'
import { LiveTopic } from '../../../src/hub/live-topic.ts'
import { DEFAULT_OUTBOX_BOUNDS, type OutboxBounds, Outboxes } from '../../../src/hub/outboxes.ts'
import type { Body, Rendering } from '../../../src/hub/rendering.ts'
import { SharedReads } from '../../../src/hub/shared-reads.ts'
import { Tick } from '../../../src/hub/tick.ts'
import { TopicReader } from '../../../src/hub/topic-reader.ts'
import type { Log, LogSlice, TopicState } from '../../../src/log/log.ts'
import { FakeSink } from '../../support/fake-sink.ts'
import { textsOf } from '../../support/frames.ts'
import { ephemeral, message } from '../../support/messages.ts'

const TOPIC = 'chat:1' as TopicName

/** Messages that may wait for a rendering. */
const BOUND = 1_000

function failOnFault(error: unknown): void {
  throw error
}

/** The part of a log that a topic and its readers use. */
class FakeLog {
  readonly messages: Message[] = []

  async topic(): Promise<TopicState> {
    const head = this.messages.length as Sequence
    return {
      name: TOPIC,
      epoch: '0123456789ab' as Epoch,
      head,
      tail: Math.min(1, head) as Sequence,
    }
  }

  async read(_topic: TopicName, after: Sequence, limit: number): Promise<LogSlice> {
    return { topic: await this.topic(), messages: this.messages.slice(after, after + limit) }
  }
}

/** Shows the sequence of a message, or that it is ephemeral; at once, or when the test says so. */
class FakeRendering implements Rendering {
  /** What it was asked for, in this order. */
  readonly started: (number | null)[] = []
  readonly #isHeld: (message: AnyMessage) => boolean
  #held: (() => void)[] = []
  #isOpen = false

  constructor(isHeld: (message: AnyMessage) => boolean = () => false) {
    this.#isHeld = isHeld
  }

  render(message: AnyMessage): Body | Promise<Body> {
    this.started.push(message.sequence)
    const body = Buffer.from(`{"data":${message.sequence ?? message.payloadText}}`)
    if (this.#isOpen || !this.#isHeld(message)) return body
    return new Promise((resolve) => this.#held.push(() => resolve(body)))
  }

  /** How often it was asked for a message. */
  count(sequence: number): number {
    return this.started.filter((one) => one === sequence).length
  }

  /** Finishes what was begun. */
  release(): void {
    const held = this.#held
    this.#held = []
    for (const finish of held) finish()
  }

  /** From here on nothing is held. */
  open(): void {
    this.#isOpen = true
    this.release()
  }
}

interface SubscriberOptions {
  readonly rendering: Rendering
  readonly filter?: Partial<Filter>
  /** Default: the topic's head. */
  readonly after?: number
}

interface WorldBounds extends Partial<OutboxBounds> {
  readonly ringBytes?: number
}

async function openWorld({ ringBytes = 1024 * 1024, ...outboxBounds }: WorldBounds = {}) {
  const log = new FakeLog()
  const tick = new Tick(failOnFault)
  const bus = new MemoryBus(failOnFault)
  const bounds = { ringBytes, ringIdleMs: 60_000, holeWaitMs: 0, maxEarly: 1_000, retryMs: 10 }
  const parts = { tick, bus, bounds, log: log as unknown as Log, onFault: failOnFault }
  const topic = new LiveTopic(TOPIC, parts)
  await topic.open()
  const reads = new SharedReads(parts.log)
  const outboxes = new Outboxes(tick, { ...DEFAULT_OUTBOX_BOUNDS, ...outboxBounds })

  /** Commits so many messages more, and puts them on the bus. */
  function publish(count = 1): void {
    const messages = commit(count)
    bus.publish(messages)
  }

  function commit(count: number): Message[] {
    const head = log.messages.length
    const added = Array.from({ length: count }, (_, n) => message({ sequence: head + n + 1 }))
    log.messages.push(...added)
    return added
  }

  function subscribe({ rendering, filter, after = topic.head }: SubscriberOptions) {
    const sink = new FakeSink()
    sink.isFast = true
    const listener = { onStalled() {}, onFlooded() {}, onDrained() {} }
    const outbox = outboxes.open(sink, listener)
    const reader = { kind: 'user', userId: 'ann', clientId: null } as const
    const feed = new Feed(
      { outbox, rendering, prefix: Buffer.from('{"payload":') },
      {
        filter: { reader, echo: true, ...filter },
        maxPerSecond: undefined,
        onFailure: failOnFault,
      },
    )
    const position = after as Sequence
    feed.add(topic, new TopicReader(topic, { reads, position, skipsGaps: false }))
    const results = async () =>
      (await textsOf(sink.bytes)).map((text): unknown => JSON.parse(text).payload)
    return {
      feed,
      sink,
      results,
      /** What was shown of each message. */
      got: async () => (await results()).map((result) => (result as { data: unknown }).data),
    }
  }

  return { topic, bus, publish, commit, subscribe, log }
}

/** Until what was scheduled for the end of this tick is done. */
function endOfTick(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

function upTo(newest: number, oldest = 1): number[] {
  return Array.from({ length: newest - oldest + 1 }, (_, n) => oldest + n)
}

const SOON = { timeout: 20_000, interval: 5 }

test('renders each message once for all members', async () => {
  const { publish, subscribe, bus } = await openWorld()
  const rendering = new FakeRendering()
  const members = [1, 2, 3].map(() => subscribe({ rendering }))
  publish(2)
  bus.publish([ephemeral({ payload: '"typing"' })])
  publish()
  await endOfTick()
  expect(rendering.started).toEqual([1, 2, null, 3])
  for (const { got, sink } of members) {
    expect(await got()).toEqual([1, 2, 'typing', 3])
    expect(sink.writes).toHaveLength(1)
  }
})

test('renders for each way of showing messages by itself', async () => {
  const { publish, subscribe } = await openWorld()
  const [one, other] = [new FakeRendering(() => true), new FakeRendering()]
  const slow = subscribe({ rendering: one })
  const fast = subscribe({ rendering: other })
  publish(2)
  await endOfTick()
  expect(await slow.got()).toEqual([])
  expect(await fast.got()).toEqual([1, 2]) // waits for nobody
  one.open()
  await expect.poll(slow.got, SOON).toEqual([1, 2])
})

test('makes no rendering of a message that no member wants', async () => {
  const { publish, subscribe, bus } = await openWorld()
  const rendering = new FakeRendering()
  const picky = subscribe({ rendering, filter: { from: ['bob'] } })
  publish(2)
  bus.publish([ephemeral({ from: 'bob' })])
  await endOfTick()
  const other = subscribe({ rendering, filter: { types: ['message'] } })
  publish()
  await endOfTick()
  other.feed.close()
  publish()
  await endOfTick()
  expect(rendering.started).toEqual([null, 3])
  expect(await picky.got()).toEqual([1])
  expect(await other.got()).toEqual([3])
})

test('begins a rendering after the one before it has ended, in order', async () => {
  const { publish, subscribe, bus } = await openWorld()
  const rendering = new FakeRendering(({ sequence }) => sequence !== 2)
  const members = [1, 2].map(() => subscribe({ rendering }))
  publish(3)
  await endOfTick()
  expect(rendering.started).toEqual([1])
  bus.publish([ephemeral({ payload: '"typing"' })])
  publish()
  await endOfTick()
  expect(rendering.started).toEqual([1])
  for (const started of [
    [1, 2, 3],
    [1, 2, 3, null],
    [1, 2, 3, null, 4],
  ]) {
    rendering.release()
    await endOfTick()
    expect(rendering.started).toEqual(started)
  }
  rendering.release()
  await endOfTick()
  for (const { got } of members) expect(await got()).toEqual([1, 2, 3, 'typing', 4])
})

test('a rendering that ends before what has arrived is handed on sends nobody to the log', async () => {
  const { publish, subscribe } = await openWorld()
  const rendering = new FakeRendering(() => true)
  const members = [1, 2].map(() => subscribe({ rendering }))
  publish()
  await endOfTick()
  for (let n = 0; n < 3; n++) {
    publish() // arrives now, and is handed on at the end of the tick
    rendering.release()
    await endOfTick()
  }
  rendering.open()
  for (const { got } of members) await expect.poll(got, SOON).toEqual(upTo(4))
  expect(rendering.started).toEqual(upTo(4))
})

test('one that joins while a rendering is made gets nothing twice, and nothing from before', async () => {
  const { publish, subscribe, bus } = await openWorld()
  const rendering = new FakeRendering(() => true)
  const first = subscribe({ rendering })
  publish(3)
  await endOfTick()
  const meanwhile = subscribe({ rendering })
  const earlier = subscribe({ rendering, after: 1 }) // reads what it has missed by itself
  publish()
  bus.publish([ephemeral({ payload: '"typing"' })])
  await endOfTick()
  const last = subscribe({ rendering })
  rendering.open()
  await expect.poll(first.got, SOON).toEqual([1, 2, 3, 4, 'typing'])
  await expect.poll(earlier.got, SOON).toEqual(expect.arrayContaining([2, 3, 4]))
  publish()
  await expect.poll(async () => (await earlier.got()).at(-1), SOON).toBe(5)
  expect(await first.got()).toEqual([1, 2, 3, 4, 'typing', 5])
  expect(await meanwhile.got()).toEqual([4, 'typing', 5])
  expect((await earlier.got()).filter((one) => one !== 'typing')).toEqual([2, 3, 4, 5])
  expect((await last.got()).filter((one) => one !== 'typing')).toEqual([5])
})

test('one that leaves while a rendering is made gets no more', async () => {
  const { publish, subscribe } = await openWorld()
  const rendering = new FakeRendering(() => true)
  const [gone, here] = [subscribe({ rendering }), subscribe({ rendering })]
  publish(2)
  await endOfTick()
  gone.feed.close()
  rendering.open()
  await expect.poll(here.got, SOON).toEqual([1, 2])
  here.feed.close()
  publish()
  await endOfTick()
  expect(await gone.got()).toEqual([])
  expect(await here.got()).toEqual([1, 2])
  expect(rendering.started).toEqual([1, 2])
})

test.each([
  ['as many messages as may wait are kept for a rendering', BOUND],
  ['of more, the members read by themselves, and share what was rendered for one', BOUND + 1],
])('%s', async (_what, waiting) => {
  const { publish, subscribe } = await openWorld()
  let isFirst = true
  const rendering = new FakeRendering(() => {
    const isHeld = isFirst
    isFirst = false
    return isHeld
  })
  const members = [1, 2].map(() => subscribe({ rendering }))
  publish()
  await endOfTick()
  publish(waiting)
  await endOfTick()
  rendering.release()
  for (const { got } of members) {
    await expect.poll(async () => (await got()).length, SOON).toBe(1 + waiting)
  }
  publish()
  await endOfTick()
  for (const { got } of members) expect(await got()).toEqual(upTo(waiting + 2))
  expect(rendering.count(2)).toBe(1)
  expect(rendering.count(waiting + 2)).toBe(1) // they are together again
})

test('one that joined while others waited falls behind from where it stands', async () => {
  const { publish, subscribe } = await openWorld()
  const rendering = new FakeRendering(() => true)
  const first = subscribe({ rendering })
  publish(10)
  await endOfTick()
  const later = subscribe({ rendering })
  publish(BOUND)
  const last = subscribe({ rendering })
  await endOfTick()
  rendering.open()
  publish()
  await expect.poll(first.got, SOON).toEqual(upTo(BOUND + 11))
  await expect.poll(later.got, SOON).toEqual(upTo(BOUND + 11, 11))
  await expect.poll(last.got, SOON).toEqual([BOUND + 11])
})

test('a member whose socket has no room falls behind alone, and catches up', async () => {
  const { publish, subscribe } = await openWorld({ maxBytes: 50, chunkBytes: 40 })
  const rendering = new FakeRendering()
  const [fast, slow] = [subscribe({ rendering }), subscribe({ rendering })]
  slow.sink.isFast = false
  for (let n = 0; n < 5; n++) {
    publish()
    await endOfTick()
  }
  expect(await fast.got()).toEqual(upTo(5))
  expect(await slow.got()).toEqual([1])
  expect(rendering.started).toEqual(upTo(5)) // nothing is made for one that has no room
  slow.sink.isFast = true
  slow.sink.take()
  await expect.poll(slow.got, SOON).toEqual(upTo(5))
  publish()
  await endOfTick()
  expect(rendering.count(6)).toBe(1)
  for (const { got } of [fast, slow]) expect(await got()).toEqual(upTo(6))
})

test('an ephemeral message that finds no room is left out, and counted', async () => {
  const { publish, subscribe, bus } = await openWorld({ maxBytes: 50, chunkBytes: 40 })
  const rendering = new FakeRendering()
  const [fast, slow] = [subscribe({ rendering }), subscribe({ rendering })]
  slow.sink.isFast = false
  publish()
  await endOfTick()
  publish()
  await endOfTick()
  for (let n = 0; n < 4; n++) {
    bus.publish([ephemeral({ payload: '"typing"' })])
    await endOfTick()
  }
  slow.sink.isFast = true
  slow.sink.take()
  await endOfTick()
  publish()
  await expect
    .poll(slow.results, SOON)
    .toEqual([
      { data: 1 },
      { data: 2 },
      { data: 'typing' },
      { data: 3, extensions: { carillon: { dropped: 3 } } },
    ])
  expect(slow.feed.dropped).toBe(3)
  expect(await fast.got()).toEqual([1, 2, 'typing', 'typing', 'typing', 'typing', 3])
  expect(fast.feed.dropped).toBe(0)
})

test('where the head of the topic jumps, every member reads the log, rendered once for all', async () => {
  const { topic, publish, commit, subscribe, log } = await openWorld({ ringBytes: 1 })
  const rendering = new FakeRendering()
  const members = [1, 2].map(() => subscribe({ rendering }))
  publish()
  await endOfTick()
  // The bus has lost them. After whole turns of 100 the last one would leave a member that has all
  // outside the cohort until its next turn, in which it renders what comes meanwhile by itself.
  commit(650)
  topic.check(await log.topic())
  for (const { got } of members) await expect.poll(got, SOON).toEqual(upTo(651))
  expect(rendering.count(651)).toBe(1)
  publish()
  await endOfTick()
  for (const { got } of members) expect(await got()).toEqual(upTo(652))
  expect(rendering.count(652)).toBe(1)
})

test('where the head jumps while a rendering is made, nothing comes twice or is missed', async () => {
  const { topic, publish, commit, subscribe, log } = await openWorld({ ringBytes: 1 })
  const rendering = new FakeRendering(({ sequence }) => sequence === 1)
  const members = [1, 2].map(() => subscribe({ rendering }))
  publish(2)
  await endOfTick()
  commit(700)
  topic.check(await log.topic())
  await expect.poll(() => topic.head, SOON).toBe(702)
  publish()
  await endOfTick()
  rendering.open()
  for (const { got } of members) await expect.poll(got, SOON).toEqual(upTo(703))
  publish()
  await endOfTick()
  for (const { got } of members) expect(await got()).toEqual(upTo(704))
})

test('ephemeral messages that waited for a rendering in vain are counted', async () => {
  const { publish, subscribe, bus } = await openWorld()
  const rendering = new FakeRendering(() => true)
  const members = [1, 2].map(() => subscribe({ rendering }))
  bus.publish([ephemeral()])
  await endOfTick()
  bus.publish(Array.from({ length: BOUND + 1 }, () => ephemeral()))
  await endOfTick()
  rendering.open()
  publish()
  const dropped = BOUND + 2
  for (const { results } of members) {
    await expect.poll(results, SOON).toEqual([{ data: 1, extensions: { carillon: { dropped } } }])
  }
})

test('ephemeral messages of the tick in which a member falls behind are counted once', async () => {
  const { publish, subscribe, bus } = await openWorld({ maxBytes: 50, chunkBytes: 40 })
  const { sink, results, feed } = subscribe({ rendering: new FakeRendering() })
  sink.isFast = false
  publish()
  await endOfTick()
  publish(3) // two fit
  bus.publish([ephemeral(), ephemeral()])
  await endOfTick()
  bus.publish([ephemeral()])
  await endOfTick()
  sink.isFast = true
  sink.take()
  const caughtUp = [1, 2, 3, 4].map((data) => ({ data }))
  await expect.poll(results, SOON).toEqual(caughtUp)
  bus.publish([ephemeral({ payload: '"typing"' })])
  const last = { data: 'typing', extensions: { carillon: { dropped: 3 } } }
  await expect.poll(results, SOON).toEqual([...caughtUp, last])
  expect(feed.dropped).toBe(3)
})

test('an ephemeral message that arrives together with a jump of the head is shown', async () => {
  const { topic, commit, subscribe, log, bus } = await openWorld({ ringBytes: 1 })
  const member = subscribe({ rendering: new FakeRendering() })
  commit(700)
  const read = log.read.bind(log)
  log.read = async (...args) => {
    log.read = read
    bus.publish([ephemeral({ payload: '"typing"' })]) // not handed on yet when the head jumps
    return read(...args)
  }
  topic.check(await log.topic())
  await expect.poll(member.got, SOON).toEqual(['typing', ...upTo(700)])
  expect(member.feed.dropped).toBe(0)
})

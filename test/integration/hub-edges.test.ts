import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { BACKEND } from '../../src/access/viewer.ts'
import type { Bus } from '../../src/bus/bus.ts'
import { MemoryBus } from '../../src/bus/memory-bus.ts'
import { type AnyMessage, Message } from '../../src/core/message.ts'
import type { Epoch, Sequence } from '../../src/core/sequence.ts'
import type { TopicName, TopicPattern } from '../../src/core/topic-name.ts'
import { Hub } from '../../src/hub/hub.ts'
import type { Rendering } from '../../src/hub/rendering.ts'
import { START_LIVE, type Start } from '../../src/hub/start.ts'
import type { TopicEvent } from '../../src/hub/topic-event.ts'
import type { Log, TopicState } from '../../src/log/log.ts'
import { FakeSink } from '../support/fake-sink.ts'
import { textsOf } from '../support/frames.ts'
import { ephemeral, message } from '../support/messages.ts'

const E1 = '0123456789ab' as Epoch
const E2 = 'ba9876543210' as Epoch
const T = 'chat:1' as TopicName

/** Topics in memory; messages may be trimmed from the front, as retention does. */
class FakeLog {
  readonly topicsByName = new Map<TopicName, { epoch: Epoch; messages: Message[]; head: number }>()
  /** What `topic` waits for. */
  gate: Promise<void> = Promise.resolve()

  of(name: TopicName) {
    const known = this.topicsByName.get(name)
    if (known !== undefined) return known
    const created = { epoch: E1, messages: [] as Message[], head: 0 }
    this.topicsByName.set(name, created)
    return created
  }
  add(name: TopicName): Message {
    const topic = this.of(name)
    const plain = message({ topic: name, sequence: ++topic.head })
    const { epoch } = topic
    const next = new Message({
      ...plain,
      payload: String(topic.head) as never,
      metadata: null,
      epoch,
    })
    topic.messages.push(next)
    return next
  }
  state(name: TopicName): TopicState {
    const { epoch, head, messages } = this.of(name)
    return { name, epoch, head: head as Sequence, tail: (messages[0]?.sequence ?? 0) as Sequence }
  }
  async topic(name: TopicName) {
    await this.gate
    return this.state(name)
  }
  async topicStates(names: readonly TopicName[]) {
    return names.map((name) => this.state(name))
  }
  async topics({ prefix }: { prefix: string }) {
    const names = [...this.topicsByName.keys()].filter((name) => name.startsWith(prefix))
    const topics = names.map((name) => this.state(name)).filter(({ head }) => head > 0)
    return { topics, hasNext: false, hasPrevious: false }
  }
  onRead: (() => void) | undefined
  async read(name: TopicName, after: number, limit: number) {
    this.onRead?.()
    this.onRead = undefined
    const messages = this.of(name).messages.filter(({ sequence }) => sequence > after)
    return { topic: this.state(name), messages: messages.slice(0, limit) }
  }
}

function setUp() {
  const log = new FakeLog()
  const bus = new MemoryBus(failOnFault)
  const faults: unknown[] = []
  const hub = new Hub({
    log: log as unknown as Log,
    bus,
    onFault: (error) => faults.push(error),
    bounds: { holeWaitMs: 0, checkIntervalMs: 20 },
  })
  return { log, bus, hub, faults }
}

function failOnFault(error: unknown): never {
  throw error
}

const FILTER = { reader: BACKEND, echo: true }
const started = (start: Partial<Start>) => ({ filter: FILTER, start: { ...START_LIVE, ...start } })
const RENDERING = {
  render: (one: AnyMessage) => Buffer.from(JSON.stringify({ sequence: one.sequence })),
}
const EVENT_RENDERING = {
  ...RENDERING,
  renderEvent: (event: TopicEvent) => Buffer.from(JSON.stringify({ kind: event.kind })),
}
const PREFIX = Buffer.from('{"payload":')
/** Some turns of the event loop, in which all that is under way without a timer comes about. */
const turns = () => delay(10)

function feedTo(hub: Hub, rendering: Rendering = RENDERING) {
  const sink = new FakeSink()
  sink.isFast = true
  const outbox = hub.outboxes.open(sink, { onStalled() {}, onFlooded() {}, onDrained() {} })
  return {
    target: { outbox, rendering, prefix: PREFIX },
    texts: () => textsOf(sink.bytes),
  }
}

test('a topic goes on where the log has trimmed a part of a hole', async () => {
  const { log, bus, hub } = setUp()
  for (let n = 0; n < 10; n++) log.add(T)
  const subscription = await hub.subscribe([T], started({ onGap: 'skip' }))
  const got: (number | null)[] = []
  const reading = (async () => {
    for await (const { sequence } of subscription) got.push(sequence)
  })()
  for (let n = 0; n < 10; n++) log.add(T) // the bus loses all of these
  log.of(T).messages.splice(0, 15) // and retention keeps 16 to 20
  await expect.poll(() => got).toEqual([16, 17, 18, 19, 20])
  for (let n = 0; n < 3; n++) bus.publish([log.add(T)])
  await expect.poll(() => got.at(-1)).toBe(23)
  await hub.close()
  await reading
  expect(got).toEqual([16, 17, 18, 19, 20, 21, 22, 23])
})

test('what was handed on before a failure is sent before the error', async () => {
  const { log, bus, hub } = setUp()
  for (let n = 0; n < 3; n++) log.add(T)
  const subscription = await hub.subscribe([T], started({}))
  const { target, texts } = feedTo(hub)
  subscription.feed(target)
  const end = subscription.next().catch((error) => error)
  bus.publish([log.add(T)])
  bus.publish([log.add(T)])
  await expect.poll(texts).toHaveLength(2)
  // Two more are committed, the topic is purged, and the bus brings them in the turn in which that is read.
  const [six, seven] = [log.add(T), log.add(T)]
  log.topicsByName.set(T, { epoch: E2, messages: [], head: 0 })
  log.onRead = () => bus.publish([six, seven])
  bus.announce({ topic: T, epoch: E2 })
  const { fromSequence } = (await end).gap
  await turns()
  const sent = (await texts()).length
  await hub.close()
  // The error says that all before `fromSequence` has come.
  expect({ fromSequence, sent }).toEqual({ fromSequence, sent: fromSequence - 4 })
})

test('what waits for a slow client is sent before the error', async () => {
  const { log, bus, hub } = setUp()
  const subscription = await hub.subscribe([T], started({}))
  const { target } = feedTo(hub)
  const sink = new FakeSink() // takes nothing yet
  const outbox = hub.outboxes.open(sink, { onStalled() {}, onFlooded() {}, onDrained() {} })
  subscription.feed({ ...target, outbox })
  const end = subscription.next().catch((error) => error)
  for (let n = 0; n < 5; n++) {
    bus.publish([log.add(T)])
    await turns()
  }
  log.topicsByName.set(T, { epoch: E2, messages: [], head: 0 })
  bus.announce({ topic: T, epoch: E2 })
  await turns()
  while (sink.writableLength > 0) sink.take()
  const error = await end
  await turns()
  while (sink.writableLength > 0) sink.take()
  await hub.close()
  expect(error.gap.fromSequence).toBe(6)
  expect(await textsOf(sink.bytes)).toHaveLength(5)
})

test('caughtUp is told, although an ephemeral message came before the subscription was fed', async () => {
  const { log, bus, hub } = setUp()
  log.add(T)
  const subscription = await hub.subscribeToEvents([T], started({ onGap: 'tell' }))
  bus.publish([ephemeral({ topic: T })]) // while another topic, or the resume store, is waited for
  await turns()
  const { target, texts } = feedTo(hub, EVENT_RENDERING)
  subscription.feed(target)
  const told = async () => (await texts()).filter((text) => text.includes('caughtUp'))
  await expect.poll(told).toHaveLength(1)
  await hub.close()
})

test('under a pattern, the snapshot comes first, although a message came meanwhile', async () => {
  const { log, bus, hub } = setUp()
  for (let n = 0; n < 5; n++) log.add(T)
  let answer: () => void = () => {}
  const asked = new Promise<void>((resolve) => {
    answer = resolve
  })
  const snapshots = {
    snapshot: async (topic: TopicName) =>
      ({ topic, epoch: E1, sequence: 4 as Sequence, state: '{}', cursor: '' }) as never,
    having: async (topics: readonly TopicName[]) => {
      await asked
      return new Set(topics)
    },
  }
  const joining = hub.subscribeToEvents(
    ['chat:*' as TopicPattern],
    started({ snapshots, onGap: 'tell' }),
  )
  await turns()
  bus.publish([log.add(T)]) // while the database looks for snapshots
  await turns()
  answer()
  const subscription = await joining
  const { target, texts } = feedTo(hub, EVENT_RENDERING)
  subscription.feed(target)
  await expect.poll(async () => (await texts())[0]).toContain('snapshot')
  await hub.close()
})

test('under a pattern `last` is kept, although a message came while another topic went live', async () => {
  const { log, bus, hub } = setUp()
  const other = 'chat:2' as TopicName
  for (let n = 0; n < 5; n++) log.add(T)
  log.add(other)
  const first = await hub.subscribe(['chat:*' as TopicPattern], started({}))
  let open: () => void = () => {}
  log.gate = new Promise<void>((resolve) => {
    open = resolve
  })
  bus.publish([log.add(other)]) // is taken in: its head is being read
  const joining = hub.subscribe(['chat:*' as TopicPattern], started({ last: 3 }))
  await turns()
  bus.publish([log.add(T)]) // 6
  await turns()
  open()
  const second = await joining
  const { target, texts } = feedTo(hub)
  second.feed(target)
  const sequences = async () =>
    (await texts()).map((text): unknown => JSON.parse(text).payload.sequence)
  await expect.poll(sequences).toEqual(expect.arrayContaining([4, 5, 6]))
  first.close()
  await hub.close()
})

test('a resumed subscriber of a pattern learns that a topic under it was purged', async () => {
  const { log, bus, hub, faults } = setUp()
  for (let n = 0; n < 5; n++) log.add(T)
  const baseline = { id: 'b', heads: new Map([[T, { epoch: E1, sequence: 5 as Sequence }]]) }
  const resumed = { topics: new Map(), baselines: new Map([['chat:*' as never, baseline]]) }
  const subscription = await hub.subscribe(['chat:*' as TopicPattern], started({ resumed }))
  const { target, texts } = feedTo(hub)
  subscription.feed(target)
  const end = subscription.next().catch((error: unknown) => error)
  log.topicsByName.set(T, { epoch: E2, messages: [], head: 0 })
  bus.announce({ topic: T, epoch: E2 })
  bus.publish([log.add(T)])
  expect(await end).toMatchObject({ code: 'CURSOR_EXPIRED', gap: { reason: 'EPOCH_CHANGED' } })
  expect(await texts()).toEqual([])
  expect(faults).toEqual([])
  await hub.close()
})

test('a start with `last` does not fail for what was trimmed', async () => {
  const { log, bus, hub } = setUp()
  for (let n = 0; n < 10; n++) log.add(T)
  const slow = new Hub({
    log: log as unknown as Log,
    bus,
    onFault: () => {},
    bounds: { checkIntervalMs: 60_000 },
  })
  const first = await slow.subscribe([T], started({}))
  log.of(T).messages.splice(0, 7) // keeps 8 to 10; the live topic has not compared yet
  const second = await slow.subscribe([T], started({ last: 5 }))
  const next = await second.next().catch((error) => error)
  first.close()
  await slow.close()
  await hub.close()
  expect(next.code ?? next.value.sequence).toBe(8)
})

test('a gap that ends while a comparison is under way is compared, too', async () => {
  const memory = new MemoryBus(failOnFault)
  let tellGap: () => void = () => {}
  const bus: Bus = Object.assign(Object.create(memory), {
    subscribe: memory.subscribe.bind(memory),
    onGap: (listener: () => void) => {
      tellGap = listener
      return () => {}
    },
  })
  let head = 0
  let asked = 0
  let answer: () => void = () => {}
  const state = () => ({
    name: T,
    epoch: '0123456789ab' as Epoch,
    head: head as Sequence,
    tail: Math.min(1, head) as Sequence,
  })
  const log = {
    topic: async () => state(),
    topicStates: async () => {
      asked++
      const states = [state()] // as of the query
      await new Promise<void>((resolve) => {
        answer = resolve
      })
      return states
    },
    read: async () => ({ topic: state(), messages: [message({ sequence: 1 })].slice(0, head) }),
  }
  const hub = new Hub({
    log: log as unknown as Log,
    bus,
    onFault: () => {},
    bounds: { checkIntervalMs: 600_000, holeWaitMs: 0 },
  })
  const subscription = await hub.subscribe([T], { filter: { reader: BACKEND, echo: true } })
  tellGap() // the first comparison has read the heads …
  head = 1 // … then Redis loses a message, and is back
  tellGap()
  answer()
  await expect.poll(() => asked).toBe(2)
  answer()
  subscription.close()
  await hub.close()
})

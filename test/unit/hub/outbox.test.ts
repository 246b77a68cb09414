import { afterEach, expect, test, vi } from 'vitest'
import { CLOSING_BRACE, type OutboxListener, type Sender } from '../../../src/hub/outbox.ts'
import { DEFAULT_OUTBOX_BOUNDS, type OutboxBounds, Outboxes } from '../../../src/hub/outboxes.ts'
import { Tick } from '../../../src/hub/tick.ts'
import { FakeSink } from '../../support/fake-sink.ts'
import { textsOf } from '../../support/frames.ts'

const NOTHING = Buffer.alloc(0)

afterEach(() => {
  vi.useRealTimers()
})

class Events implements OutboxListener {
  readonly names: string[] = []
  onStalled(): void {
    this.names.push('stalled')
  }
  onFlooded(): void {
    this.names.push('flooded')
  }
  onDrained(): void {
    this.names.push('drained')
  }
}

function failOnFault(error: unknown): void {
  throw error
}

function openAll(bounds: Partial<OutboxBounds> = {}): Outboxes {
  return new Outboxes(new Tick(failOnFault), { ...DEFAULT_OUTBOX_BOUNDS, ...bounds })
}

function open(bounds: Partial<OutboxBounds> = {}, all = openAll(bounds)) {
  const sink = new FakeSink()
  const events = new Events()
  return { all, sink, events: events.names, outbox: all.open(sink, events) }
}

function sender(prefix = '{"id":"1","payload":'): Sender & { isClosed: boolean } {
  return { prefix: Buffer.from(prefix), isClosed: false }
}

/** One that stands alone: its body is all of the text. */
const BARE: Sender = { prefix: NOTHING, isClosed: false }

function text(bytes: number): Buffer {
  return Buffer.alloc(bytes, 'x')
}

/** Until what was scheduled for the end of this tick is done. */
function endOfTick(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

/** Blocks with this many bytes: a frame that the sink does not take. */
function block({ outbox }: ReturnType<typeof open>, bytes: number): void {
  outbox.push(BARE, text(bytes - 2), NOTHING)
  outbox.flush()
}

test('writes once a tick, however many frames there are', async () => {
  const { outbox, sink } = open()
  sink.isFast = true
  const one = sender()
  for (let n = 0; n < 100; n++) outbox.push(one, Buffer.from(`{"data":${n}}`), CLOSING_BRACE)
  void outbox.send('{"type":"pong"}')
  expect(sink.writes).toHaveLength(0)
  await endOfTick()
  expect(sink.writes).toHaveLength(1)
  const expected = Array.from({ length: 100 }, (_, n) => `{"id":"1","payload":{"data":${n}}}`)
  expect(await textsOf(sink.bytes)).toEqual([...expected, '{"type":"pong"}'])
  outbox.push(one, Buffer.from('{}'), CLOSING_BRACE)
  await endOfTick()
  expect(sink.writes).toHaveLength(2)
})

test.each([
  [0, '8100'],
  [1, '8101'],
  [125, '817d'],
  [126, '817e007e'],
  [127, '817e007f'],
  [65_535, '817effff'],
  [65_536, '817f0000000000010000'],
  [3_000_000, '817f00000000002dc6c0'],
])('puts a text of %i bytes into one unmasked frame', async (bytes, header) => {
  const { outbox, sink } = open()
  outbox.push(BARE, text(bytes), NOTHING)
  await endOfTick()
  expect(sink.bytes.subarray(0, header.length / 2).toString('hex')).toBe(header)
  expect(sink.bytes.length).toBe(header.length / 2 + bytes)
  expect(await textsOf(sink.bytes)).toEqual(['x'.repeat(bytes)])
})

test('counts bytes, not characters', async () => {
  const { outbox, sink } = open()
  const umlauts = 'ü'.repeat(100)
  void outbox.send(umlauts)
  outbox.push(sender('{"id":"ü",'), Buffer.from('"payload":"€"'), CLOSING_BRACE)
  await endOfTick()
  expect(await textsOf(sink.bytes)).toEqual([umlauts, '{"id":"ü","payload":"€"}'])
})

test('does not write the frames of a sender that has closed meanwhile', async () => {
  const { outbox, sink } = open()
  sink.isFast = true
  const [gone, here] = [sender('gone'), sender('here')]
  for (const one of [gone, here, gone]) outbox.push(one, Buffer.from('{}'), CLOSING_BRACE)
  gone.isClosed = true
  await endOfTick()
  expect(await textsOf(sink.bytes)).toEqual(['here{}}'])
  outbox.push(gone, Buffer.from('{}'), CLOSING_BRACE)
  await endOfTick()
  expect(sink.writes).toHaveLength(1)
  expect(outbox.bytes).toBe(0)
})

test('hands on in chunks, each once the one before it has been taken', async () => {
  const { outbox, sink } = open({ chunkBytes: 1_000 })
  for (let n = 0; n < 10; n++) outbox.push(BARE, text(200), NOTHING)
  outbox.push(BARE, text(5_000), NOTHING)
  outbox.push(BARE, text(200), NOTHING)
  await endOfTick()
  const lengths = () => sink.writes.map(({ length }) => length)
  expect(lengths()).toEqual([4 * 204])
  await endOfTick()
  outbox.push(BARE, text(300), NOTHING) // waits behind the others
  await endOfTick()
  expect(lengths()).toEqual([4 * 204])
  for (let n = 0; n < 3; n++) sink.take()
  expect(lengths()).toEqual([4 * 204, 4 * 204, 2 * 204, 5_004])
  sink.take()
  sink.take()
  expect(lengths().slice(4)).toEqual([204 + 304])
  expect(outbox.bytes).toBe(0)
  expect((await textsOf(sink.bytes)).map(({ length }) => length)).toEqual([
    ...Array.from({ length: 10 }, () => 200),
    5_000,
    200,
    300,
  ])
})

test('waits for the write that blocks it, not for an earlier one', async () => {
  const opened = open()
  const { outbox, sink } = opened
  sink.isFast = true
  block(opened, 100) // taken at once; that it was, is told a moment later
  sink.isFast = false
  block(opened, 100)
  outbox.push(BARE, text(100), NOTHING)
  await endOfTick()
  expect(sink.writes).toHaveLength(2)
  sink.take()
  expect(sink.writes).toHaveLength(3)
})

test('hands all of it on at once where the socket takes each chunk right away', async () => {
  const { outbox, sink } = open({ chunkBytes: 1_000 })
  sink.isFast = true
  for (let n = 0; n < 10; n++) outbox.push(BARE, text(400), NOTHING)
  await endOfTick()
  expect(sink.writes.map(({ length }) => length)).toEqual([808, 808, 808, 808, 808])
})

test('has room up to its bound, and again once less is waiting', () => {
  const opened = open({ maxBytes: 1_000, chunkBytes: 100 })
  const { outbox, sink } = opened
  expect(outbox.hasRoom).toBe(true)
  block(opened, 100)
  outbox.push(BARE, text(899), NOTHING)
  expect(outbox.bytes).toBe(999)
  expect(outbox.hasRoom).toBe(true)
  outbox.push(BARE, text(1), NOTHING)
  expect(outbox.hasRoom).toBe(false)
  sink.take() // the large frame is under way, the small one still waits
  expect(outbox.bytes).toBe(903 + 1)
  expect(outbox.hasRoom).toBe(true)
})

test('lets one that is behind read on up to a chunk', () => {
  const opened = open({ maxBytes: 1_000, chunkBytes: 100 })
  const { outbox, sink } = opened
  outbox.push(BARE, text(99), NOTHING)
  expect(outbox.wantsMore).toBe(true)
  outbox.push(BARE, text(1), NOTHING)
  expect(outbox.wantsMore).toBe(false)
  sink.isFast = true
  outbox.flush()
  expect(outbox.wantsMore).toBe(true)
  outbox.close()
  expect(outbox.wantsMore).toBe(false)
})

test('all outboxes together have a bound, which counts also what comes while they are blocked', () => {
  const all = openAll({ maxBytes: 10_000, maxTotalBytes: 1_000 })
  const [slow, other, fast] = [open({}, all), open({}, all), open({}, all)]
  block(slow, 100)
  block(other, 100)
  expect(all.bytes).toBe(200)
  slow.outbox.push(BARE, text(800), NOTHING)
  expect(all.bytes).toBe(1_000)
  expect(other.outbox.hasRoom).toBe(true)
  slow.outbox.push(BARE, text(1), NOTHING)
  expect(all.isOverBudget).toBe(true)
  expect(slow.outbox.hasRoom).toBe(false)
  expect(other.outbox.hasRoom).toBe(false)
  expect(fast.outbox.hasRoom).toBe(true) // nothing waits for it
  slow.outbox.close()
  expect(all.bytes).toBe(100)
  expect(other.outbox.hasRoom).toBe(true)
  other.sink.take()
  expect(all.bytes).toBe(0)
})

test('a text of the protocol is sent at once where nothing is blocked, else once all has gone out', async () => {
  const opened = open({ chunkBytes: 100 })
  const { outbox, sink } = opened
  await outbox.send('first')
  outbox.flush()
  sink.take()
  block(opened, 100)
  const log: string[] = []
  const sent = outbox.send('second').then(() => log.push('sent'))
  await endOfTick()
  expect(log).toEqual([])
  sink.take()
  sink.take()
  log.push('taken')
  await sent
  expect(log).toEqual(['taken', 'sent'])
  expect((await textsOf(sink.bytes)).at(-1)).toBe('second')
})

test('who waits for a text to be sent is told when the outbox closes', async () => {
  const opened = open()
  block(opened, 100)
  const sent = opened.outbox.send('late')
  opened.outbox.close()
  opened.outbox.close()
  await sent
  await opened.outbox.send('later still')
  opened.sink.take()
  await endOfTick()
  expect(opened.sink.writes).toHaveLength(1)
  expect(opened.all.bytes).toBe(0)
})

test('says that a client has stalled which takes nothing for too long, once', () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] })
  const opened = open({ stallMs: 5_000 })
  block(opened, 100)
  vi.advanceTimersByTime(5_000)
  expect(opened.events).toEqual([])
  vi.advanceTimersByTime(1_000)
  expect(opened.events).toEqual(['stalled'])
  vi.advanceTimersByTime(60_000)
  expect(opened.events).toEqual(['stalled'])
  expect(vi.getTimerCount()).toBe(0)
})

test('does not say so of a client that is slow and takes something now and then', () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] })
  const opened = open({ stallMs: 5_000, chunkBytes: 100 })
  block(opened, 100)
  for (let n = 0; n < 10; n++) opened.outbox.push(BARE, text(98), NOTHING)
  for (let n = 0; n < 10; n++) {
    vi.advanceTimersByTime(4_000)
    opened.sink.take()
  }
  expect(opened.events).toEqual([])
  opened.sink.take()
  expect(vi.getTimerCount()).toBe(0) // nobody is slow any more
  vi.advanceTimersByTime(60_000)
  block(opened, 100) // its time begins anew
  vi.advanceTimersByTime(5_000)
  expect(opened.events).toEqual([])
  opened.outbox.close()
  expect(vi.getTimerCount()).toBe(0)
})

test('says when answers flood it, and when they have gone out', () => {
  const opened = open({ maxBytes: 1_000, chunkBytes: 500 })
  const { outbox, sink, events } = opened
  block(opened, 100)
  for (let n = 0; n < 5; n++) void outbox.send('x'.repeat(380))
  expect(events).toEqual([])
  void outbox.send('x'.repeat(1))
  void outbox.send('x'.repeat(1_000))
  expect(events).toEqual(['flooded'])
  for (let n = 0; n < 6; n++) sink.take()
  expect(events).toEqual(['flooded'])
  sink.take()
  expect(events).toEqual(['flooded', 'drained'])
})

test('says so too where the socket takes all of the flood at once', async () => {
  const { outbox, sink, events } = open({ maxBytes: 1_000 })
  sink.isFast = true
  void outbox.send('x'.repeat(2_001))
  expect(events).toEqual(['flooded'])
  await endOfTick()
  expect(events).toEqual(['flooded', 'drained'])
  void outbox.send('x'.repeat(2_001))
  await endOfTick()
  expect(events).toEqual(['flooded', 'drained', 'flooded', 'drained'])
})

/** In a tick of one topic that pushes in two steps: what it has, and the newest. */
async function handOn(all: Outboxes, before: () => void, newest: () => void): Promise<void> {
  all.tick.deliver({
    flush: () => {
      before()
      all.tick.handOnNewest(newest)
    },
  })
  await endOfTick()
}

test('what comes last in a tick leaves at once, with what was there before it', async () => {
  const all = openAll()
  const [one, two] = [open({}, all), open({}, all)]
  const ada = sender('{"id":"ada","payload":')
  const bob = sender('{"id":"bob","payload":')
  for (const { sink } of [one, two]) sink.isFast = true
  const written: number[] = []
  const before = () => one.outbox.push(ada, Buffer.from('1'), CLOSING_BRACE)
  await handOn(all, before, () => {
    const body = Buffer.from('2')
    one.outbox.push(ada, body, CLOSING_BRACE)
    two.outbox.push(bob, body, CLOSING_BRACE)
    written.push(one.sink.writes.length, two.sink.writes.length)
  })
  expect(written).toEqual([1, 1])
  expect([one.sink.writes.length, two.sink.writes.length]).toEqual([1, 1])
  expect(await textsOf(one.sink.bytes)).toEqual([
    '{"id":"ada","payload":1}',
    '{"id":"ada","payload":2}',
  ])
  expect(await textsOf(two.sink.bytes)).toEqual(['{"id":"bob","payload":2}'])
})

test('a frame that a slow socket still looks at is never written to again', async () => {
  const all = openAll()
  const readers = ['ada', 'bob', 'eve', 'a longer one', 'ida'].map((id) => ({
    ...open({}, all),
    id,
    sender: sender(`{"id":"${id}","payload":`),
  }))
  for (const { sink, id } of readers) sink.isFast = id !== 'bob'
  for (const text of ['{"n":1}', '{"n":2}']) {
    const body = Buffer.from(text)
    await handOn(
      all,
      () => {},
      () => {
        for (const { outbox, sender } of readers) outbox.push(sender, body, CLOSING_BRACE)
      },
    )
  }
  const slow = readers[1]
  slow?.sink.take()
  for (const { sink, id } of readers) {
    if (id === 'bob') sink.take()
    const expected = ['{"n":1}', '{"n":2}'].map((text) => `{"id":"${id}","payload":${text}}`)
    expect(await textsOf(sink.bytes)).toEqual(expected)
  }
})

test('goes on where `ws` has written a pong behind its chunk', () => {
  const { sink, outbox } = open()
  outbox.push(BARE, Buffer.from('one'), NOTHING)
  outbox.flush()
  sink.write(Buffer.alloc(7), () => {}) // `ws` answers a ping by a write of its own
  outbox.push(BARE, Buffer.from('two'), NOTHING)
  sink.take() // ours is out; the pong is not yet
  expect(sink.writes).toHaveLength(3) // the second of ours is on its way
  while (sink.writableLength > 0) sink.take()
  expect(outbox.bytes).toBe(0)
})

test('counts nothing once it is closed, also where the tick comes to it later', () => {
  const { all, outbox } = open()
  outbox.push(BARE, Buffer.from('one'), NOTHING)
  outbox.flush()
  outbox.close()
  expect(all.bytes).toBe(0)
  outbox.flush()
  expect(all.bytes).toBe(0)
})

test('while it rests, only texts of the protocol go out, and what was held goes out in its order', async () => {
  const opened = open()
  const { outbox, sink } = opened
  block(opened, 1_000)
  outbox.push(BARE, Buffer.from('"queued"'), NOTHING)
  outbox.sendInOrder('"a ping behind it"')
  outbox.rest()
  outbox.rest()
  outbox.push(BARE, Buffer.from('"rendered meanwhile"'), NOTHING)
  outbox.sendInOrder('"another ping"')
  void outbox.send('"pong"')
  sink.isFast = true
  sink.take()
  await endOfTick()
  expect((await textsOf(sink.bytes)).slice(1)).toEqual(['"pong"'])
  expect([outbox.hasRoom, outbox.wantsMore]).toEqual([false, false])
  outbox.wake()
  await endOfTick()
  const held = ['"queued"', '"a ping behind it"', '"rendered meanwhile"', '"another ping"']
  expect((await textsOf(sink.bytes)).slice(1)).toEqual(['"pong"', ...held])
  expect([outbox.hasRoom, outbox.wantsMore]).toEqual([true, true])
})

test('what it held is gone once it is closed', () => {
  const { outbox, sink } = open()
  outbox.rest()
  outbox.push(BARE, Buffer.from('"late"'), NOTHING)
  outbox.close()
  outbox.wake()
  expect(sink.writes).toEqual([])
})

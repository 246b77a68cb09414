import { Duplex } from 'node:stream'
import { setImmediate } from 'node:timers/promises'
import { expect, test, vi } from 'vitest'
import { Intake, readingCost } from '../../../src/transport/intake.ts'
import { Reader } from '../../../src/transport/reader.ts'

/** Under load. */
const SOON = { timeout: 10_000 }

/** A socket, what reads from it, and what was read. */
function open() {
  const raw = new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() })
  const got: Buffer[] = []
  const events: string[] = []
  let isPaused = false
  const intake = new Intake()
  const reader = new Reader({ raw, intake, isPaused: () => isPaused })
  raw.on('data', (chunk: Buffer) => got.push(chunk))
  raw.on('end', () => events.push(`end after ${size()}`))
  raw.on('close', () => events.push(`close after ${size()}`))
  const size = () => Buffer.concat(got).length
  const pause = (value: boolean) => {
    isPaused = value
  }
  return { raw, reader, intake, got, events, size, pause }
}

const LONG = Buffer.from(Array.from({ length: 100_000 }, (_, at) => at % 251))

test('passes on everything, in order and in small parts', async () => {
  const { raw, got, size } = open()
  raw.push(LONG)
  raw.push('the end')
  await expect.poll(size, SOON).toBe(LONG.length + 7)
  expect(Buffer.concat(got).equals(Buffer.concat([LONG, Buffer.from('the end')]))).toBe(true)
  expect(Math.max(...got.map(({ length }) => length))).toBe(2048)
})

test.each([
  ['one message that grows and grows', false, 2.5],
  ['many messages', true, 1],
])('what is read of %s costs as much as it takes memory', async (_what, areMany, times) => {
  const { raw, reader, intake, size } = open()
  const spend = vi.spyOn(intake, 'spend')
  if (areMany) raw.on('data', () => reader.finishMessage())
  const bytes = 256 * 1024
  for (let sent = 0; sent < 4; sent++) {
    raw.push(Buffer.alloc(bytes / 4))
    await expect.poll(size, SOON).toBe(((sent + 1) * bytes) / 4)
  }
  const cost = spend.mock.calls.reduce((sum, [ms]) => sum + ms, 0)
  expect(cost).toBeCloseTo(times * readingCost(bytes), 6)
})

test('reads nothing more from the socket while anything waits', async () => {
  const { raw, reader, size } = open()
  reader.hold()
  raw.push('abc')
  await setImmediate()
  expect(raw.isPaused()).toBe(true)
  expect(reader.isBehind).toBe(true)
  expect(size()).toBe(0)
  reader.release()
  await expect.poll(size, SOON).toBe(3)
  expect(raw.isPaused()).toBe(false)
  expect(reader.isBehind).toBe(false)
})

test('waits for those behind', async () => {
  const { raw, reader, size, pause } = open()
  pause(true)
  raw.push('abc')
  await setImmediate()
  expect(size()).toBe(0)
  pause(false)
  reader.goOn()
  await expect.poll(size, SOON).toBe(3)
})

test('rests for as long as it was told', async () => {
  const { raw, reader, size } = open()
  const begun = performance.now()
  reader.rest(50)
  reader.rest(10_000) // it does so already
  raw.push('abc')
  await expect.poll(size, SOON).toBe(3)
  expect(performance.now() - begun).toBeGreaterThan(48)
})

test('what came before the end comes before it', async () => {
  const { raw, events } = open()
  raw.push(LONG)
  raw.push(null)
  await expect.poll(() => events, SOON).toContain(`end after ${LONG.length}`)
})

test('what waits when a socket is cut is dropped', async () => {
  const { raw, reader, events } = open()
  reader.hold()
  raw.push(LONG)
  await setImmediate()
  raw.destroy()
  await expect.poll(() => events, SOON).toEqual(['close after 0'])
})

test('an end does not hurry what waits', async () => {
  const { raw, reader, size, events } = open()
  reader.hold()
  raw.push(LONG)
  raw.push(null)
  for (let turns = 0; turns < 5; turns++) await setImmediate()
  expect(size()).toBe(0)
  expect(events).toEqual([])
  reader.release()
  await expect.poll(() => events, SOON).toContain(`end after ${LONG.length}`)
})

test('passes on a part now and then while it is held', async () => {
  const { raw, reader, size } = open()
  reader.hold()
  raw.push(LONG)
  await expect.poll(size, SOON).toBe(2048)
  raw.destroy()
})

test('goes on reading where a part that was passed on while it was held was the last', async () => {
  const { raw, reader, size, events } = open()
  reader.hold()
  raw.push('abc')
  await expect.poll(size, SOON).toBe(3)
  expect(raw.isPaused()).toBe(false)
  reader.release()
  raw.push('def')
  raw.push(null)
  await expect.poll(() => events, SOON).toContain('end after 6')
})

import fc from 'fast-check'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Throttle } from '../../../src/hub/throttle.ts'

interface Delivered {
  readonly item: number
  readonly dropped: number
  /** When, in milliseconds. */
  readonly at: number
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
})

afterEach(() => {
  vi.useRealTimers()
})

/** A throttle of numbers, with what has come out of it. */
function open(maxPerSecond: number, bytesOf = (_item: number) => 1) {
  const delivered: Delivered[] = []
  const deliver = (item: number, dropped: number) =>
    void delivered.push({ item, dropped, at: performance.now() })
  const throttle = new Throttle<number>({ maxPerSecond, deliver, bytesOf })
  let offered = 0
  return {
    throttle,
    delivered,
    items: () => delivered.map(({ item }) => item),
    dropped: () => delivered.reduce((sum, { dropped }) => sum + dropped, 0),
    /** Offers so many more: 1, 2, 3, … */
    offer: (count: number) => {
      for (let n = 0; n < count; n++) throttle.offer(++offered)
    },
  }
}

test('lets the first of a window through at once', () => {
  const { offer, items } = open(3)
  offer(5)
  expect(items()).toEqual([1, 2, 3])
})

test('holds the newest of those that are too many until the next window, and counts the others', () => {
  const { offer, delivered, items } = open(3)
  offer(10)
  vi.advanceTimersByTime(999)
  expect(items()).toEqual([1, 2, 3])
  vi.advanceTimersByTime(1)
  expect(items()).toEqual([1, 2, 3, 8, 9, 10])
  expect(delivered.map(({ dropped }) => dropped)).toEqual([0, 0, 0, 4, 0, 0])
})

test('counts what it has held back towards the window in which it passes', () => {
  const { offer, items, dropped } = open(2)
  offer(4)
  vi.advanceTimersByTime(1_000)
  offer(3)
  expect(items()).toEqual([1, 2, 3, 4])
  vi.advanceTimersByTime(1_000)
  expect(items()).toEqual([1, 2, 3, 4, 6, 7])
  expect(dropped()).toBe(1)
})

test('lets as many through as a window has left besides what was held', () => {
  const { offer, items } = open(3)
  offer(4)
  vi.advanceTimersByTime(1_000)
  offer(3)
  expect(items()).toEqual([1, 2, 3, 4, 5, 6])
})

test('opens the next window with the first item that comes after the last one', () => {
  const { offer, delivered } = open(2)
  offer(2)
  vi.advanceTimersByTime(1_700)
  offer(2)
  vi.advanceTimersByTime(900)
  offer(1) // of the window that began at 1,700
  vi.advanceTimersByTime(100)
  expect(delivered.map(({ item, at }) => [item, at - (delivered[0]?.at ?? 0)])).toEqual([
    [1, 0],
    [2, 0],
    [3, 1_700],
    [4, 1_700],
    [5, 2_700],
  ])
})

test('leaves nothing out that is kept, counts it for nothing, and keeps its place', () => {
  const items: (number | string)[] = []
  const throttle = new Throttle<number | string>({
    maxPerSecond: 2,
    deliver: (item, dropped) => void items.push(dropped === 0 ? item : `${item} -${dropped}`),
    bytesOf: () => 1,
    isKept: (item) => typeof item === 'string',
  })
  for (const item of ['a', 1, 'b', 2, 3, 'c', 4, 'd', 5]) throttle.offer(item)
  expect(items).toEqual(['a', 1, 'b', 2])
  vi.advanceTimersByTime(1_000)
  expect(items.slice(4)).toEqual(['c -1', 4, 'd', 5])
  throttle.offer('e')
  throttle.offer(6)
  expect(items.slice(8)).toEqual(['e'])
  vi.advanceTimersByTime(1_000)
  expect(items.slice(9)).toEqual([6])
})

test('keeps the order where the timer is late', () => {
  const { offer, items } = open(2)
  offer(3)
  const late = vi.spyOn(performance, 'now').mockReturnValue(performance.now() + 1_500)
  offer(1)
  expect(items()).toEqual([1, 2]) // not before what is held
  late.mockRestore()
  vi.advanceTimersByTime(1_000)
  expect(items()).toEqual([1, 2, 3, 4])
})

test('leaves nothing out where no more come than may pass', () => {
  const { offer, items, dropped } = open(10)
  for (let n = 0; n < 100; n++) {
    offer(1)
    vi.advanceTimersByTime(100)
  }
  expect(items()).toEqual(Array.from({ length: 100 }, (_, n) => n + 1))
  expect(dropped()).toBe(0)
})

test('holds no more bytes than its bound, and one item however large', () => {
  const { offer, items, delivered } = open(10, (item) => (item === 13 ? 4 : 0.3) * 1024 * 1024)
  offer(16) // 10 pass, 14 to 16 fit besides one another
  vi.advanceTimersByTime(1_000)
  expect(items().slice(10)).toEqual([14, 15, 16])
  expect(delivered[10]?.dropped).toBe(3)

  const large = open(1, () => 4 * 1024 * 1024)
  large.offer(3)
  vi.advanceTimersByTime(1_000)
  expect(large.items()).toEqual([1, 3])
})

test('delivers nothing more once it is closed', () => {
  const { throttle, offer, items } = open(1)
  offer(3)
  throttle.close()
  throttle.close()
  expect(vi.getTimerCount()).toBe(0)
  vi.advanceTimersByTime(5_000)
  expect(items()).toEqual([1])
})

test('whatever comes when, everything passes, is held or is counted, and no window has too many', () => {
  const step = fc.record({ count: fc.nat({ max: 12 }), wait: fc.nat({ max: 1_500 }) })
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 6 }), fc.array(step), (maxPerSecond, steps) => {
      const { throttle, offer, items, delivered, dropped } = open(maxPerSecond)
      for (const { count, wait } of steps) {
        offer(count)
        vi.advanceTimersByTime(wait)
      }
      const offered = steps.reduce((sum, { count }) => sum + count, 0)
      const before = items().length + dropped()
      expect(before).toBeLessThanOrEqual(offered)
      vi.advanceTimersByTime(1_000)
      // What was held has passed, and says what was left out before it.
      expect(items().length + dropped()).toBe(offered)
      expect(items()).toEqual([...items()].sort((a, b) => a - b))
      if (offered > 0) expect(items().at(-1)).toBe(offered)
      expect(mostInOneWindow(delivered)).toBeLessThanOrEqual(maxPerSecond)
      throttle.close()
    }),
    { numRuns: 300 },
  )
})

/** A window begins with the first delivery after the one before it has ended. */
function mostInOneWindow(delivered: readonly Delivered[]): number {
  let start = Number.NEGATIVE_INFINITY
  let count = 0
  let most = 0
  for (const { at } of delivered) {
    if (at - start >= 1_000) {
      start = at
      count = 0
    }
    most = Math.max(most, ++count)
  }
  return most
}

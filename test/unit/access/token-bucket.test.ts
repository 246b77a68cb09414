import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { TokenBucket } from '../../../src/access/token-bucket.ts'

beforeEach(() => void vi.useFakeTimers({ toFake: ['performance', 'setTimeout'] }))
afterEach(() => void vi.useRealTimers())

function takeAll(bucket: TokenBucket): number {
  let count = 0
  while (bucket.take()) count++
  return count
}

test('begins full, and has as many at once as the burst says', () => {
  expect(takeAll(new TokenBucket({ perSecond: 10, burst: 5 }))).toBe(5)
})

test('fills by the time that has passed, and no higher than the burst', () => {
  const bucket = new TokenBucket({ perSecond: 10, burst: 5 })
  takeAll(bucket)
  vi.advanceTimersByTime(99)
  expect(bucket.take()).toBe(false)
  vi.advanceTimersByTime(1)
  expect(takeAll(bucket)).toBe(1)
  vi.advanceTimersByTime(300)
  expect(takeAll(bucket)).toBe(3)
  vi.advanceTimersByTime(3_600_000)
  expect(takeAll(bucket)).toBe(5)
})

test('says when it may be tried again, and then it may', () => {
  const bucket = new TokenBucket({ perSecond: 3, burst: 1 })
  takeAll(bucket)
  expect(bucket.retryAfterMs).toBe(334)
  vi.advanceTimersByTime(bucket.retryAfterMs)
  expect(bucket.take()).toBe(true)
})

test('asking in vain costs nothing', () => {
  const bucket = new TokenBucket({ perSecond: 10, burst: 1 })
  takeAll(bucket)
  for (let n = 0; n < 10; n++) {
    expect(bucket.take()).toBe(false)
    vi.advanceTimersByTime(10)
  }
  vi.advanceTimersByTime(bucket.retryAfterMs) // sums of fractions may be a hair below one
  expect(bucket.take()).toBe(true)
})

test('a burst below one lets nothing pass', () => {
  const bucket = new TokenBucket({ perSecond: 10, burst: 0 })
  vi.advanceTimersByTime(10_000)
  expect(bucket.take()).toBe(false)
})

test('never says less than a millisecond, also where something may happen now', () => {
  expect(new TokenBucket({ perSecond: 1_000_000, burst: 5 }).retryAfterMs).toBe(1)
})

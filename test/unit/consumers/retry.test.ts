import fc from 'fast-check'
import { expect, test } from 'vitest'
import { delayAfter, parseRetry, type RetryStrategy } from '../../../src/consumers/retry.ts'

function delays(strategy: RetryStrategy, chance = 0): readonly number[] {
  const policy = parseRetry({ strategy, baseDelay: 100, maxDelay: 1_000, jitter: 0.5 })
  return [1, 2, 3, 4, 5, 6].map((attempts) => delayAfter(attempts, policy, chance))
}

test('the time between attempts stays, grows by the same, or doubles, up to its bound', () => {
  expect(delays('fixed')).toEqual([100, 100, 100, 100, 100, 100])
  expect(delays('linear')).toEqual([100, 200, 300, 400, 500, 600])
  expect(delays('exponential')).toEqual([100, 200, 400, 800, 1_000, 1_000])
})

test('chance shortens it by the part that jitter says', () => {
  expect(delays('fixed', 1)[0]).toBe(50)
  expect(delays('exponential', 0.5)[5]).toBe(750)
})

test('it is never longer than maxDelay, nor negative, after however many attempts', () => {
  fc.assert(
    fc.property(
      fc.constantFrom<RetryStrategy>('fixed', 'linear', 'exponential'),
      fc.integer({ min: 1, max: 100 }),
      fc.record({
        baseDelay: fc.integer({ min: 0, max: 86_400_000 }),
        maxDelay: fc.integer({ min: 0, max: 86_400_000 }),
        jitter: fc.double({ min: 0, max: 1, noNaN: true }),
      }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (strategy, attempts, policy, chance) => {
        const delay = delayAfter(attempts, parseRetry({ strategy, ...policy }), chance)
        expect(delay).toBeGreaterThanOrEqual(0)
        expect(delay).toBeLessThanOrEqual(policy.maxDelay)
      },
    ),
  )
})

import fc from 'fast-check'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Allowance } from '../../../src/access/allowance.ts'

const WINDOW_MS = 1_000

class Refused extends Error {}

/** What instances share: so many points in each window. */
class Shared {
  readonly #points: number
  readonly #drawMs: number
  #left: number
  #until = 0
  /** How often it was asked. */
  draws = 0

  constructor(points: number, drawMs = 0) {
    this.#points = points
    this.#left = points
    this.#drawMs = drawMs
  }

  /** The window begins with its first draw; the answer takes its time. */
  draw = async (points: number): Promise<number> => {
    this.draws++
    const now = performance.now()
    if (now >= this.#until) {
      this.#until = now + WINDOW_MS
      this.#left = this.#points
    }
    const ms = this.#until - now
    const isThere = this.#left >= points
    if (isThere) this.#left -= points
    if (this.#drawMs > 0) await new Promise((resolve) => setTimeout(resolve, this.#drawMs))
    if (!isThere) throw new Refused()
    return ms
  }

  get until(): number {
    return this.#until
  }
}

beforeEach(() => void vi.useFakeTimers({ toFake: ['performance', 'setTimeout', 'clearTimeout'] }))
afterEach(() => void vi.useRealTimers())

test('draws in parts, so that most of what is done asks nobody', async () => {
  const shared = new Shared(1_000)
  const allowance = new Allowance(1_000, shared.draw)
  for (let n = 0; n < 1_000; n++) await allowance.take(1)
  expect(shared.draws).toBe(20)
  await expect(allowance.take(1)).rejects.toThrow(Refused)
})

test('all points of a window can be taken, and again in the next', async () => {
  for (const points of [1, 2, 19, 20, 21, 39, 100]) {
    const allowance = new Allowance(points, new Shared(points).draw)
    for (let window = 0; window < 2; window++) {
      let taken = 0
      while (
        await allowance.take(1).then(
          () => true,
          () => false,
        )
      )
        taken++
      expect(taken).toBeGreaterThan(points * 0.94)
      expect(taken).toBeLessThanOrEqual(points)
      vi.advanceTimersByTime(WINDOW_MS)
    }
  }
})

test('what was drawn and not used is void when its window ends', async () => {
  const shared = new Shared(100)
  const allowance = new Allowance(100, shared.draw)
  await allowance.take(1)
  vi.advanceTimersByTime(WINDOW_MS)
  await allowance.take(1)
  expect(shared.draws).toBe(2)
})

test('more than a part is drawn at once where it is asked for at once', async () => {
  const shared = new Shared(100)
  await new Allowance(100, shared.draw).take(100)
  expect(shared.draws).toBe(1)
  await expect(new Allowance(100, new Shared(100).draw).take(101)).rejects.toThrow(Refused)
})

test('those who wait at once wait for one draw', async () => {
  const shared = new Shared(100, 10)
  const allowance = new Allowance(100, shared.draw)
  const taken = Promise.all([1, 2, 3, 4, 5].map(() => allowance.take(1)))
  await vi.advanceTimersByTimeAsync(10)
  await taken
  expect(shared.draws).toBe(1)
})

test('a draw that fails is told to those who waited for it, and the next one is made', async () => {
  const draw = vi.fn<(points: number) => Promise<number>>().mockRejectedValueOnce(new Error('away'))
  draw.mockResolvedValue(WINDOW_MS)
  const allowance = new Allowance(100, draw)
  const failed = await Promise.allSettled([allowance.take(1), allowance.take(1)])
  expect(failed.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
  await allowance.take(1)
  expect(draw).toHaveBeenCalledTimes(2)
})

test('a draw whose answer comes after its window is drawn anew', async () => {
  const shared = new Shared(100, WINDOW_MS + 1)
  const allowance = new Allowance(100, shared.draw)
  let isTaken = false
  const taken = allowance.take(1).then(() => {
    isTaken = true
  })
  await vi.advanceTimersByTimeAsync(WINDOW_MS + 1)
  expect([isTaken, shared.draws]).toEqual([false, 2])
  taken.catch(() => {})
})

test('never more than the points are taken in a window, by however many instances', async () => {
  const step = fc.record({
    instance: fc.nat(3),
    count: fc.integer({ min: 1, max: 8 }),
    pause: fc.oneof({ weight: 5, arbitrary: fc.constant(0) }, fc.integer({ min: 1, max: 700 })),
  })
  const property = fc.asyncProperty(
    fc.integer({ min: 1, max: 60 }),
    fc.nat(120),
    fc.array(step, { minLength: 1, maxLength: 80 }),
    async (points, drawMs, steps) => {
      const shared = new Shared(points, drawMs)
      const instances = [0, 1, 2, 3].map(() => new Allowance(points, shared.draw))
      const taken = new Map<number, number>()
      const work: Promise<void>[] = []
      for (const { instance, count, pause } of steps) {
        const take = instances[instance]?.take(count) ?? Promise.resolve()
        const count_ = () => void taken.set(shared.until, (taken.get(shared.until) ?? 0) + count)
        work.push(take.then(count_, () => {}))
        await vi.advanceTimersByTimeAsync(pause)
      }
      await vi.advanceTimersByTimeAsync(5 * WINDOW_MS)
      await Promise.all(work)
      for (const sum of taken.values()) expect(sum).toBeLessThanOrEqual(points)
    },
  )
  await fc.assert(property, { numRuns: 300 })
})

import { expect, test } from 'vitest'
import { inStages } from '../../../src/transport/stages.ts'

/** Pauses that end when the test says so. */
function openPauses() {
  const waiting: (() => void)[] = []
  return {
    waiting,
    pause: () => new Promise<void>((resolve) => waiting.push(resolve)),
  }
}

test('works on as many as a stage has, and on the next when the pause is over', async () => {
  const { waiting, pause } = openPauses()
  const done: number[] = []
  const working = inStages([1, 2, 3, 4, 5], (n) => done.push(n), { size: 2, pause })
  expect(done).toEqual([1, 2])
  waiting.shift()?.()
  await expect.poll(() => done).toEqual([1, 2, 3, 4])
  waiting.shift()?.()
  await working
  expect(done).toEqual([1, 2, 3, 4, 5])
  expect(waiting).toEqual([])
})

test('few are one stage, without a pause', async () => {
  const done: number[] = []
  const pause = () => Promise.reject(new Error('There is nothing to wait for.'))
  await inStages([1, 2], (n) => done.push(n), { size: 2, pause })
  await inStages([], (n) => done.push(n), { size: 2, pause })
  expect(done).toEqual([1, 2])
})

test('many make stages larger, not more: the time that it takes has a bound', async () => {
  let pauses = 0
  let done = 0
  const pause = async () => void pauses++
  const many = Array.from({ length: 100_000 }, (_, n) => n)
  await inStages(many, () => done++, { size: 200, pause })
  expect({ done, pauses }).toEqual({ done: 100_000, pauses: 29 })
})

import { setImmediate } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { Repair } from '../../../src/hub/repair.ts'
import { rejection } from '../../support/rejection.ts'

/** Reads are answered when the test says so. */
function setUp({ isStarted = true } = {}) {
  const applied: number[] = []
  const faults: unknown[] = []
  const answers: { resolve: () => void; reject: (error: unknown) => void }[] = []
  let reads = 0
  const repair = new Repair<number>({
    read() {
      const read = ++reads
      return new Promise((resolve, reject) =>
        answers.push({ resolve: () => resolve(read), reject }),
      )
    },
    apply: (found) => applied.push(found),
    retryMs: 1,
    onFault: (fault) => faults.push(fault),
  })
  if (isStarted) repair.start()
  const reading = (count: number) => expect.poll(() => reads, { interval: 1 }).toBe(count)
  return { repair, applied, faults, answers, reading, reads: () => reads }
}

test('asked for while it reads, it reads again where the read may have begun too early', async () => {
  const { repair, applied, answers, reading } = setUp()
  repair.schedule(0)
  await reading(1)
  for (let n = 0; n < 5; n++) repair.schedule(0)
  repair.schedule(1)
  answers[0]?.resolve()
  await reading(2)
  answers[1]?.resolve()
  await expect.poll(() => applied).toEqual([1, 2])
})

test('asked for again and again, it is not put off', async () => {
  const { repair, reads } = setUp()
  const start = performance.now()
  while (reads() === 0 && performance.now() - start < 5_000) {
    repair.schedule(0)
    await setImmediate()
  }
  expect(reads()).toBe(1)
})

test('asked for at once, it does not wait for a later time that was set', async () => {
  const { repair, reading } = setUp()
  repair.schedule(600_000)
  repair.schedule(0)
  await reading(1)
})

test('answers what is true from the call on, also where a read is under way', async () => {
  const { repair, applied, answers, reading } = setUp()
  repair.schedule(0)
  await reading(1)
  const both = Promise.all([repair.now(), repair.now()])
  answers[0]?.resolve()
  await reading(2)
  answers[1]?.resolve()
  await both
  expect(applied).toEqual([1, 2])
})

test('tries again after a fault, which it tells; who waits for it is told, too', async () => {
  const { repair, applied, faults, answers, reading } = setUp()
  const fault = new Error('on purpose')
  repair.schedule(0)
  await reading(1)
  answers[0]?.reject(fault)
  await reading(2)
  expect(faults).toEqual([fault])
  answers[1]?.resolve()
  await expect.poll(() => applied).toEqual([2])
  const waiting = rejection(repair.now())
  await reading(3)
  answers[2]?.reject(fault)
  expect(await waiting).toBe(fault)
})

test('reads nothing before it is started, and puts nothing right once it is closed', async () => {
  const { repair, applied, answers, reading, reads } = setUp({ isStarted: false })
  repair.schedule(0)
  await new Promise((resolve) => setTimeout(resolve, 10))
  expect(reads()).toBe(0)
  repair.start()
  await reading(1)
  repair.close()
  answers[0]?.resolve()
  repair.schedule(0)
  await setImmediate()
  expect(applied).toEqual([])
})

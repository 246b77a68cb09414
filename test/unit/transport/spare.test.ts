import { expect, test } from 'vitest'
import { Spare } from '../../../src/transport/spare.ts'

/** A process that is idle and works by order, and the clock of it. */
function open() {
  const utilization = { idle: 0, active: 0 }
  const spare = new Spare(() => ({ ...utilization }))
  const clock = () => utilization.idle + utilization.active
  return {
    spare,
    idle(ms: number) {
      utilization.idle += ms
    },
    work(ms: number) {
      utilization.active += ms
    },
    take: () => spare.take(clock()),
    clock,
  }
}

test('takes work on where nothing was taken on before', () => {
  expect(open().take()).toBe(true)
})

test('takes nothing on right after work that left nothing idle', () => {
  const { take, work } = open()
  take()
  work(1)
  expect(take()).toBe(false)
})

test('takes more on at once where the process has been idle for long', () => {
  const { take, work, idle } = open()
  idle(1_000)
  expect(take()).toBe(true)
  work(1)
  expect(take()).toBe(true)
  work(1)
  expect(take()).toBe(true)
})

test('the idle time of hours is not spent at once', () => {
  const { take, work, idle } = open()
  idle(3_600_000)
  let worked = 0
  while (take()) {
    work(0.5)
    worked += 0.5
  }
  expect(worked).toBeLessThan(10)
})

test('leaves half of the process idle', () => {
  const { take, work, idle, clock } = open()
  let worked = 0
  while (clock() < 10_000) {
    if (!take()) idle(0.5)
    else {
      work(0.5)
      worked += 0.5
    }
  }
  expect(worked / clock()).toBeGreaterThan(0.4)
  expect(worked / clock()).toBeLessThan(0.55)
})

test('takes something on now and then where the process is never idle', () => {
  const { take, work, clock } = open()
  let taken = 0
  while (clock() < 1_000) {
    if (take()) taken++
    work(0.5)
  }
  expect(taken).toBeGreaterThan(200)
  expect(taken).toBeLessThan(600)
})

test('what work costs besides its time counts, too', () => {
  const { spare, take, idle } = open()
  idle(100)
  expect(take()).toBe(true)
  expect(spare.spend(1)).toBe(true)
  expect(spare.spend(1.5)).toBe(false)
  expect(take()).toBe(false)
  idle(3)
  expect(take()).toBe(true)
})

test('what it takes on where the process is never idle is bounded, too', () => {
  const { spare, take, work, clock } = open()
  let spent = 0
  while (clock() < 1_000) {
    if (take()) {
      do spent += 0.1
      while (spare.spend(0.1))
    }
    work(0.5)
  }
  expect(spent).toBeGreaterThan(100)
  expect(spent).toBeLessThan(300)
})

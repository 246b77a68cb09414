import { setImmediate } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { type Inlet, Intake } from '../../../src/transport/intake.ts'

/** Uses up the time that there is for input in one turn of the event loop. */
function work(ms = 2) {
  const until = performance.now() + ms
  while (performance.now() < until);
}

function inlet(name: string, steps: number, done: string[], ms = 2): Inlet {
  let left = steps
  return {
    step() {
      work(ms)
      done.push(name)
      return --left > 0
    },
  }
}

test('works on input at once where nobody waits', () => {
  const done: string[] = []
  new Intake().add(inlet('a', 1, done, 0))
  expect(done).toEqual(['a'])
})

test('lets everything else go on after a short time', async () => {
  const done: string[] = []
  new Intake().add(inlet('a', 3, done))
  expect(done).toEqual(['a'])
  await setImmediate()
  expect(done).toEqual(['a', 'a'])
  await setImmediate()
  expect(done).toEqual(['a', 'a', 'a'])
})

test('does many small parts at once', () => {
  const done: string[] = []
  new Intake().add(inlet('a', 3, done, 0))
  expect(done).toEqual(['a', 'a', 'a'])
})

test('those with much to do take turns', async () => {
  const done: string[] = []
  const intake = new Intake()
  for (const name of ['a', 'b']) intake.add(inlet(name, 3, done))
  for (let turns = 0; turns < 6; turns++) await setImmediate()
  expect([...done].sort().join('')).toBe('aaabbb')
  expect(done.indexOf('b')).toBeLessThan(done.lastIndexOf('a'))
})

test('one that comes now and then goes before those with much to do', async () => {
  const done: string[] = []
  const intake = new Intake()
  for (const name of ['a', 'b', 'c']) intake.add(inlet(name, 100, done))
  for (let turns = 0; turns < 6; turns++) await setImmediate()
  expect(new Set(done)).toEqual(new Set(['a', 'b', 'c']))
  intake.add(inlet('d', 1, done))
  for (let turns = 0; turns < 2; turns++) await setImmediate()
  expect(done.slice(-2)).toContain('d')
})

test('one that waits already is not added again', async () => {
  const done: string[] = []
  const intake = new Intake()
  intake.add(inlet('a', 1, done))
  const late = inlet('b', 1, done)
  intake.add(late)
  intake.add(late)
  expect(done).toEqual(['a'])
  for (let turns = 0; turns < 3; turns++) await setImmediate()
  expect(done).toEqual(['a', 'b'])
})

test('one that adds itself while it is worked on is not lost', async () => {
  const intake = new Intake()
  let steps = 0
  const eager: Inlet = {
    step() {
      if (++steps < 3) intake.add(eager)
      return false
    },
  }
  intake.add(eager)
  await setImmediate()
  expect(steps).toBe(3)
})

test('a request waits for its turn', async () => {
  const done: string[] = []
  const intake = new Intake()
  await intake.next()
  intake.add(inlet('a', 100, done))
  let hasCome = false
  void intake.next().then(() => {
    hasCome = true
  })
  await Promise.resolve()
  expect(hasCome).toBe(false)
  for (let turns = 0; turns < 3; turns++) await setImmediate()
  expect(hasCome).toBe(true)
})

test('what requests wait for takes turns, too', async () => {
  const intake = new Intake()
  let done = 0
  for (let requests = 0; requests < 5; requests++) {
    void intake.next().then(() => {
      work()
      done++
    })
  }
  await Promise.resolve()
  for (let turns = 1; turns <= 5; turns++) {
    expect(done).toBe(turns)
    await setImmediate()
  }
})

test('one with much to do is not kept waiting by those that keep coming', async () => {
  const done: string[] = []
  const intake = new Intake()
  intake.add(inlet('much', 100, done))
  for (let turns = 0; turns < 10; turns++) {
    intake.add(inlet('little', 1, done))
    await setImmediate()
  }
  const much = done.filter((name) => name === 'much').length
  expect(much).toBeGreaterThanOrEqual(5)
  expect(done.length - much).toBeGreaterThanOrEqual(4)
})

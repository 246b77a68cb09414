import { setImmediate, setTimeout } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { afterEach, expect, test, vi } from 'vitest'
import { type Inlet, Intake } from '../../../src/transport/intake.ts'

/** Uses up the time that there is for input in one turn of the event loop. */
function work(ms = 2) {
  const until = performance.now() + ms
  while (performance.now() < until);
}

/** How many tests are over: who still has input then drops it, and is not read on through the tests after. */
let over = 0

afterEach(() => {
  over++
})

/** One that works on something, and tells whether it has more. */
function worker(step: () => boolean): Inlet {
  const own = over
  return { step: () => own === over && step() }
}

function inlet(name: string, steps: number, done: string[], ms = 2): Inlet {
  let left = steps
  return worker(() => {
    work(ms)
    done.push(name)
    return --left > 0
  })
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
  await intake.next('a')
  intake.add(inlet('a', 100, done))
  let hasCome = false
  void intake.next('a').then(() => {
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
    void intake.next('a').then(() => {
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

/** Work that is taken on by order. */
function openSpare() {
  const spare = {
    isThere: false,
    spent: 0,
    take: () => spare.isThere,
    spend(ms: number) {
      spare.spent += ms
      return spare.spent < 1
    },
  }
  return spare
}

/** So many turns of the event loop, in each of which another one begins an operation. */
async function whileOthersAsk(intake: Intake, count: number) {
  for (let turn = 0; turn < count; turn++) {
    intake.begin(inlet('other', 1, []))
    await setImmediate()
  }
}

async function turns(count: number) {
  for (let turn = 0; turn < count; turn++) await setImmediate()
}

test('one with much to do waits for spare time once another one has asked for something', async () => {
  const done: string[] = []
  const spare = openSpare()
  const intake = new Intake(spare)
  intake.add(inlet('much', 1_000, done))
  await turns(3)
  expect(done.length).toBeGreaterThan(1)
  await whileOthersAsk(intake, 2) // what was under way
  expect(intake.isSharedBeside(undefined)).toBe(true)
  const before = done.length
  await whileOthersAsk(intake, 20)
  expect(done).toHaveLength(before)
  intake.add(inlet('little', 1, done))
  expect(done.at(-1)).toBe('little')
  spare.isThere = true
  await expect.poll(() => done.length).toBeGreaterThan(before + 3)
})

test('one with much to do may use up everything where those who ask have much to do, too', async () => {
  const done: string[] = []
  const intake = new Intake(openSpare())
  const endless = Number.POSITIVE_INFINITY
  const pool = [inlet('a', endless, done, 0), inlet('b', endless, done, 0)]
  for (const one of pool) intake.add(one)
  await turns(20)
  for (const one of pool) intake.begin(one)
  expect(intake.isSharedBeside(undefined)).toBe(false)
  const before = done.length
  await turns(20)
  expect(done.length).toBeGreaterThan(before)
})

test('one that had many turns just before is busy, also where nothing of it was waiting', async () => {
  const done: string[] = []
  const intake = new Intake(openSpare())
  const eager = inlet('eager', Number.POSITIVE_INFINITY, done, 0)
  const once = { step: () => eager.step() && false }
  for (let times = 0; times < 30; times++) {
    intake.add(once)
    await setImmediate()
  }
  intake.begin(inlet('other', 1, done))
  intake.add(once)
  const before = done.length
  await turns(3)
  expect(done).toHaveLength(before)
  intake.add(inlet('other', 1, done, 0))
  expect(done.at(-1)).toBe('other')
})

test('those of one source take the turns of one', async () => {
  const done: string[] = []
  const intake = new Intake()
  const ask = (source: string) =>
    void intake.next(source).then(() => {
      work()
      done.push(source)
    })
  for (let times = 0; times < 20; times++) ask('many')
  await turns(2)
  ask('one')
  await turns(3)
  expect(done).toContain('one')
  expect(done.length).toBeLessThan(8)
  await turns(20)
  expect(done).toHaveLength(21)
})

test('several short turns of requests share a slice', async () => {
  let done = 0
  const intake = new Intake()
  for (let times = 0; times < 100; times++) {
    void intake.next('a').then(async () => {
      await Promise.resolve()
      done++
    })
  }
  await turns(50)
  expect(done).toBe(100)
})

test('many with much to do may use up everything, however few turns each of them gets', async () => {
  const intake = new Intake(openSpare())
  let work = 0
  const pool = Array.from({ length: 100 }, () => {
    let isKnown = false
    const one = worker(() => {
      work++
      if (isKnown) intake.begin(one)
      isKnown = true
      return true
    })
    return one
  })
  for (const one of pool) intake.add(one)
  await turns(100)
  const before = work
  await turns(100)
  expect(work).toBeGreaterThan(before)
})

test('a turn that costs more than there is to spare is the last one for now', async () => {
  const done: string[] = []
  const spare = openSpare()
  spare.isThere = true
  const intake = new Intake(spare)
  const costly = worker(() => {
    done.push('costly')
    intake.spend(2)
    spare.isThere = false
    return true
  })
  intake.add(inlet('much', 100, done))
  await turns(2)
  intake.begin(inlet('other', 1, done))
  intake.add(costly)
  await whileOthersAsk(intake, 20)
  expect(done.filter((name) => name === 'costly')).toHaveLength(1)
})

test('those who do about as much as one another hold nobody back, and those who ask now and then do', async () => {
  vi.useFakeTimers({ toFake: ['performance'] })
  try {
    const intake = new Intake()
    const work = async (one: Inlet, turns: number) => {
      for (let turn = 0; turn < turns; turn++) {
        intake.add(one)
        await setImmediate()
      }
    }
    const alike = Array.from({ length: 4 }, () => inlet('alike', 1, [], 0))
    for (const one of alike) await work(one, 10)
    for (const one of alike) intake.begin(one)
    expect(intake.isSharedBeside(undefined)).toBe(false)
    const rare = inlet('now and then', 1, [], 0)
    await work(rare, 5)
    intake.begin(rare)
    expect(intake.isSharedBeside(undefined)).toBe(true)
  } finally {
    vi.useRealTimers()
  }
})

test('what one asks for itself makes it leave nothing to others', () => {
  const intake = new Intake()
  const [one, other] = [inlet('one', 1, []), inlet('other', 1, [])]
  intake.begin(one)
  intake.begin(one)
  expect(intake.isSharedBeside(one)).toBe(false)
  expect(intake.isSharedBeside(other)).toBe(true)
  intake.begin(other)
  intake.begin(one)
  for (const beside of [one, other]) expect(intake.isSharedBeside(beside)).toBe(true)
})

test('what one source asks for now and then makes it leave nothing to others, either', async () => {
  const intake = new Intake(openSpare())
  for (let times = 0; times < 3; times++) {
    await intake.next('a')
    intake.begin('a')
    await setTimeout(250)
    intake.add(inlet('pong', 1, [], 0)) // upon which the turns before are forgotten
  }
  await intake.next('a')
  intake.begin('a')
  let done = 0
  for (let times = 0; times < 1_000; times++) void intake.next('a').then(() => done++)
  await turns(100)
  expect(done).toBeGreaterThan(100)
})

test('keeps none of those that are gone, also where nobody comes any more', async () => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const intake = new Intake()
  const gone = Array.from({ length: 20 }, () => {
    const one = inlet('gone', 1, [], 0)
    intake.add(one)
    return new WeakRef(one)
  })
  const left = () => {
    collect()
    return gone.filter((one) => one.deref() !== undefined).length
  }
  await expect.poll(left).toBe(0)
  intake.add(inlet('next', 1, [], 0))
})

import { expect, test, vi } from 'vitest'
import type { JsonText } from '../../../src/core/json.ts'
import type { Draft } from '../../../src/core/message.ts'
import { GroupCommit, type UnitResult } from '../../../src/log/group-commit.ts'
import { CarillonError } from '../../../src/protocol/errors.ts'
import { draft as draftOf, message } from '../../support/messages.ts'
import { rejection } from '../../support/rejection.ts'

type Units = readonly (readonly Draft[])[]

function draft(payload = '1'): Draft {
  return draftOf('chat:1', { payload: payload as JsonText })
}

function succeed(units: Units): UnitResult[] {
  return units.map((drafts) => ({
    kind: 'written',
    answer: drafts.map(() => ({ message: message({ sequence: 1 }), duplicate: false })),
  }))
}

/** A database that answers when the test says so, and remembers what it was asked. */
function heldDatabase() {
  const asked: Units[] = []
  const releases: (() => void)[] = []
  async function commit(units: Units): Promise<UnitResult[]> {
    asked.push(units)
    await new Promise<void>((resolve) => releases.push(resolve))
    return succeed(units)
  }
  const release = async () => {
    await expect.poll(() => releases.length).toBeGreaterThan(0)
    releases.shift()?.()
  }
  return { asked, commit, release }
}

test('puts what arrives during a commit together into the next one, in order', async () => {
  const database = heldDatabase()
  const commits = new GroupCommit(database.commit)
  const first = commits.add([draft('1')])
  await expect.poll(() => database.asked.length).toBe(1)
  const rest = [commits.add([draft('2')]), commits.add([draft('3'), draft('4')])]
  await database.release()
  await first
  await database.release()
  await Promise.all(rest)
  expect(database.asked.map((units) => units.flat().map(({ payload }) => payload))).toEqual([
    ['1'],
    ['2', '3', '4'],
  ])
})

test('starts at once where nothing is under way, with all that came in the same tick', async () => {
  const asked: number[] = []
  const commits = new GroupCommit(async (units) => {
    asked.push(units.length)
    return succeed(units)
  })
  await Promise.all([commits.add([draft()]), commits.add([draft()]), commits.add([draft()])])
  expect(asked).toEqual([3])
})

test('keeps batches within their bound, and a larger unit whole', async () => {
  const asked: number[] = []
  const commits = new GroupCommit(
    async (units) => {
      asked.push(units.flat().length)
      return succeed(units)
    },
    { maxBatch: 3 },
  )
  const large = Array.from({ length: 5 }, () => draft())
  await Promise.all([
    commits.add([draft()]),
    commits.add([draft(), draft()]),
    commits.add([draft()]),
    commits.add(large),
    commits.add([draft()]),
  ])
  expect(asked).toEqual([3, 1, 5, 1])
})

test('refuses only the unit at fault', async () => {
  const conflict = new CarillonError('SEQUENCE_CONFLICT')
  const commits = new GroupCommit(async (units) =>
    succeed(units).map((result, index) =>
      index === 1 ? { kind: 'refused', error: conflict } : result,
    ),
  )
  const results = await Promise.allSettled([
    commits.add([draft()]),
    commits.add([draft()]),
    commits.add([draft()]),
  ])
  expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
  expect(results[1]).toMatchObject({ reason: conflict })
})

test('finds out whose fault it was where the database refuses a whole batch', async () => {
  const mistake = new CarillonError('INTERNAL')
  const asked: number[] = []
  const commits = new GroupCommit(async (units) => {
    asked.push(units.length)
    if (units.flat().some(({ payload }) => payload === 'bad')) throw mistake
    return succeed(units)
  })
  const results = await Promise.allSettled(
    ['1', 'bad', '3'].map((payload) => commits.add([draft(payload)])),
  )
  expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
  expect(results[1]).toMatchObject({ reason: mistake })
  expect(asked).toEqual([3, 1, 1, 1])
})

test('counts recipients towards the bytes that may wait', async () => {
  const database = heldDatabase()
  const commits = new GroupCommit(database.commit, { maxQueuedBytes: 10_000 })
  const to = Array.from({ length: 200 }, (_, n) => `user-${n}`.padEnd(100, 'x'))
  expect(await rejection(commits.add([draftOf('chat:1', { to })]))).toMatchObject({
    code: 'SERVICE_UNAVAILABLE',
  })
})

test('goes on after a commit that failed', async () => {
  let fail = true
  const commits = new GroupCommit(async (units) => {
    if (fail) throw new CarillonError('SERVICE_UNAVAILABLE')
    return succeed(units)
  })
  expect(await rejection(commits.add([draft()]))).toMatchObject({ code: 'SERVICE_UNAVAILABLE' })
  fail = false
  expect(await commits.add([draft()])).toHaveLength(1)
})

test('holds as many publishes as its bound, and refuses one more at once', async () => {
  const database = heldDatabase()
  const commits = new GroupCommit(database.commit, { maxQueuedPublishes: 10 })
  const first = commits.add([draft()])
  await expect.poll(() => database.asked.length).toBe(1)
  const queued = Array.from({ length: 5 }, () => commits.add([draft(), draft()]))
  expect(await rejection(commits.add([draft()]))).toMatchObject({
    code: 'SERVICE_UNAVAILABLE',
    retryable: true,
  })
  await database.release()
  await database.release()
  await Promise.all([first, ...queued])
  const next = commits.add([draft()])
  await database.release()
  await next
})

test('holds as many bytes as its bound, and refuses one more at once', async () => {
  const database = heldDatabase()
  const commits = new GroupCommit(database.commit, { maxQueuedBytes: 1_015 })
  const first = commits.add([draft()])
  await expect.poll(() => database.asked.length).toBe(1)
  const queued = commits.add([draft(JSON.stringify('x'.repeat(998)))])
  expect(await rejection(commits.add([draft()]))).toMatchObject({ code: 'SERVICE_UNAVAILABLE' })
  await database.release()
  await database.release()
  await Promise.all([first, queued])
})

test('answers what the database does not within the deadline, and never sends it afterwards', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
  try {
    const asked: Units[] = []
    const commits = new GroupCommit(
      (units) => {
        asked.push(units)
        return new Promise(() => {})
      },
      { deadlineMs: 1_000 },
    )
    const sent = rejection(commits.add([draft('sent')]))
    await vi.advanceTimersByTimeAsync(400)
    const queued = rejection(commits.add([draft('queued')]))
    await vi.advanceTimersByTimeAsync(600)
    expect(await sent).toMatchObject({ code: 'SERVICE_UNAVAILABLE', retryable: true })
    await vi.advanceTimersByTimeAsync(400)
    expect(await queued).toMatchObject({ code: 'SERVICE_UNAVAILABLE', retryable: true })
    expect(asked.flat(2).map(({ payload }) => payload)).toEqual(['sent'])
  } finally {
    vi.useRealTimers()
  }
})

test('stores what it has accepted before it closes, and takes nothing afterwards', async () => {
  const database = heldDatabase()
  const commits = new GroupCommit(database.commit)
  const accepted = commits.add([draft()])
  const closed = commits.close()
  expect(await rejection(commits.add([draft()]))).toMatchObject({ code: 'SHUTTING_DOWN' })
  await database.release()
  await closed
  expect(await accepted).toHaveLength(1)
})

import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import type { Epoch, Position, Sequence } from '../../src/core/sequence.ts'
import type { TopicName, TopicWildcard } from '../../src/core/topic-name.ts'
import type { OwnedRecord, ResumeKey, ResumeStore } from '../../src/resume/resume-store.ts'

const KEEP_MS = 60_000

let keys = 0

export function newKey(): ResumeKey {
  return { userId: 'ann', clientId: `tab "${++keys}"`, operationId: 'toString' }
}

export function at(sequence: number, epoch = 'e p'): Position {
  return { epoch: epoch as Epoch, sequence: sequence as Sequence }
}

export function topicsAt(...places: [string, Position][]): ReadonlyMap<TopicName, Position> {
  return new Map(places as [TopicName, Position][])
}

export function recordOf(
  key: ResumeKey,
  owner: string,
  topics = topicsAt(['a', at(3)]),
): OwnedRecord {
  return { key, owner, digest: 'what was asked', places: { topics, baselines: new Map() } }
}

/** What every store of what clients have got promises. */
export function describeResumeStore(open: () => ResumeStore): void {
  test('a record is not there before it was put, then it is as it was put', async () => {
    const [store, key] = [open(), newKey()]
    expect(await store.find(key)).toBeUndefined()
    const heads = topicsAt(['chat:1', at(7)], ['chat:2', at(0, 'other')])
    const baselines = new Map([['chat:*' as TopicWildcard, { id: `baseline ${keys}`, heads }]])
    const topics = topicsAt(['a', at(3)], ['chat:9', at(Number.MAX_SAFE_INTEGER)])
    const record = { key, owner: 'one', digest: 'asked', places: { topics, baselines } }
    await store.put(record, KEEP_MS)
    expect(await store.find(key)).toEqual({ digest: 'asked', places: { topics, baselines } })
  })

  test('it is of one user, one client and one operation', async () => {
    const [store, key] = [open(), newKey()]
    await store.put(recordOf(key, 'one'), KEEP_MS)
    for (const other of [
      { ...key, userId: 'bob' },
      { ...key, clientId: 'another' },
      { ...key, operationId: '1' },
    ]) {
      expect(await store.find(other)).toBeUndefined()
    }
  })

  test('its owner moves positions, of known topics and of new ones', async () => {
    const [store, key] = [open(), newKey()]
    await store.put(recordOf(key, 'one'), KEEP_MS)
    const topics = topicsAt(['a', at(1, 'a new epoch')], ['b', at(5)])
    expect(await store.advance([{ key, owner: 'one', topics }], KEEP_MS)).toEqual(['kept'])
    expect((await store.find(key))?.places.topics).toEqual(topics)
    const nothing = { key, owner: 'one', topics: topicsAt() }
    expect(await store.advance([nothing], KEEP_MS)).toEqual(['kept'])
    expect((await store.find(key))?.places.topics).toEqual(topics)
  })

  test('whoever owned it before changes nothing any more', async () => {
    const [store, key] = [open(), newKey()]
    await store.put(recordOf(key, 'one'), KEEP_MS)
    await store.put(recordOf(key, 'two', topicsAt(['b', at(8)])), KEEP_MS)
    const late = { key, owner: 'one', topics: topicsAt(['a', at(9)]) }
    expect(await store.advance([late], KEEP_MS)).toEqual(['superseded'])
    await store.remove(key, 'one')
    expect((await store.find(key))?.places.topics).toEqual(topicsAt(['b', at(8)]))
    await store.remove(key, 'two')
    expect(await store.find(key)).toBeUndefined()
  })

  test('outcomes come in the order of the advances', async () => {
    const [store, first, second, third] = [open(), newKey(), newKey(), newKey()]
    await store.put(recordOf(first, 'one'), KEEP_MS)
    await store.put(recordOf(third, 'two'), KEEP_MS)
    const topics = topicsAt(['a', at(4)])
    const advances = [first, second, third].map((key) => ({ key, owner: 'one', topics }))
    expect(await store.advance(advances, KEEP_MS)).toEqual(['kept', 'missing', 'superseded'])
  })

  test('it is kept for its time after the last advance, and no longer', async () => {
    const [store, key] = [open(), newKey()]
    await store.put(recordOf(key, 'one'), 50)
    await store.advance([{ key, owner: 'one', topics: topicsAt() }], KEEP_MS)
    await delay(100) // nothing is to happen meanwhile
    expect(await store.find(key)).toBeDefined()
    await store.advance([{ key, owner: 'one', topics: topicsAt() }], 50)
    await expect.poll(() => store.find(key)).toBeUndefined()
  })

  test('thousands of topics are no problem', async () => {
    const [store, key] = [open(), newKey()]
    const topics = topicsAt(
      ...Array.from({ length: 9_000 }, (_, n): [string, Position] => [`t:${n}`, at(n)]),
    )
    await store.put(recordOf(key, 'one', topics), KEEP_MS)
    expect((await store.find(key))?.places.topics.size).toBe(9_000)
    expect(await store.advance([{ key, owner: 'one', topics }], KEEP_MS)).toEqual(['kept'])
  })
}

import { expect, test } from 'vitest'
import type { JsonText } from '../../src/core/json.ts'
import type { Sequence } from '../../src/core/sequence.ts'
import type { TopicName } from '../../src/core/topic-name.ts'
import type { Log } from '../../src/log/log.ts'
import type { SnapshotStore } from '../../src/snapshots/snapshot-store.ts'
import { draft } from '../support/messages.ts'
import { rejection } from '../support/rejection.ts'

export interface SnapshotStoreUnderTest {
  readonly store: SnapshotStore
  readonly log: Log
}

let topics = 0

/** What every store of snapshots promises. */
export function describeSnapshotStore(open: () => SnapshotStoreUnderTest): void {
  async function newTopic(messages: number): Promise<TopicName> {
    const topic = `snapshots:${++topics}` as TopicName
    await open().log.append(Array.from({ length: messages }, () => draft(topic)))
    return topic
  }

  function save(topic: TopicName, sequence: number, state = '{}') {
    return open().store.save({ topic, sequence: sequence as Sequence, state: state as JsonText })
  }

  test('a snapshot is not there before one was saved, then it is as it was saved', async () => {
    const topic = await newTopic(3)
    const { store, log } = open()
    expect(await store.snapshot(topic)).toBeUndefined()
    const state = '{"b":1.50,"a":["\\u0000","é"],"__proto__":{}}'
    const saved = await save(topic, 2, state)
    const { epoch } = await log.topic(topic)
    expect(saved).toMatchObject({ topic, epoch, sequence: 2, stateText: state })
    expect(await store.snapshot(topic)).toEqual(saved)
  })

  test('one of a higher sequence, or of the same, takes its place; an older one is refused', async () => {
    const topic = await newTopic(5)
    await save(topic, 2, '2')
    await save(topic, 4, '4')
    await save(topic, 4, '"again"')
    expect(await rejection(save(topic, 3, '3'))).toMatchObject({ code: 'SEQUENCE_CONFLICT' })
    expect(await open().store.snapshot(topic)).toMatchObject({ sequence: 4, stateText: '"again"' })
  })

  test('says which topics have one', async () => {
    const [one, other, none] = [await newTopic(1), await newTopic(1), await newTopic(1)]
    await save(one, 1)
    await save(other, 1)
    const { store } = open()
    expect(await store.having([other, none, one])).toEqual(new Set([one, other]))
    expect(await store.having([])).toEqual(new Set())
  })

  test('of snapshots at the same time the highest stays', async () => {
    const topic = await newTopic(30)
    const sequences = Array.from({ length: 30 }, (_, n) => ((n * 7) % 30) + 1)
    await Promise.allSettled(sequences.map((sequence) => save(topic, sequence, `${sequence}`)))
    expect(await open().store.snapshot(topic)).toMatchObject({ sequence: 30, stateText: '30' })
  })

  test('one past the head is refused, also of a topic that has no messages', async () => {
    const topic = await newTopic(2)
    const empty = `${topic}:empty` as TopicName
    expect(await rejection(save(topic, 3))).toMatchObject({ code: 'INVALID_INPUT' })
    expect(await rejection(save(empty, 1))).toMatchObject({ code: 'INVALID_INPUT' })
    expect(await open().store.snapshot(topic)).toBeUndefined()
  })
}

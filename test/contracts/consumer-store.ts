import { expect, test } from 'vitest'
import type { Ack, ConsumerStore } from '../../src/consumers/consumer-store.ts'
import type { Epoch, Sequence } from '../../src/core/sequence.ts'
import type { TopicName } from '../../src/core/topic-name.ts'
import type { Log } from '../../src/log/log.ts'
import { draft } from '../support/messages.ts'
import { rejection } from '../support/rejection.ts'

export interface StoreUnderTest {
  readonly store: ConsumerStore
  readonly log: Log
}

let topics = 0

/** What every implementation of the consumer store promises. */
export function describeConsumerStore(open: () => StoreUnderTest): void {
  /** A new topic with so many messages. */
  async function newTopic(messages: number): Promise<TopicName> {
    const topic = `acks:${++topics}` as TopicName
    await open().log.append(Array.from({ length: messages }, () => draft(topic)))
    return topic
  }

  /** Acknowledges by itself; rejects where it is refused. */
  async function ack(topic: TopicName, sequence: number, epoch?: Epoch, userId = 'ann') {
    const ack = { userId, name: 'worker', topic, sequence: sequence as Sequence, epoch }
    const [outcome] = await open().store.ack([ack])
    if (outcome?.kind === 'acked') return outcome.consumer
    throw outcome?.kind === 'refused' ? outcome.error : new Error(outcome?.kind)
  }

  test('a consumer is not there before it has acknowledged', async () => {
    const topic = await newTopic(1)
    const key = { userId: 'ann', name: 'worker', topic }
    expect(await open().store.consumer(key)).toBeUndefined()
    const acked = await ack(topic, 1)
    expect(await open().store.consumer(key)).toEqual(acked)
  })

  test('an ack moves a consumer forward, and never back', async () => {
    const topic = await newTopic(5)
    expect(await ack(topic, 3)).toMatchObject({ acked: 3, lag: 2 })
    expect(await ack(topic, 2)).toMatchObject({ acked: 3, lag: 2 })
    expect(await ack(topic, 5)).toMatchObject({ acked: 5, lag: 0 })
  })

  test('tells of many topics at once what was acknowledged, of one user and name', async () => {
    const [one, other, never] = [await newTopic(3), await newTopic(3), await newTopic(3)]
    await ack(one, 2)
    await ack(other, 3)
    await ack(never, 1, undefined, 'bob')
    const missing = `${one}:missing` as TopicName
    const { store } = open()
    const worker = { userId: 'ann', name: 'worker' }
    const acked = await store.acked(worker, [one, other, never, missing])
    expect([...acked].sort()).toEqual(
      [
        [one, 2],
        [other, 3],
      ].sort(),
    )
    expect(await store.acked({ userId: 'ann', name: 'other' }, [one])).toEqual(new Map())
  })

  test('an ack that changes nothing leaves updatedAt alone', async () => {
    const topic = await newTopic(2)
    const { updatedAt } = await ack(topic, 2)
    expect((await ack(topic, 1)).updatedAt).toEqual(updatedAt)
  })

  test('of acks at the same time the highest stays', async () => {
    const topic = await newTopic(50)
    const sequences = Array.from({ length: 50 }, (_, n) => ((n * 7) % 50) + 1)
    await Promise.all(sequences.map((sequence) => ack(topic, sequence)))
    expect(await ack(topic, 1)).toMatchObject({ acked: 50 })
  })

  test('an ack past the head is refused, and makes no consumer', async () => {
    const topic = await newTopic(2)
    expect(await rejection(ack(topic, 3))).toMatchObject({ code: 'INVALID_INPUT' })
    expect(await open().store.consumer({ userId: 'ann', name: 'worker', topic })).toBeUndefined()
    expect(await rejection(ack('acks:never' as TopicName, 1))).toMatchObject({
      code: 'INVALID_INPUT',
    })
  })

  test('an ack of another epoch is refused', async () => {
    const topic = await newTopic(2)
    const { epoch } = await open().log.topic(topic)
    expect(await ack(topic, 1, epoch)).toMatchObject({ acked: 1, epoch })
    expect(await rejection(ack(topic, 2, '000000000000' as Epoch))).toMatchObject({
      code: 'CURSOR_EXPIRED',
    })
  })

  test('a consumer belongs to its user and its topic', async () => {
    const [one, other] = [await newTopic(3), await newTopic(3)]
    await ack(one, 3)
    expect(await ack(one, 1, undefined, 'bob')).toMatchObject({ acked: 1, userId: 'bob' })
    expect(await ack(other, 2)).toMatchObject({ acked: 2 })
  })

  test('acks of one call are each answered, in their order, and refused by themselves', async () => {
    const [one, other] = [await newTopic(5), await newTopic(2)]
    const key = { userId: 'ann', name: 'worker' }
    const outcomes = await open().store.ack(
      [
        { ...key, topic: one, sequence: 2 },
        { ...key, topic: other, sequence: 3 },
        { ...key, topic: one, sequence: 4 },
        { ...key, userId: 'bob', topic: one, sequence: 1 },
        { ...key, topic: 'acks:never', sequence: 1 },
        { ...key, topic: other, sequence: 1, epoch: '000000000000' },
        { ...key, topic: other, sequence: 1, holder: 'nobody' },
      ].map((ack) => ack as Ack),
    )
    expect(outcomes).toMatchObject([
      { kind: 'acked', consumer: { topic: one, acked: 4, lag: 1 } },
      { kind: 'refused', error: { code: 'INVALID_INPUT' } },
      { kind: 'acked', consumer: { topic: one, acked: 4, lag: 1 } },
      { kind: 'acked', consumer: { userId: 'bob', topic: one, acked: 1 } },
      { kind: 'refused', error: { code: 'INVALID_INPUT' } },
      { kind: 'refused', error: { code: 'CURSOR_EXPIRED' } },
      { kind: 'leaseLost' },
    ])
    expect(await open().store.consumer({ ...key, topic: other })).toBeUndefined()
  })
}

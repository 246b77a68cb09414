import { expect, test } from 'vitest'
import { Acks } from '../../../src/consumers/acks.ts'
import type { Ack, AckOutcome, ConsumerStore } from '../../../src/consumers/consumer-store.ts'
import { encodeCursor } from '../../../src/core/cursor.ts'
import type { Epoch, Sequence } from '../../../src/core/sequence.ts'
import type { TopicName } from '../../../src/core/topic-name.ts'
import { CarillonError } from '../../../src/protocol/errors.ts'
import { gate } from '../../support/handled.ts'
import { rejection } from '../../support/rejection.ts'

const epoch = '0123456789ab' as Epoch

/** A store that answers when the test says so, remembers what it was asked, and refuses past 100. */
function heldStore() {
  const asked: (readonly Ack[])[] = []
  const released = gate()
  const store: ConsumerStore = {
    async ack(acks) {
      asked.push(acks)
      await released.opened
      return acks.map(outcomeOf)
    },
    consumer: async () => undefined,
    acked: async () => new Map(),
  }
  return { asked, store, release: released.open }
}

function outcomeOf({ userId, name, topic, sequence }: Ack): AckOutcome {
  if (sequence > 100) return { kind: 'refused', error: new CarillonError('INVALID_INPUT') }
  const updatedAt = new Date(0)
  return {
    kind: 'acked',
    consumer: { userId, name, topic, epoch, acked: sequence, lag: 0, updatedAt },
  }
}

function request(sequence: number) {
  return { topic: 'chat:1', consumer: 'worker', sequence }
}

test('acks that arrive during a write go together in the next one, each with its own answer', async () => {
  const { asked, store, release } = heldStore()
  const acks = new Acks(store)
  const first = acks.ack(request(1), 'ann')
  await expect.poll(() => asked.length).toBe(1)
  const rest = [
    acks.ack(request(2), 'ann'),
    acks.ack(request(101), 'ann'),
    acks.ack(request(3), 'bob'),
  ]
  release()
  expect((await first).acked).toBe(1)
  expect(await Promise.allSettled(rest)).toMatchObject([
    { status: 'fulfilled', value: { acked: 2, userId: 'ann' } },
    { status: 'rejected', reason: { code: 'INVALID_INPUT' } },
    { status: 'fulfilled', value: { acked: 3, userId: 'bob' } },
  ])
  expect(asked.map((batch) => batch.length)).toEqual([1, 3])
})

test('holds as many acks as its bound, and refuses one more at once', async () => {
  const { asked, store, release } = heldStore()
  const acks = new Acks(store, { maxQueued: 2, maxBatch: 1 })
  const first = acks.ack(request(1), 'ann')
  await expect.poll(() => asked.length).toBe(1)
  const queued = [acks.ack(request(2), 'ann'), acks.ack(request(3), 'ann')]
  expect(await rejection(acks.ack(request(4), 'ann'))).toMatchObject({
    code: 'SERVICE_UNAVAILABLE',
    retryable: true,
  })
  release()
  await Promise.all([first, ...queued])
  expect(asked.map((batch) => batch.length)).toEqual([1, 1, 1])
})

test('a cursor says the epoch, and has to be one of the topic', async () => {
  const { asked, store, release } = heldStore()
  release()
  const acks = new Acks(store)
  const cursor = encodeCursor({ topic: 'chat:1' as TopicName, epoch, sequence: 7 as Sequence })
  await acks.ack({ topic: 'chat:1', consumer: 'worker', cursor }, 'ann')
  expect(asked.flat()).toMatchObject([{ sequence: 7, epoch }])
  const other = acks.ack({ topic: 'chat:2', consumer: 'worker', cursor }, 'ann')
  expect(await rejection(other)).toMatchObject({ code: 'INVALID_CURSOR' })
  const both = acks.ack({ ...request(1), cursor }, 'ann')
  expect(await rejection(both)).toMatchObject({ code: 'INVALID_INPUT' })
})

test('writes what it has accepted before it closes, and takes nothing afterwards', async () => {
  const { store, release } = heldStore()
  const acks = new Acks(store)
  const accepted = acks.ack(request(1), 'ann')
  const closed = acks.close()
  expect(await rejection(acks.ack(request(2), 'ann'))).toMatchObject({ code: 'SHUTTING_DOWN' })
  release()
  await closed
  expect((await accepted).acked).toBe(1)
})

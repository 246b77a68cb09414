import { expect, test } from 'vitest'
import type { Epoch, Sequence } from '../../../src/core/sequence.ts'
import type { TopicName } from '../../../src/core/topic-name.ts'
import { SharedReads } from '../../../src/hub/shared-reads.ts'
import type { LogSlice } from '../../../src/log/log.ts'
import { message } from '../../support/messages.ts'
import { rejection } from '../../support/rejection.ts'

const chat = 'chat:1' as TopicName
const head = 2_000 as Sequence
const epoch = '0123456789ab' as Epoch
const start = { epoch, sequence: 0 as Sequence }

/** A log of messages 1…2000 that gives so many at once, and counts how often it is read. */
function setUp(most = 500) {
  const reads: number[] = []
  const log = {
    async read(name: TopicName, after: Sequence, limit: number): Promise<LogSlice> {
      reads.push(after)
      const count = Math.min(limit, most, head - after)
      return {
        topic: { name, epoch, head, tail: 1 as Sequence },
        messages: Array.from({ length: count }, (_, n) => message({ sequence: after + n + 1 })),
      }
    },
  }
  const shared = new SharedReads(log)
  const read = (after: number, lag = head - after) =>
    shared.read(chat, { epoch, sequence: after as Sequence }, lag)
  return { reads, read, shared }
}

test('reads once what many want at the same time, and a moment later', async () => {
  const { reads, read } = setUp()
  const slices = await Promise.all(Array.from({ length: 100 }, () => read(1_000)))
  await read(1_000)
  expect(new Set(slices).size).toBe(1)
  expect(reads).toEqual([1_000])
})

test('reads the same for those who are far behind, wherever they stand', async () => {
  const { reads, read } = setUp()
  const slices = await Promise.all([0, 1, 250, 499].map((after) => read(after)))
  expect(reads).toEqual([0])
  expect(slices.every(({ messages }) => messages.at(-1)?.sequence === 500)).toBe(true)
})

test('reads just what is asked for near the head', async () => {
  const { reads, read } = setUp()
  const { messages } = await read(1_990)
  expect(messages.map(({ sequence }) => sequence)[0]).toBe(1_991)
  expect(reads).toEqual([1_990])
})

test('reads on where the shared messages end before the place', async () => {
  const { reads, read } = setUp(10)
  const { messages } = await read(300)
  expect(messages[0]?.sequence).toBe(301)
  expect(reads).toEqual([0, 300])
})

test('shares no failure with who comes later', async () => {
  let fails = true
  const { read } = setUp()
  const shared = new SharedReads({
    async read() {
      if (fails) throw new Error('on purpose')
      return read(0)
    },
  })
  const reading = [1, 2].map(() => rejection(shared.read(chat, start, 1)))
  expect(await Promise.all(reading)).toHaveLength(2)
  fails = false
  expect((await shared.read(chat, start, 1)).messages).toHaveLength(500)
})

test('shares nothing between epochs', async () => {
  const { reads, read, shared } = setUp()
  const old = { epoch: 'ffffffffffff' as Epoch, sequence: 1_000 as Sequence }
  await read(1_000)
  for (let n = 0; n < 2; n++) expect((await shared.read(chat, old, 1_000)).topic.epoch).toBe(epoch)
  expect(reads).toEqual([1_000, 1_000, 1_000])
})

import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  checkPosition,
  decodeCursor,
  decodeCursorOf,
  encodeCursor,
  readCursor,
} from '../../../src/core/cursor.ts'
import type { Epoch, Sequence } from '../../../src/core/sequence.ts'
import type { TopicName } from '../../../src/core/topic-name.ts'
import { anyTopicName } from '../../support/arbitraries.ts'

const anyEpoch = fc.stringMatching(/^[0-9a-f]{12}$/).map((text) => text as Epoch)
const anySequence = fc.maxSafeNat().map((number) => number as Sequence)
const anyPosition = fc.record({ topic: anyTopicName, epoch: anyEpoch, sequence: anySequence })

test('every position comes back from its cursor', () => {
  fc.assert(
    fc.property(anyPosition, (position) => {
      expect(decodeCursor(encodeCursor(position))).toEqual(position)
    }),
  )
})

test('cursors are equal exactly where their positions are', () => {
  fc.assert(
    fc.property(anyPosition, anyPosition, (one, other) => {
      const same =
        one.topic === other.topic && one.epoch === other.epoch && one.sequence === other.sequence
      expect(encodeCursor(one) === encodeCursor(other)).toBe(same)
    }),
  )
})

test('no other text is a cursor', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.base64String(), fc.string({ unit: 'binary' })), (text) => {
      const position = readCursor(text)
      if (position !== undefined) expect(encodeCursor(position)).toBe(text)
    }),
  )
})

test('a change of one letter makes no cursor, or that of another position', () => {
  fc.assert(
    fc.property(
      anyPosition,
      fc.nat(),
      fc.constantFrom(...'AZaz09-_=+/ \n'),
      (position, at, letter) => {
        const cursor = encodeCursor(position)
        const place = at % cursor.length
        const changed = cursor.slice(0, place) + letter + cursor.slice(place + 1)
        const read = readCursor(changed)
        if (changed !== cursor) expect(read).not.toEqual(position)
      },
    ),
  )
})

test.each([
  ['no text', 7],
  ['nothing', ''],
  ['garbage', 'garbage!'],
  ['a sequence past 2^53', cursorOf('9007199254740993:0123456789ab:chat')],
  ['a sequence with a zero in front', cursorOf('01:0123456789ab:chat')],
  ['a negative sequence', cursorOf('-1:0123456789ab:chat')],
  ['no epoch', cursorOf('1:xyz:chat')],
  ['no topic', cursorOf('1:0123456789ab:')],
  ['a text that is too long', 'A'.repeat(10_000)],
])('refuses %s with INVALID_CURSOR', (_what, cursor) => {
  expect(() => decodeCursor(cursor)).toThrow(expect.objectContaining({ code: 'INVALID_CURSOR' }))
})

test('refuses the cursor of another topic', () => {
  const cursor = encodeCursor({
    topic: 'chat:1' as TopicName,
    epoch: '0123456789ab' as Epoch,
    sequence: 1 as Sequence,
  })
  expect(decodeCursorOf('chat:1' as TopicName, cursor)).toMatchObject({ sequence: 1 })
  expect(() => decodeCursorOf('chat:2' as TopicName, cursor)).toThrow(
    expect.objectContaining({ code: 'INVALID_CURSOR' }),
  )
})

test('refuses positions of another epoch or past the head', () => {
  const position = { epoch: '0123456789ab' as Epoch, sequence: 5 as Sequence }
  const head = (epoch: string, sequence: number) => ({
    epoch: epoch as Epoch,
    sequence: sequence as Sequence,
  })
  expect(checkPosition(position, head('0123456789ab', 5))).toBe(5)
  expect(() => checkPosition(position, head('ffffffffffff', 9))).toThrow(
    expect.objectContaining({ code: 'CURSOR_EXPIRED' }),
  )
  expect(() => checkPosition(position, head('0123456789ab', 4))).toThrow(
    expect.objectContaining({ code: 'INVALID_CURSOR' }),
  )
})

function cursorOf(text: string): string {
  return Buffer.from(text).toString('base64url')
}

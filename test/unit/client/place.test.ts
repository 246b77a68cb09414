import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Place, Places } from '../../../src/client/index.ts'
import { encodeCursor } from '../../../src/core/cursor.ts'
import type { Epoch, Sequence } from '../../../src/core/sequence.ts'
import type { TopicName } from '../../../src/core/topic-name.ts'

function at(sequence: number) {
  return { sequence, cursor: `cursor ${sequence}` }
}

const TOPIC = 'chat:1'

describe('A place', () => {
  test('takes each message once and in order, however many streams it is fed by', () => {
    // Each stream is contiguous and begins at or before where the place stands, as on a new connection.
    const streams = fc.array(fc.tuple(fc.nat(20), fc.nat(20)), { minLength: 1, maxLength: 20 })
    fc.assert(
      fc.property(streams, (starts) => {
        const place = new Place()
        const taken: number[] = []
        for (const [back, count] of starts) {
          const from = Math.max(0, place.sequence - back)
          for (let sequence = from + 1; sequence <= from + count; sequence++) {
            if (place.take(at(sequence))) taken.push(sequence)
          }
        }
        expect(taken).toEqual(taken.map((_, n) => n + 1))
      }),
    )
  })

  test('goes on behind the last message, or where the present was', () => {
    const place = new Place('begin')
    expect(place.cursor).toBe('begin')
    place.reach('present')
    expect(place.cursor).toBe('present')
    place.take(at(7))
    expect(place).toMatchObject({ cursor: 'cursor 7', sequence: 7 })
    place.reach('snapshot', 9)
    expect(place.take(at(9))).toBe(false)
    expect(place.take(at(12))).toBe(true) // those between were not for this reader
  })

  test('takes every ephemeral message, which moves it nowhere', () => {
    const place = new Place()
    place.take(at(3))
    expect(place.take({ sequence: null, cursor: null })).toBe(true)
    expect(place.take({ sequence: null, cursor: null })).toBe(true)
    expect(place.cursor).toBe('cursor 3')
  })

  test('tells of what is missing once, also where it is told again on the next connection', () => {
    const place = new Place()
    place.take(at(2))
    const gap = { topic: TOPIC, fromSequence: 3, toSequence: 7, reason: 'RETENTION' } as const
    expect(place.pass(gap)).toEqual(gap)
    expect(place.pass(gap)).toBeUndefined()
    expect(place.pass({ ...gap, toSequence: 9 })).toEqual({
      ...gap,
      fromSequence: 8,
      toSequence: 9,
    })
    expect(place.cursor).toBe('cursor 2')
    expect(place.take(at(9))).toBe(false)
  })

  test('begins anew with a new numbering', () => {
    const place = new Place()
    place.take(at(5))
    const gap = { topic: TOPIC, fromSequence: 6, toSequence: 6, reason: 'EPOCH_CHANGED' } as const
    expect(place.pass(gap)).toEqual(gap)
    expect(place.pass(gap)).toBeUndefined()
    expect(place.take(at(1))).toBe(true)
    expect(place.pass({ ...gap, fromSequence: 2, toSequence: 2 })).toMatchObject({
      fromSequence: 2,
    })
  })
})

describe('Places', () => {
  const cursorOf = (topic: string, sequence: number) =>
    encodeCursor({
      topic: topic as TopicName,
      epoch: '0123456789ab' as Epoch,
      sequence: sequence as Sequence,
    })

  test('are of each topic its own, and take the place of the cursors it was begun with', () => {
    const begun = [cursorOf('chat:eu:1', 3), cursorOf('chat:2', 4), 'unread']
    const places = new Places(begun)
    expect([...places.after()].sort()).toEqual([...begun].sort())
    expect(places.take({ topic: 'chat:eu:1', ...at(4) })).toBe(true)
    expect(places.take({ topic: 'chat:eu:1', ...at(4) })).toBe(false)
    expect(places.take({ topic: 'chat:3', ...at(4) })).toBe(true)
    places.reach('chat:2', 'present')
    expect([...places.after()].sort()).toEqual(['cursor 4', 'cursor 4', 'present', 'unread'])
    const gap = { topic: 'chat:3', fromSequence: 5, toSequence: 6, reason: 'RETENTION' } as const
    expect(places.pass(gap)).toEqual(gap)
    expect(places.take({ topic: 'chat:3', ...at(6) })).toBe(false)
  })
})

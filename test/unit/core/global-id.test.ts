import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  decodeGlobalId,
  encodeConsumerId,
  encodeMessageId,
  encodeTopicId,
} from '../../../src/core/global-id.ts'
import type { Epoch, Sequence } from '../../../src/core/sequence.ts'
import { anyTopicName } from '../../support/arbitraries.ts'

test('every node comes back from its id', () => {
  fc.assert(
    fc.property(anyTopicName, fc.maxSafeNat(), (topic, number) => {
      const position = { topic, epoch: '0123456789ab' as Epoch, sequence: number as Sequence }
      expect(decodeGlobalId(encodeTopicId(topic))).toEqual({ kind: 'Topic', topic })
      expect(decodeGlobalId(encodeMessageId(position))).toEqual({ kind: 'Message', ...position })
      expect(decodeGlobalId(encodeConsumerId(topic, 'a\'"nn', 'ü'))).toEqual({
        kind: 'Consumer',
        topic,
        userId: 'a\'"nn',
        name: 'ü',
      })
    }),
  )
})

test('any other text stands for no node', () => {
  for (const id of [
    '',
    'x',
    't.',
    'm.',
    'c.',
    'c.W10',
    'c.bnVsbA',
    't.KiA',
    'm.KiA',
    '__proto__',
  ]) {
    expect(decodeGlobalId(id)).toBeUndefined()
  }
  fc.assert(
    fc.property(fc.string(), (text) => {
      expect(decodeGlobalId(`q.${text}`)).toBeUndefined()
    }),
  )
})

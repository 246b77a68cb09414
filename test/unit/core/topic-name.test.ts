import fc from 'fast-check'
import { expect, test } from 'vitest'
import { isTopicName, parseTopicName, parseTopicPrefix } from '../../../src/core/topic-name.ts'
import { anyTopicName } from '../../support/arbitraries.ts'

test('takes every name of 1 to 128 permitted characters', () => {
  fc.assert(
    fc.property(anyTopicName, (name) => {
      expect(parseTopicName(name)).toBe(name)
    }),
  )
})

test('takes no other text', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const valid = /^[A-Za-z0-9_\-:.]+$/.test(text) && text.length <= 128 && !text.includes('\n')
      expect(isTopicName(text)).toBe(valid)
    }),
  )
})

test.each(['a', '.', '-', ':', '__proto__', 'constructor', 'A'.repeat(128)])('takes %s', (name) => {
  expect(parseTopicName(name)).toBe(name)
})

test.each([
  '',
  'A'.repeat(129),
  'a b',
  'a/b',
  'é',
  'a\n',
  'chat:*',
  '*',
  null,
  undefined,
  7,
  ['a'],
])('refuses %j with INVALID_TOPIC_NAME', (name) => {
  expect(() => parseTopicName(name)).toThrow(
    expect.objectContaining({ code: 'INVALID_TOPIC_NAME' }),
  )
})

test('takes prefixes of names, the empty one too', () => {
  expect(parseTopicPrefix('')).toBe('')
  expect(parseTopicPrefix('chat:')).toBe('chat:')
  expect(() => parseTopicPrefix('chat:*')).toThrow(
    expect.objectContaining({ code: 'INVALID_TOPIC_NAME' }),
  )
})

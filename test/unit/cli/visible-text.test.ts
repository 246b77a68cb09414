import { expect, test } from 'vitest'
import { columnsOf, jsonLine, padded, shortened, visible } from '../../../src/cli/visible-text.ts'

test('what others wrote has no power over the terminal', () => {
  expect(visible('a\u001b[2J\r\nb\u009b\u202ec')).toBe('a\\u001b[2J\\u000d\\u000ab\\u009b\\u202ec')
})

test('a value is one line of JSON without control characters, and the same value', () => {
  const value = { text: 'a\n\u009b31m\u2028\u202e', family: '👨‍👩‍👧' }
  const line = jsonLine(value)
  expect(line).not.toMatch(/[\p{Cc}\u2028\u202e]/u)
  expect(JSON.parse(line)).toEqual(value)
})

test.each([
  ['', 0],
  ['abc', 3],
  ['你好', 4],
  ['e\u0301', 1],
  ['👨‍👩‍👧', 2],
  ['❤️', 2],
  ['ｆ', 2],
  ['é', 1],
])('%j takes %i columns', (text, columns) => {
  expect(columnsOf(text)).toBe(columns)
})

test.each([
  ['abcdef', 6, 'abcdef'],
  ['abcdefg', 6, 'abcde…'],
  ['你好你好', 6, '你好…'],
  ['你好你', 6, '你好你'],
  ['a👨‍👩‍👧👨‍👩‍👧', 4, 'a👨‍👩‍👧…'],
  ['abc', 1, '…'],
])('%j in %i columns is %j', (text, columns, short) => {
  expect(shortened(text, columns)).toBe(short)
})

test('a text is filled up to the columns that it takes', () => {
  expect(padded('你', 4)).toBe('你  ')
  expect(padded('abcd', 2)).toBe('abcd')
})

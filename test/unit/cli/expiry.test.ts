import { expect, test } from 'vitest'
import { parseExpiry } from '../../../src/cli/expiry.ts'
import { UsageError } from '../../../src/cli/usage-error.ts'

const NOW = Date.UTC(2026, 10, 24, 12)

test.each([
  ['12h', '2026-11-25T00:00:00.000Z'],
  ['30d', '2026-12-24T12:00:00.000Z'],
  ['2027-01-31', '2027-01-31T00:00:00.000Z'],
  ['2027-01-31T18:30Z', '2027-01-31T18:30:00.000Z'],
  ['2028-02-29T18:30:01Z', '2028-02-29T18:30:01.000Z'],
])('%s is %s', (text, expiry) => {
  expect(parseExpiry(text, NOW).toISOString()).toBe(expiry)
})

test.each([
  '',
  '30',
  '30 d',
  '-1d',
  '1.5d',
  '30m',
  '1d2h',
  '9999999d',
  'tomorrow',
  '31.1.2027',
  '2027-02-29',
  '2027-13-01',
  '2027-01-31T18:30',
  '2027-01-31T24:30Z',
  '2027-01-31T18:30+01:00',
])('%j is no expiry', (text) => {
  expect(() => parseExpiry(text, NOW)).toThrow(UsageError)
})

import { expect, test } from 'vitest'
import { formatGrants, parseGrant } from '../../../src/cli/grants.ts'
import { UsageError } from '../../../src/cli/usage-error.ts'

test.each([
  ['chat:*=SUBSCRIBE,HISTORY', { topics: ['chat:*'], actions: ['SUBSCRIBE', 'HISTORY'] }],
  ['a,b=PUBLISH', { topics: ['a', 'b'], actions: ['PUBLISH'] }],
  ['*=*', { topics: ['*'], actions: ['*'] }],
])('%s is a capability, and shown so', (text, grant) => {
  expect(parseGrant(text)).toEqual(grant)
  expect(formatGrants([parseGrant(text)])).toBe(text)
})

test.each(['', 'chat:*', '=PUBLISH', 'chat:*=', 'chat:*=publish', 'a=PUBLISH,', 'a=PUBLISH=ACK'])(
  '%j is no capability',
  (text) => {
    expect(() => parseGrant(text)).toThrow(UsageError)
  },
)

test('several capabilities are shown as they were said, one after the other', () => {
  const grants = [
    { topics: 'chat:*', actions: ['PUBLISH'] },
    { topics: ['a', 'b'], actions: ['*'] },
  ] as const
  expect(formatGrants(grants)).toBe('chat:*=PUBLISH a,b=*')
})

import { expect, test } from 'vitest'
import { readTarget } from '../../../src/cli/target.ts'

test.each([
  ['https://ann:secret@example.com/graphql?token=secret', 'https://example.com/graphql'],
  ['ws://127.0.0.1:4000', 'ws://127.0.0.1:4000/graphql'],
])('%s is shown without secrets', (url, address) => {
  const target = readTarget({ url, timeout: '10' }, {})
  expect(target.address).toBe(address)
  expect(new URL(target.url).username).toBe(new URL(url).username)
})

import { expect, test } from 'vitest'
import { decode } from '../../../src/bus/wire.ts'

test.each([
  '',
  'hello',
  '{}',
  '{"v":2}',
  '{"v":2}\n1\n',
  '{"v":2,"topic":"a"}\n1\n',
  '{"v":2,"topic":"a","place":null}\n1\n',
  '{"v":2,"topic":"","place":{"ephemeral":true,"id":"e.1"}}\n1\n',
  'null\n1\n',
])('what another program publishes, such as %j, is no message', (text) => {
  expect(decode(Buffer.from(text))).toBeUndefined()
})

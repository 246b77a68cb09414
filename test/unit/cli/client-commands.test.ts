import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { history } from '../../../src/cli/history.ts'
import { presence } from '../../../src/cli/presence.ts'
import { publish } from '../../../src/cli/publish.ts'
import { schema } from '../../../src/cli/schema.ts'
import { tail } from '../../../src/cli/tail.ts'
import { token } from '../../../src/cli/token.ts'
import { UsageError } from '../../../src/cli/usage-error.ts'
import { rejection } from '../../support/rejection.ts'

beforeAll(() => {
  vi.stubEnv('CARILLON_URL', '')
  vi.stubEnv('CARILLON_JWT_SECRET', '')
})

afterAll(() => {
  vi.unstubAllEnvs()
})

const COMMANDS = { publish, tail, history, presence, token, schema }

test.each([
  ['publish', [], 'needs a topic'],
  ['publish', ['a'], 'needs a payload'],
  ['publish', ['a b', '1'], 'This is none: "a b".'],
  ['publish', ['a:*', '1'], 'This is none: "a:*".'],
  ['publish', ['a', 'hello there'], 'not JSON: hello there; --text'],
  ['publish', ['a', '{"b":'], 'not JSON: {"b":'],
  ['publish', ['a', '1', '2'], '2 is too much'],
  ['publish', ['a', '1', '--metadata', '{'], '--metadata is not JSON: {'],
  ['publish', ['a', '1', '--ttl', '0'], '--ttl takes a whole number from 1 on, not "0".'],
  ['publish', ['a', '1', '--expected-head', '1.5'], '--expected-head takes a whole number, not'],
  ['publish', ['a', '1', '--lines'], 'give - as the payload'],
  ['publish', ['a', '--lines', '--key', 'k'], 'are of one message'],
  ['publish', ['a', '1', '--ephemeral', '--key', 'k'], 'do not go together'],
  ['publish', ['a', '1', '--url', 'localhost:4000'], 'not "localhost:4000"'],
  ['publish', ['a', '1', '--timeout', 'x'], '--timeout takes a whole number of at most 86400'],
  ['publish', ['a', '1', '--bogus'], "Unknown option '--bogus'"],
  ['tail', [], 'needs a topic, or several'],
  ['tail', ['*'], 'This is none: "*".'],
  ['tail', ['a', '--last', '1001'], '--last takes a whole number of at most 1000'],
  ['tail', ['a', '--last', '1', '--after', 'c'], 'do not go together'],
  ['tail', ['a', 'b', '--after', 'c'], 'a cursor is of one'],
  ['tail', ['a:*', '--after', 'c'], 'a cursor is of one'],
  ['tail', ['a', '--count', '0'], '--count takes a whole number from 1 on'],
  ['history', [], 'needs a topic'],
  ['history', ['a', 'b'], 'b is too much'],
  ['history', ['a', '--all', '--last', '3'], '--all goes with --after'],
  ['presence', [], 'needs a topic'],
  ['presence', ['a:*'], 'This is none: "a:*".'],
  ['token', [], 'needs --user'],
  ['token', ['--user', 'ann'], 'Set CARILLON_JWT_SECRET'],
  ['token', ['--user', 'ann', '--can', 'a=FLY'], 'actions out of SUBSCRIBE'],
  ['token', ['--user', 'ann', '--expires', 'soon'], '--expires takes a time'],
  ['token', ['--user', 'ann', '--expires', '2020-01-01'], 'in the future'],
  ['schema', ['more'], 'more is too much'],
] as const)('carillon %s refuses %j in one line, before it connects', async (name, args, says) => {
  const error = await rejection(COMMANDS[name](args))
  expect(error).toBeInstanceOf(UsageError)
  expect(String(error)).toMatch(/^[^\n]+$/)
  expect(String(error)).toContain(says)
})

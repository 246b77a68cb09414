import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { keys } from '../../../src/cli/keys.ts'
import { revoke } from '../../../src/cli/revoke.ts'
import { UsageError } from '../../../src/cli/usage-error.ts'
import { rejection } from '../../support/rejection.ts'

beforeAll(() => {
  vi.stubEnv('DATABASE_URL', '')
  vi.stubEnv('CARILLON_DATA_DIR', 'memory:')
})

afterAll(() => {
  vi.unstubAllEnvs()
})

const CREATE = ['create', '--name', 'billing', '--can', 'chat:*=PUBLISH'] as const

test.each([
  [[], 'create, list or revoke'],
  [['bogus'], 'create, list or revoke'],
  [['create'], 'needs --name and --can'],
  [['create', '--name', 'n'], 'needs --name and --can'],
  [['create', '--can', 'a=PUBLISH'], 'needs --name and --can'],
  [[...CREATE, 'more'], 'more is too much'],
  [[...CREATE, '--can', 'a=FLY'], 'actions out of SUBSCRIBE'],
  [[...CREATE, '--can', '--expires', '1d'], "'--can"],
  [[...CREATE, '--expires', 'soon'], '--expires takes a time such as 30d'],
  [[...CREATE, '--bogus'], "Unknown option '--bogus'"],
  [['list', 'more'], 'more is too much'],
  [['list'], 'CARILLON_DATA_DIR=memory:'],
  [['revoke'], 'needs the id'],
] as const)('carillon keys refuses %j in one line', async (args, says) => {
  const error = await rejection(keys(args))
  expect(error).toBeInstanceOf(UsageError)
  expect(String(error)).toMatch(/^[^\n]+$/)
  expect(String(error)).toContain(says)
})

test.each([
  [[], 'takes one of'],
  [['ann'], 'ann is too much'],
  [['--user', 'ann', '--user', 'bob'], 'takes one of'],
  [['--user', 'ann', '--client', 'phone'], 'takes one of'],
  [['--token-id'], "'--token-id"],
  [['--client', 'phone'], 'CARILLON_DATA_DIR=memory:'],
] as const)('carillon revoke refuses %j in one line', async (args, says) => {
  const error = await rejection(revoke(args))
  expect(error).toBeInstanceOf(UsageError)
  expect(String(error)).toMatch(/^[^\n]+$/)
  expect(String(error)).toContain(says)
})

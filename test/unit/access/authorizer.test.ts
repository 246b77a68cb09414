import { LRUCache } from 'lru-cache'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { Need } from '../../../src/access/access.ts'
import { type Authorize, Authorizer } from '../../../src/access/authorizer.ts'
import type { Viewer } from '../../../src/access/viewer.ts'
import { CarillonError } from '../../../src/protocol/errors.ts'
import { userWith } from '../../support/access.ts'
import { rejection } from '../../support/rejection.ts'

const READ: Need = { action: 'HISTORY', topics: '*' }
const CACHE_MS = 5_000

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] })
  // The cache has had its hands on the clock before it can be faked.
  vi.spyOn(performance, 'now').mockImplementation(() => Date.now())
})
afterEach(() => {
  vi.useRealTimers()
  vi.restoreAllMocks()
})

function ann(more: Partial<Viewer> = {}): Viewer {
  return userWith([{ topics: '*', actions: ['*'] }], more)
}

test('the clock of the cache is the one that is faked', () => {
  const cache = new LRUCache<string, true>({ max: 1, ttl: 10 })
  cache.set('a', true)
  vi.advanceTimersByTime(11)
  expect(cache.has('a')).toBe(false)
})

test('an answer holds for its time, then it is asked again', async () => {
  const authorize = vi.fn<Authorize>(() => true)
  const authorizer = new Authorizer(authorize, CACHE_MS)
  await authorizer.isAllowed(ann(), READ)
  vi.advanceTimersByTime(CACHE_MS - 1)
  await authorizer.isAllowed(ann(), READ)
  expect(authorize).toHaveBeenCalledTimes(1)
  vi.advanceTimersByTime(2)
  authorize.mockReturnValue(false)
  expect(await authorizer.isAllowed(ann(), READ)).toBe(false)
  expect(authorize).toHaveBeenCalledTimes(2)
})

test('a refusal holds as long', async () => {
  const authorize = vi.fn<Authorize>(() => false)
  const authorizer = new Authorizer(authorize, CACHE_MS)
  for (let n = 0; n < 3; n++) expect(await authorizer.isAllowed(ann(), READ)).toBe(false)
  expect(authorize).toHaveBeenCalledTimes(1)
})

test('who asks the same at once waits for one answer', async () => {
  let answer = (_allowed: boolean) => {}
  const authorize = vi.fn<Authorize>(() => new Promise((resolve) => (answer = resolve)))
  const authorizer = new Authorizer(authorize, CACHE_MS)
  const asked = Promise.all([1, 2, 3].map(() => authorizer.isAllowed(ann(), READ)))
  answer(true)
  expect(await asked).toEqual([true, true, true])
  expect(authorize).toHaveBeenCalledTimes(1)
})

test('the user, the client, the token, the action and the topic each make another question', async () => {
  const authorize = vi.fn<Authorize>(() => true)
  const authorizer = new Authorizer(authorize, CACHE_MS)
  const viewers = [ann(), ann({ userId: 'bob' }), ann({ clientId: 'a' }), ann({ tokenId: 'a' })]
  for (const viewer of viewers) await authorizer.isAllowed(viewer, READ)
  await authorizer.isAllowed(ann(), { ...READ, action: 'ACK' })
  await authorizer.isAllowed(ann(), { ...READ, topics: 'a:*' as Need['topics'] })
  expect(authorize).toHaveBeenCalledTimes(6)
})

test('only true is a yes', async () => {
  for (const answer of [1, 'true', {}, undefined, null, false]) {
    const authorizer = new Authorizer((() => answer) as unknown as Authorize, CACHE_MS)
    expect(await authorizer.isAllowed(ann(), READ)).toBe(false)
  }
})

test.each([
  [
    'throws',
    () => {
      throw new Error('away')
    },
  ],
  ['rejects', () => Promise.reject(new Error('away'))],
] as const)(
  'one that %s is asked again, and all who waited are told that it may be tried again',
  async (_how, fail) => {
    const authorize = vi.fn<Authorize>(fail)
    const authorizer = new Authorizer(authorize, CACHE_MS)
    const waiting = [1, 2].map(() => rejection(authorizer.isAllowed(ann(), READ)))
    for (const error of await Promise.all(waiting)) {
      expect(error).toMatchObject({ code: 'SERVICE_UNAVAILABLE', retryable: true })
      expect(String(error)).not.toContain('away')
    }
    authorize.mockImplementation(() => true)
    expect(await authorizer.isAllowed(ann(), READ)).toBe(true)
    expect(authorize).toHaveBeenCalledTimes(2)
  },
)

test('errors of the catalogue are passed on as they are', async () => {
  const error = new CarillonError('RATE_LIMIT_EXCEEDED')
  const authorizer = new Authorizer(() => Promise.reject(error), CACHE_MS)
  expect(await rejection(authorizer.isAllowed(ann(), READ))).toBe(error)
})

test('a failure that comes late does not take away the answer that came after it', async () => {
  let fail = (_error: Error) => {}
  const authorize = vi.fn<Authorize>(() => new Promise((_resolve, reject) => (fail = reject)))
  const authorizer = new Authorizer(authorize, CACHE_MS)
  const late = rejection(authorizer.isAllowed(ann(), READ))
  authorizer.forget(undefined)
  authorize.mockImplementation(() => true)
  await authorizer.isAllowed(ann(), READ)
  fail(new Error('away'))
  await late
  await authorizer.isAllowed(ann(), READ)
  expect(authorize).toHaveBeenCalledTimes(2)
})

test('the answers of one user are forgotten, and of nobody whose name begins alike', async () => {
  const authorize = vi.fn<Authorize>(() => true)
  const authorizer = new Authorizer(authorize, CACHE_MS)
  const users = ['ann', 'anna', 'ann"', 'ann,', 'bob', '["ann"', '']
  const askAll = async () => {
    authorize.mockClear()
    for (const userId of users) await authorizer.isAllowed(ann({ userId }), READ)
    return authorize.mock.calls.map(([{ viewer }]) => viewer.userId)
  }
  expect(await askAll()).toEqual(users)
  expect(await askAll()).toEqual([])
  for (const user of users) {
    authorizer.forget(user)
    expect(await askAll()).toEqual([user])
  }
  authorizer.forget(undefined)
  expect(await askAll()).toEqual(users)
})

test('without a time, an answer is for those who wait for it', async () => {
  const authorize = vi.fn<Authorize>(async () => true)
  const authorizer = new Authorizer(authorize, 0)
  await Promise.all([authorizer.isAllowed(ann(), READ), authorizer.isAllowed(ann(), READ)])
  expect(authorize).toHaveBeenCalledTimes(1)
  vi.advanceTimersByTime(2)
  await authorizer.isAllowed(ann(), READ)
  expect(authorize).toHaveBeenCalledTimes(2)
})

test('two tokens of one user that say different things are asked about apart', async () => {
  const authorizer = new Authorizer(({ viewer }) => viewer.claims.org === 'acme', 60_000)
  const need: Need = { action: 'HISTORY', topics: '*' }
  const token = (org: string) => userWith([], { claims: { org } })
  expect(await authorizer.isAllowed(token('acme'), need)).toBe(true)
  expect(await authorizer.isAllowed(token('beta'), need)).toBe(false)
})

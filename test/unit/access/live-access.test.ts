import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { Need } from '../../../src/access/access.ts'
import { Authorizer } from '../../../src/access/authorizer.ts'
import { LiveAccess } from '../../../src/access/live-access.ts'
import type { Viewer } from '../../../src/access/viewer.ts'
import { accessOf, FakeGuarded, userWith } from '../../support/access.ts'

const GRACE_MS = 30_000
const HOUR = 3_600_000
const NEEDS: readonly Need[] = [{ action: 'SUBSCRIBE', topics: '*' }]

beforeEach(() => void vi.useFakeTimers({ now: new Date('2026-11-24T12:00:00Z') }))
afterEach(() => void vi.useRealTimers())

/** Of a user whose credentials hold for so long. */
function ann(ms: number | null, more: Partial<Viewer> = {}): Viewer {
  const expiresAt = ms === null ? null : new Date(Date.now() + ms)
  return userWith([{ topics: '*', actions: ['*'] }], { expiresAt, ...more })
}

function opened({
  viewer = ann(HOUR),
  grace = { graceMs: GRACE_MS },
}: {
  readonly viewer?: Viewer
  readonly grace?: { readonly graceMs?: number }
} = {}) {
  const revoked = new Set<string>()
  let isAllowed: boolean | Error = true
  const authorizer = new Authorizer(() => {
    if (isAllowed instanceof Error) throw isAllowed
    return isAllowed
  }, 0)
  const access = accessOf({ authorizer }, revoked)
  const told: string[] = []
  const live = new LiveAccess(viewer, {
    access,
    ...grace,
    onExpired: () => told.push('expired'),
    onRenewed: () => told.push('renewed'),
    onEnded: ({ message }) => told.push(message),
  })
  const guarded = new FakeGuarded()
  live.guard(guarded, NEEDS)
  const answer = (next: boolean | Error) => {
    isAllowed = next
  }
  return { access, live, told, guarded, revoked, answer }
}

test('what is open rests when the credentials have run out, and ends when nobody renews them', () => {
  const { told, guarded } = opened()
  vi.advanceTimersByTime(HOUR - 1)
  expect(told).toEqual([])
  vi.advanceTimersByTime(1)
  expect(told).toEqual(['expired'])
  vi.advanceTimersByTime(GRACE_MS - 1)
  expect(told).toEqual(['expired'])
  vi.advanceTimersByTime(1)
  expect(told).toEqual(['expired', 'The credentials have run out.'])
  expect(guarded.failures).toEqual([]) // its connection is closed, and it may go on over the next one
})

test('without a time of grace it fails at once', () => {
  const { told, guarded } = opened({ grace: {} })
  vi.advanceTimersByTime(HOUR)
  expect(guarded.failures).toEqual(['UNAUTHENTICATED'])
  expect(told).toEqual(['The credentials have run out.'])
})

test('with no time of grace left over, it ends as soon as it has run out', () => {
  const { told } = opened({ grace: { graceMs: 0 } })
  vi.advanceTimersByTime(HOUR)
  expect(told[0]).toBe('expired')
  vi.advanceTimersByTime(1)
  expect(told).toHaveLength(2)
})

test('it goes on with fresh credentials that come within the time of grace', async () => {
  const { live, told, guarded } = opened()
  vi.advanceTimersByTime(HOUR + GRACE_MS - 1)
  await live.renew(ann(HOUR))
  expect(told).toEqual(['expired', 'renewed'])
  vi.advanceTimersByTime(HOUR - 1)
  expect(told).toEqual(['expired', 'renewed'])
  vi.advanceTimersByTime(1)
  expect(told).toEqual(['expired', 'renewed', 'expired'])
  expect(guarded.failures).toEqual([])
})

test('credentials that are renewed in time do not rest, and the old ones end nothing', async () => {
  const { live, told } = opened()
  vi.advanceTimersByTime(HOUR - 1)
  await live.renew(ann(null))
  vi.advanceTimersByTime(100 * HOUR)
  expect(told).toEqual([])
})

test.each([
  ['of another user', () => ann(HOUR, { userId: 'bob' }), 'PERMISSION_DENIED'],
  ['of another client', () => ann(HOUR, { clientId: 'phone' }), 'PERMISSION_DENIED'],
  ['that have run out', () => ann(0), 'UNAUTHENTICATED'],
])('credentials %s renew nothing, and those that were there stay', async (_what, next, code) => {
  const { live, told } = opened()
  const before = live.viewer
  await expect(live.renew(next())).rejects.toMatchObject({ code })
  expect(live.viewer).toBe(before)
  vi.advanceTimersByTime(HOUR)
  expect(told).toEqual(['expired'])
  await expect(live.renew(next())).rejects.toMatchObject({ code })
  vi.advanceTimersByTime(GRACE_MS)
  expect(told).toHaveLength(2)
})

test('what fresh credentials do not cover ends, the rest goes on', async () => {
  const { live, guarded, told } = opened()
  const covered = new FakeGuarded()
  live.guard(covered, [])
  vi.advanceTimersByTime(HOUR)
  await live.renew({ ...userWith([]), expiresAt: new Date(Date.now() + HOUR) })
  expect([guarded.failures, covered.failures]).toEqual([['PERMISSION_DENIED'], []])
  expect(told).toEqual(['expired', 'renewed'])
})

test('a revocation ends it at once, once', () => {
  const { live, told, guarded } = opened()
  live.revoke()
  live.revoke()
  expect(guarded.failures).toEqual(['UNAUTHENTICATED'])
  expect(told).toEqual(['The credentials have been revoked.'])
  vi.advanceTimersByTime(2 * HOUR)
  expect(told).toHaveLength(1)
})

test('a revocation in the time of grace ends it, and nothing renews it then', async () => {
  const { live, told, guarded, access, revoked } = opened()
  vi.advanceTimersByTime(HOUR + 1)
  revoked.add('ann')
  access.applyRevocations()
  expect(guarded.failures).toEqual(['UNAUTHENTICATED'])
  expect(told).toEqual(['expired', 'The credentials have been revoked.'])
  revoked.clear()
  await expect(live.renew(ann(HOUR))).rejects.toMatchObject({ code: 'UNAUTHENTICATED' })
  vi.advanceTimersByTime(HOUR)
  expect(told).toHaveLength(2)
})

test('a revocation while it is renewed ends it, and it stays so', async () => {
  const { live, told, guarded } = opened()
  vi.advanceTimersByTime(HOUR)
  const renewed = live.renew(ann(HOUR))
  live.revoke()
  await renewed.catch(() => {})
  expect(guarded.failures).toEqual(['UNAUTHENTICATED'])
  expect(told).toEqual(['expired', 'The credentials have been revoked.'])
})

test.each([
  ['30 days', 30 * 24 * HOUR],
  ['2^31 ms', 2 ** 31],
  ['2^31 - 1 ms', 2 ** 31 - 1],
  ['100 years', 100 * 365 * 24 * HOUR],
])('credentials that hold for %s do so, whatever the longest timer is', (_name, ms) => {
  const { told } = opened({ viewer: ann(ms) })
  vi.advanceTimersByTime(ms - 1)
  expect(told).toEqual([])
  vi.advanceTimersByTime(1)
  expect(told).toEqual(['expired'])
})

test('credentials that hold for as long as a date can say are waited for without haste', () => {
  const { told } = opened({ viewer: ann(null, { expiresAt: new Date(8_640_000_000_000_000) }) })
  expect(vi.getTimerCount()).toBe(1)
  vi.advanceTimersToNextTimer()
  expect(vi.getTimerCount()).toBe(1)
  expect(told).toEqual([])
})

test('a time of grace beyond the longest timer is as long as that, and not a short one', () => {
  const { told } = opened({ viewer: ann(1), grace: { graceMs: 2 ** 31 + 1_000 } })
  vi.advanceTimersByTime(2 ** 31 - 1)
  expect(told).toEqual(['expired'])
  vi.advanceTimersByTime(2_000)
  expect(told).toHaveLength(2)
})

test('an authorize that fails ends nothing, one that refuses does', async () => {
  const { access, guarded, answer } = opened()
  answer(new Error('away'))
  vi.advanceTimersByTime(10)
  await access.recheck('ann')
  expect(guarded.failures).toEqual([])
  answer(false)
  vi.advanceTimersByTime(10)
  await access.recheck('bob')
  expect(guarded.failures).toEqual([])
  await access.recheck('ann')
  expect(guarded.failures).toEqual(['PERMISSION_DENIED'])
})

test('what rests is not ended by being looked at', async () => {
  const { access, guarded } = opened()
  vi.advanceTimersByTime(HOUR)
  await access.recheck()
  expect(guarded.failures).toEqual([])
})

test('what is opened after the credentials have run out rests with the others', () => {
  const { live } = opened()
  vi.advanceTimersByTime(HOUR)
  const late = new FakeGuarded()
  live.guard(late, NEEDS)
  expect(late.failures).toEqual([])
})

test('what was opened while its user was revoked fails', () => {
  const { live, revoked } = opened()
  revoked.add('ann')
  const late = new FakeGuarded()
  live.guard(late, NEEDS)
  expect(late.failures).toEqual(['UNAUTHENTICATED'])
})

test('nothing is left of it once it is closed', async () => {
  const { live, access, told, guarded, revoked } = opened()
  live.close()
  live.close()
  expect(vi.getTimerCount()).toBe(0)
  revoked.add('ann')
  access.applyRevocations()
  await access.recheck()
  expect([told, guarded.failures]).toEqual([[], []])
  await expect(live.renew(ann(HOUR))).rejects.toMatchObject({ code: 'UNAUTHENTICATED' })
})

test('what has closed by itself is not ended again', () => {
  const { live, guarded } = opened()
  guarded.close()
  live.revoke()
  expect(guarded.failures).toEqual([])
})

test('what was opened for credentials that were narrowed meanwhile fails', async () => {
  const before = ann(HOUR)
  const { live } = opened({ viewer: before })
  const can = [{ topics: 'other:*', actions: ['SUBSCRIBE'] }] as const
  await live.renew(userWith(can, { expiresAt: new Date(Date.now() + HOUR) }))
  const late = new FakeGuarded()
  live.guard(late, NEEDS, before)
  await vi.advanceTimersByTimeAsync(0)
  expect(late.failures).toEqual(['PERMISSION_DENIED'])
})

import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { Need } from '../../../src/access/access.ts'
import { Authorizer } from '../../../src/access/authorizer.ts'
import { LiveAccess } from '../../../src/access/live-access.ts'
import { BACKEND } from '../../../src/access/viewer.ts'
import { parseTopicPattern } from '../../../src/core/topic-name.ts'
import { accessOf, FakeGuarded, userWith } from '../../support/access.ts'

const EVERYTHING = [{ topics: '*', actions: ['*'] }] as const

function need(action: Need['action'], topics: string): Need {
  return { action, topics: topics === '*' ? '*' : parseTopicPattern(topics) }
}

beforeEach(() => {
  vi.useFakeTimers({ now: new Date('2026-11-24T12:00:00Z') })
})
afterEach(() => void vi.useRealTimers())

test('all needs have to be covered, and the first that is not is named', () => {
  const access = accessOf()
  const viewer = userWith([{ topics: 'chat:*', actions: ['SUBSCRIBE'] }])
  expect(access.check(viewer, [need('SUBSCRIBE', 'chat:1')])).toBeUndefined()
  expect(access.check(viewer, [])).toBeUndefined()
  const both = [need('SUBSCRIBE', 'chat:1'), need('HISTORY', 'chat:1'), need('ACK', 'chat:1')]
  expect(() => access.check(viewer, both)).toThrow('HISTORY on chat:1 is not permitted.')
  expect(() => access.check(viewer, [need('SUBSCRIBE', '*')])).toThrow('SUBSCRIBE on all topics')
})

test('credentials hold until the very instant at which they run out', () => {
  const access = accessOf()
  const viewer = userWith(EVERYTHING, { expiresAt: new Date(Date.now() + 1) })
  expect(access.check(viewer, [])).toBeUndefined()
  vi.advanceTimersByTime(1)
  expect(() => access.check(viewer, [])).toThrow(
    expect.objectContaining({ code: 'UNAUTHENTICATED' }),
  )
})

test('who is revoked is refused before anything else is looked at', () => {
  const revoked = new Set(['ann'])
  const access = accessOf({}, revoked)
  const denied = [need('ADMIN', 'chat:1')]
  const code = { code: 'UNAUTHENTICATED' }
  expect(() => access.check(userWith([]), denied)).toThrow(expect.objectContaining(code))
  revoked.clear()
  expect(() => access.check(userWith([]), denied)).toThrow(
    expect.objectContaining({ code: 'PERMISSION_DENIED' }),
  )
})

test('where clients do not publish, backends do, and users do all else', () => {
  const access = accessOf({ clientsPublish: false })
  const publish = [need('PUBLISH', 'chat:1')]
  expect(() => access.check(userWith(EVERYTHING), publish)).toThrow(
    'Only backends may publish here.',
  )
  expect(access.check(BACKEND, publish)).toBeUndefined()
  expect(access.check(userWith(EVERYTHING), [need('SUBSCRIBE', 'chat:1')])).toBeUndefined()
})

test('authorize is asked of users only, and of nothing that the capabilities do not cover', async () => {
  const authorize = vi.fn(() => false)
  const access = accessOf({ authorizer: new Authorizer(authorize, 1_000) })
  expect(access.check(BACKEND, [need('ADMIN', 'chat:1')])).toBeUndefined()
  expect(() => access.check(userWith([]), [need('ADMIN', 'chat:1')])).toThrow()
  expect(authorize).not.toHaveBeenCalled()
  const viewer = userWith(EVERYTHING)
  await expect(access.check(viewer, [need('ADMIN', 'chat:1')])).rejects.toMatchObject({
    code: 'PERMISSION_DENIED',
  })
  expect(await access.allows(viewer, need('ADMIN', 'chat:1'))).toBe(false)
  expect([access.asks(BACKEND), access.asks(viewer)]).toEqual([false, true])
})

test('credentials that run out while authorize is asked are refused', async () => {
  let answer = (_allowed: boolean) => {}
  const authorize = () => new Promise<boolean>((resolve) => (answer = resolve))
  const access = accessOf({ authorizer: new Authorizer(authorize, 1_000) })
  const viewer = userWith(EVERYTHING, { expiresAt: new Date(Date.now() + 100) })
  const checked = access.check(viewer, [need('ACK', 'chat:1')])
  vi.advanceTimersByTime(100)
  answer(true)
  await expect(checked).rejects.toMatchObject({ code: 'UNAUTHENTICATED' })
})

test('an authorize that fails is no denial', async () => {
  const authorize = () => Promise.reject(new Error('away'))
  const access = accessOf({ authorizer: new Authorizer(authorize, 1_000) })
  await expect(access.allows(userWith(EVERYTHING), need('ACK', 'a'))).rejects.toMatchObject({
    code: 'SERVICE_UNAVAILABLE',
  })
})

test('revocations end what is open of those who are revoked, and nothing else', () => {
  const revoked = new Set<string>()
  const access = accessOf({}, revoked)
  const [ann, bob] = ['ann', 'bob'].map((userId) => {
    const guarded = new FakeGuarded()
    const live = new LiveAccess(userWith(EVERYTHING, { userId }), { access })
    live.guard(guarded, [need('SUBSCRIBE', 'a')])
    return guarded
  })
  access.applyRevocations()
  revoked.add('ann')
  access.applyRevocations()
  access.applyRevocations()
  expect([ann?.failures, bob?.failures]).toEqual([['UNAUTHENTICATED'], []])
})

test('what authorize allows no more ends when it is asked anew, of one user or of all', async () => {
  let isAllowed = true
  const access = accessOf({ authorizer: new Authorizer(() => isAllowed, 60_000) })
  const [ann, bob] = ['ann', 'bob'].map((userId) => {
    const guarded = new FakeGuarded()
    const live = new LiveAccess(userWith(EVERYTHING, { userId }), { access })
    live.guard(guarded, [need('SUBSCRIBE', 'a')])
    return guarded
  })
  await access.reauthorize()
  isAllowed = false
  await access.recheck()
  expect([ann?.failures, bob?.failures]).toEqual([[], []]) // the answers are remembered
  await access.reauthorize('ann')
  expect([ann?.failures, bob?.failures]).toEqual([['PERMISSION_DENIED'], []])
  await access.reauthorize()
  expect(bob?.failures).toEqual(['PERMISSION_DENIED'])
})

import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { Revocation } from '../../../src/access/revocation.ts'
import { type RevocationSubject, Revocations } from '../../../src/access/revocations.ts'
import { CarillonError } from '../../../src/protocol/errors.ts'
import { AccessDatabase } from '../../support/access-stores.ts'
import { rejection } from '../../support/rejection.ts'

let database: AccessDatabase
let faults: unknown[]
let revocations: Revocations

/** What one instance has of a database. */
function instance(): Revocations {
  return new Revocations({
    store: database.revocations,
    onFault: (error) => faults.push(error),
  })
}

function subject(fields: Partial<RevocationSubject> = {}): RevocationSubject {
  return { userId: 'ann', clientId: 'phone', tokenId: 'jti', issuedAt: Date.now(), ...fields }
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] })
  vi.setSystemTime(new Date('2026-11-24T12:00:00Z'))
  database = new AccessDatabase()
  faults = []
  revocations = instance()
})

afterEach(async () => {
  await revocations.close()
  vi.useRealTimers()
})

test('a revoked token is refused whenever it was issued, others are not', async () => {
  await revocations.revoke({ tokenId: 'jti' })
  const later = Date.now() + 3_600_000
  expect(revocations.isRevoked(subject({ issuedAt: later }))).toBe(true)
  expect(revocations.isRevoked(subject({ tokenId: 'other' }))).toBe(false)
  expect(revocations.isRevoked(subject({ tokenId: null, userId: 'jti', clientId: 'jti' }))).toBe(
    false,
  )
})

test.each([
  [{ userId: 'ann' }, { userId: 'bob' }],
  [{ clientId: 'phone' }, { clientId: 'tablet' }],
  [{ clientId: 'phone' }, { clientId: null }],
])('with %j, what was issued then or before is refused; not with %j', async (request, other) => {
  const { revokedAt } = await revocations.revoke(request)
  const then = revokedAt.getTime()
  expect(revocations.isRevoked(subject({ issuedAt: then - 1 }))).toBe(true)
  expect(revocations.isRevoked(subject({ issuedAt: then }))).toBe(true)
  expect(revocations.isRevoked(subject({ issuedAt: then + 1 }))).toBe(false)
  expect(revocations.isRevoked(subject({ issuedAt: then, ...other }))).toBe(false)
})

test('a second revocation of a user refuses what was issued since the first', async () => {
  await revocations.revoke({ userId: 'ann' })
  vi.advanceTimersByTime(1_000)
  const between = subject()
  expect(revocations.isRevoked(between)).toBe(false)
  vi.advanceTimersByTime(1_000)
  const heard: Revocation[] = []
  revocations.onRevoked((told) => heard.push(...told))
  const second = await revocations.revoke({ userId: 'ann' })
  expect(revocations.isRevoked(between)).toBe(true)
  expect(heard).toEqual([second])
})

test('knows at the start what was revoked before, however much', async () => {
  for (let n = 0; n < 5_001; n++) await database.revocations.add({ kind: 'token', value: `${n}` })
  await revocations.start()
  expect(revocations.isTokenRevoked('0')).toBe(true)
  expect(revocations.isTokenRevoked('5000')).toBe(true)
})

test('knows within a poll what others revoke, and tells it once', async () => {
  const other = instance()
  await revocations.start()
  const heard: (readonly Revocation[])[] = []
  revocations.onRevoked((told) => heard.push(told))
  const told = [await other.revoke({ userId: 'ann' }), await other.revoke({ tokenId: 'jti' })]
  const before = subject({ tokenId: null })
  expect(revocations.isRevoked(before)).toBe(false)
  await vi.advanceTimersByTimeAsync(400)
  expect(revocations.isRevoked(before)).toBe(true)
  await vi.advanceTimersByTimeAsync(4_000)
  expect(heard).toEqual([told])
})

test('what is revoked here is told once, and what others revoked before it is not missed', async () => {
  await revocations.start()
  const heard: Revocation[] = []
  revocations.onRevoked((told) => heard.push(...told))
  const other = await database.revocations.add({ kind: 'user', value: 'bob' })
  const own = await revocations.revoke({ userId: 'ann' })
  expect(heard).toEqual([own])
  await vi.advanceTimersByTimeAsync(800)
  expect(heard).toEqual([own, other])
})

test('never polls twice at once', async () => {
  await revocations.start()
  const { after } = database.revocations
  let release = () => {}
  const held = new Promise<void>((resolve) => {
    release = resolve
  })
  database.revocations.after = async (number, limit) => {
    const found = after(number, limit)
    await held
    return found
  }
  await vi.advanceTimersByTimeAsync(4_000)
  expect(database.count('after')).toBe(2)
  release()
  await vi.advanceTimersByTimeAsync(400)
  expect(database.count('after')).toBe(3)
})

test('tells of an outage once, keeps what it knows, and goes on after it', async () => {
  await revocations.revoke({ tokenId: 'known' })
  await revocations.start()
  database.isAway = true
  await vi.advanceTimersByTimeAsync(2_000)
  expect(faults).toEqual([expect.objectContaining({ code: 'SERVICE_UNAVAILABLE' })])
  expect(revocations.isTokenRevoked('known')).toBe(true)
  database.isAway = false
  await database.revocations.add({ kind: 'token', value: 'missed' })
  await vi.advanceTimersByTimeAsync(400)
  expect(revocations.isTokenRevoked('missed')).toBe(true)
  database.isAway = true
  await vi.advanceTimersByTimeAsync(2_000)
  expect(faults).toHaveLength(2)
})

test('cannot start, or revoke, while the database is away', async () => {
  database.isAway = true
  const unavailable = { code: 'SERVICE_UNAVAILABLE' }
  expect(await rejection(revocations.start())).toMatchObject(unavailable)
  expect(await rejection(revocations.revoke({ tokenId: 'jti' }))).toMatchObject(unavailable)
  expect(revocations.isTokenRevoked('jti')).toBe(false)
})

test('a database that was put back to an older state is read from its beginning', async () => {
  for (const value of ['1', '2', '3']) await database.revocations.add({ kind: 'token', value })
  await revocations.start()
  database.goBack()
  await database.revocations.add({ kind: 'token', value: 'new' })
  await vi.advanceTimersByTimeAsync(400)
  expect(revocations.isTokenRevoked('new')).toBe(true)
  expect(revocations.isTokenRevoked('3')).toBe(true)
})

test('a listener that fails harms no other, and one that has left is not told', async () => {
  const heard: Revocation[] = []
  const fault = new CarillonError('INTERNAL')
  revocations.onRevoked(() => {
    throw fault
  })
  const leave = revocations.onRevoked((told) => heard.push(...told))
  await revocations.revoke({ userId: 'ann' })
  leave()
  await revocations.revoke({ userId: 'bob' })
  expect(heard.map(({ value }) => value)).toEqual(['ann'])
  expect(faults).toEqual([fault, fault])
})

test('asks for nothing once it is closed, and can be closed again', async () => {
  await revocations.start()
  await Promise.all([revocations.close(), revocations.close()])
  const asked = database.asked.length
  await vi.advanceTimersByTimeAsync(4_000)
  await revocations.close()
  expect(database.asked).toHaveLength(asked)
})

test('closes once the poll under way is done, without another one', async () => {
  await revocations.start()
  vi.advanceTimersByTime(400)
  await revocations.close()
  const asked = database.asked.length
  await vi.advanceTimersByTimeAsync(4_000)
  expect(database.asked).toHaveLength(asked)
})

test.each(['{}', '{"userId":"ann","tokenId":"jti"}', '{"userId":""}', '{"clientId":"a\\u0000"}'])(
  'refuses to revoke %s',
  async (request) => {
    const error = await rejection(revocations.revoke(JSON.parse(request)))
    expect(error).toMatchObject({ code: 'INVALID_INPUT' })
    expect(database.asked).toEqual([])
  },
)

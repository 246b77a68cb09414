import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { ApiKeys } from '../../../src/access/api-keys.ts'
import { Revocations } from '../../../src/access/revocations.ts'
import { AccessDatabase } from '../../support/access-stores.ts'
import { rejection } from '../../support/rejection.ts'

const GRANTS = [{ topics: 'chat:*', actions: ['PUBLISH'] }] as const

let database: AccessDatabase
let keys: ApiKeys

/** What one instance has of a database. */
function instance(): ApiKeys {
  const revocations = new Revocations({ store: database.revocations, onFault: () => {} })
  return new ApiKeys({ store: database.keys, revocations })
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] })
  // Not a fake one: lru-cache has taken the real one when it was loaded.
  vi.spyOn(performance, 'now').mockImplementation(() => Date.now())
  vi.setSystemTime(new Date('2026-11-24T12:00:00Z'))
  database = new AccessDatabase()
  keys = instance()
})

afterEach(() => {
  vi.restoreAllMocks()
  vi.useRealTimers()
})

test('a key that was made is verified, with what it may do and nothing of its secret', async () => {
  const { key, ...created } = await keys.create({ name: 'billing', capabilities: GRANTS })
  expect(key).toMatch(/^carillon_[0-9A-Za-z]{12}_[A-Za-z0-9_-]{43}$/)
  expect(key.split('_')[1]).toBe(created.id)
  const verified = await keys.verify(key)
  expect(verified).toMatchObject({ ...created, grants: GRANTS, name: 'billing' })
  expect(verified?.capabilities.allow('PUBLISH', '*')).toBe(false)
  expect(verified?.capabilities.list).toEqual(GRANTS)
  expect(verified).not.toHaveProperty('hash')
})

test('no two keys are the same, and what is stored does not give one back', async () => {
  const made = await Promise.all(
    Array.from({ length: 50 }, () => keys.create({ name: 'n', capabilities: GRANTS })),
  )
  expect(new Set(made.map(({ id }) => id)).size).toBe(50)
  expect(new Set(made.map(({ key }) => key.slice(22))).size).toBe(50)
  const stored = JSON.stringify(await database.keys.list())
  expect(made.filter(({ key }) => stored.includes(key.slice(22)))).toEqual([])
})

test('a wrong secret is refused, also where the key is remembered', async () => {
  const { key } = await keys.create({ name: 'n', capabilities: GRANTS })
  const other = await keys.create({ name: 'n', capabilities: GRANTS })
  const wrong = `${key.slice(0, 22)}${other.key.slice(22)}`
  expect(await keys.verify(wrong)).toBeUndefined()
  expect(await keys.verify(key)).toBeDefined()
  expect(await keys.verify(wrong)).toBeUndefined()
  expect(await keys.verify(other.key)).toBeDefined()
})

test('another text of the same bytes is not the key', async () => {
  const { key } = await keys.create({ name: 'n', capabilities: GRANTS })
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  // The last letter has two bits that no byte has.
  const twin = key.slice(0, -1) + alphabet[alphabet.indexOf(key.at(-1) ?? '') ^ 1]
  const bytesOf = (text: string) => Buffer.from(text.slice(22), 'base64url')
  expect(bytesOf(twin)).toEqual(bytesOf(key))
  expect(await keys.verify(twin)).toBeUndefined()
})

const SECRET = 'A'.repeat(43)

test.each([
  '',
  'carillon_',
  'carillon__',
  `carillon__${SECRET}`,
  `carillon_abcdefghijkl_`,
  `carillon_abcdefghijkl_${SECRET}A`,
  `carillon_abcdefghijkl_${SECRET}\n`,
  ` carillon_abcdefghijkl_${SECRET}`,
  `carillon_äbcdefghijkl_${SECRET}`,
  `carillon_abcdefghijkl_${SECRET.slice(1)}🔑`,
  `carillon_abcdefghijk\0_${SECRET}`,
  `Carillon_abcdefghijkl_${SECRET}`,
  `carillon_${'a'.repeat(10_240)}_${SECRET}`,
  '_'.repeat(10_240),
])('a text that is no key is refused without a query: %j', async (text) => {
  expect(await keys.verify(text)).toBeUndefined()
  expect(database.asked).toEqual([])
})

test('a key is looked up once in 10 seconds, also where many come with it at once', async () => {
  const { key } = await keys.create({ name: 'n', capabilities: GRANTS })
  const verified = await Promise.all(Array.from({ length: 100 }, () => keys.verify(key)))
  expect(verified.filter((one) => one !== undefined)).toHaveLength(100)
  vi.advanceTimersByTime(9_900)
  await keys.verify(key)
  expect(database.count('find')).toBe(1)
  vi.advanceTimersByTime(200)
  await keys.verify(key)
  expect(database.count('find')).toBe(2)
})

test('an unknown id is looked up once in a second', async () => {
  const guess = `carillon_abcdefghijkl_${SECRET}`
  for (let n = 0; n < 10; n++) expect(await keys.verify(guess)).toBeUndefined()
  expect(database.asked).toEqual(['find abcdefghijkl'])
  vi.advanceTimersByTime(1_100)
  await keys.verify(guess)
  expect(database.count('find')).toBe(2)
})

test('any number of guesses leaves the keys that are used remembered', async () => {
  const { key, id } = await keys.create({ name: 'n', capabilities: GRANTS })
  await keys.verify(key)
  for (let n = 0; n < 20_001; n++) {
    await keys.verify(`carillon_${String(n).padStart(12, '0')}_${SECRET}`)
  }
  expect(await keys.verify(key)).toBeDefined()
  expect(database.count(`find ${id}`)).toBe(1)
})

test('a key expires while it is remembered', async () => {
  const expiresAt = new Date(Date.now() + 5_000)
  const { key } = await keys.create({ name: 'n', capabilities: GRANTS, expiresAt })
  expect(await keys.verify(key)).toMatchObject({ expiresAt })
  vi.advanceTimersByTime(4_999)
  expect(await keys.verify(key)).toBeDefined()
  vi.advanceTimersByTime(1)
  expect(await keys.verify(key)).toBeUndefined()
  expect(database.count('find')).toBe(1)
})

test('a revoked key is gone at once, and revoked once', async () => {
  const { key, id } = await keys.create({ name: 'n', capabilities: GRANTS })
  await keys.verify(key)
  expect(await keys.revoke(id)).toBe(true)
  expect(await keys.verify(key)).toBeUndefined()
  expect(await keys.revoke(id)).toBe(false)
  expect(await keys.revoke('nothing')).toBe(false)
  expect(await keys.list()).toMatchObject([{ id, revokedAt: new Date() }])
})

test('a key that is revoked while it is looked up is refused', async () => {
  const { key, id } = await keys.create({ name: 'n', capabilities: GRANTS })
  const [verified] = await Promise.all([keys.verify(key), keys.revoke(id)])
  expect(verified).toBeUndefined()
  expect(await keys.verify(key)).toBeUndefined()
})

test('a key that another instance revoked is gone with the next poll', async () => {
  const revocations = new Revocations({ store: database.revocations, onFault: () => {} })
  const here = new ApiKeys({ store: database.keys, revocations })
  await revocations.start()
  const { key, id } = await here.create({ name: 'n', capabilities: GRANTS })
  expect(await here.verify(key)).toBeDefined()
  await keys.revoke(id)
  await vi.advanceTimersByTimeAsync(400)
  expect(await here.verify(key)).toBeUndefined()
  expect(database.count('find')).toBe(1)
  await revocations.close()
})

test('a key that was revoked before this instance began is refused', async () => {
  const { key, id } = await keys.create({ name: 'n', capabilities: GRANTS })
  await keys.revoke(id)
  expect(await instance().verify(key)).toBeUndefined()
})

test('while the database is away, keys that are remembered hold, and others are not known', async () => {
  const used = await keys.create({ name: 'n', capabilities: GRANTS })
  const unused = await keys.create({ name: 'n', capabilities: GRANTS })
  await keys.verify(used.key)
  database.isAway = true
  expect(await keys.verify(used.key)).toBeDefined()
  const unavailable = { code: 'SERVICE_UNAVAILABLE' }
  expect(await rejection(keys.verify(unused.key))).toMatchObject(unavailable)
  expect(await rejection(keys.revoke(used.id))).toMatchObject(unavailable)
  database.isAway = false
  expect(await keys.verify(unused.key)).toBeDefined()
})

test('what a newer version stored and this one does not know is no mistake of the caller', async () => {
  const { key } = await keys.create({ name: 'n', capabilities: GRANTS })
  const find = database.keys.find
  database.keys.find = async (asked) => {
    const stored = await find(asked)
    return stored === undefined
      ? undefined
      : { ...stored, grants: JSON.parse('[{"topics":"*","actions":["FLY"]}]') }
  }
  expect(await rejection(keys.verify(key))).toMatchObject({ code: 'INTERNAL' })
})

test.each([
  [{ name: '', capabilities: GRANTS }],
  [{ name: 'x'.repeat(129), capabilities: GRANTS }],
  [{ name: 'a\nb', capabilities: GRANTS }],
  [{ name: 'n', capabilities: [{ topics: 'dm:{user}', actions: ['PUBLISH'] as const }] }],
  [{ name: 'n', capabilities: [{ topics: ['a', 'dm:{user}'], actions: ['ACK'] as const }] }],
  [{ name: 'n', capabilities: JSON.parse('[{"topics":"a","actions":["FLY"]}]') }],
  [{ name: 'n', capabilities: JSON.parse('"*"') }],
  [{ name: 'n', capabilities: GRANTS, expiresAt: new Date('2026-11-24T12:00:00Z') }],
  [{ name: 'n', capabilities: GRANTS, expiresAt: new Date(Number.NaN) }],
  [{ name: 'n', capabilities: GRANTS, expiresAt: new Date('+010000-01-01T00:00:00Z') }],
])('refuses to make %j', async (request) => {
  expect(await rejection(keys.create(request))).toMatchObject({ code: 'INVALID_INPUT' })
  expect(database.asked).toEqual([])
})

test('keeps of a capability only what it says', async () => {
  const capabilities = JSON.parse('[{"topics":"a","actions":["*"],"note":"x"}]')
  const { grants } = await keys.create({ name: 'n', capabilities })
  expect(grants).toEqual([{ topics: 'a', actions: ['*'] }])
})

import { expect, test } from 'vitest'
import { InFlight } from '../../../src/access/in-flight.ts'
import { gate } from '../../support/handled.ts'

const TOO_MANY = { code: 'RATE_LIMIT_EXCEEDED', limit: 'historyPagesPerUser' }

function inFlight(max: number): InFlight {
  return new InFlight({ limit: 'historyPagesPerUser', max })
}

test('a user has as many under way as may be, and others have their own', async () => {
  const bound = inFlight(2)
  const { opened, open } = gate()
  const held = [1, 2].map(() => bound.hold('ann', () => opened))
  await expect(bound.hold('ann', async () => 'more')).rejects.toMatchObject(TOO_MANY)
  expect(await bound.hold('bob', async () => 'mine')).toBe('mine')
  open()
  await Promise.all(held)
  expect(await bound.hold('ann', async () => 'again')).toBe('again')
})

test.each([
  ['rejects', () => Promise.reject(new Error('broken'))],
  [
    'throws',
    () => {
      throw new Error('broken')
    },
  ],
])('work that %s is under way no more', async (_how, work) => {
  const bound = inFlight(1)
  for (let n = 0; n < 3; n++) await expect(bound.hold('ann', work)).rejects.toThrow('broken')
})

test('what is refused does not begin, and counts for nothing', async () => {
  const bound = inFlight(1)
  bound.acquire('ann')
  let begun = 0
  for (let n = 0; n < 3; n++) {
    await expect(bound.hold('ann', async () => begun++)).rejects.toMatchObject(TOO_MANY)
  }
  expect(begun).toBe(0)
  bound.release('ann')
  bound.acquire('ann')
})

test('where none may be under way, none is', () => {
  expect(() => inFlight(0).acquire('ann')).toThrow(expect.objectContaining(TOO_MANY))
})

test('a release too many makes no room', () => {
  const bound = inFlight(1)
  bound.release('ann')
  bound.release('ann')
  bound.acquire('ann')
  expect(() => bound.acquire('ann')).toThrow(expect.objectContaining(TOO_MANY))
})

test('names that objects have by themselves are users like others', () => {
  const bound = inFlight(1)
  for (const user of ['__proto__', 'constructor', 'toString', '']) {
    bound.acquire(user)
    expect(() => bound.acquire(user)).toThrow(expect.objectContaining(TOO_MANY))
    bound.release(user)
  }
})

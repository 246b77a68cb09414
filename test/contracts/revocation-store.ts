import { expect, test } from 'vitest'
import type { RevocationTarget } from '../../src/access/revocation.ts'
import type { RevocationStore } from '../../src/access/revocation-store.ts'

let users = 0

/** What every store of revocations promises. */
export function describeRevocationStore(open: () => RevocationStore): void {
  const newUser = (): RevocationTarget => ({ kind: 'user', value: `user ${++users}` })

  test('a revocation is found behind the number before it, as it was answered', async () => {
    const store = open()
    const before = Date.now()
    const added = await store.add(newUser())
    expect(added).toMatchObject({ kind: 'user', value: `user ${users}` })
    // The database is on this machine; only its clock is rounded.
    expect(Math.abs(added.revokedAt.getTime() - before)).toBeLessThan(60_000)
    expect(await store.after(added.number - 1, 10)).toEqual([added])
    expect(await store.after(added.number, 10)).toEqual([])
  })

  test('users, tokens and clients of the same id are told apart', async () => {
    const store = open()
    const { value } = newUser()
    const first = await store.add({ kind: 'user', value })
    const others = [
      await store.add({ kind: 'token', value }),
      await store.add({ kind: 'client', value }),
    ]
    expect(await store.after(first.number - 1, 10)).toEqual([first, ...others])
  })

  test('a second one of the same user takes the place of the first, with a higher number', async () => {
    const store = open()
    const user = newUser()
    const first = await store.add(user)
    const other = await store.add(newUser())
    const second = await store.add(user)
    expect(second.number).toBeGreaterThan(other.number)
    expect(second.revokedAt.getTime()).toBeGreaterThanOrEqual(first.revokedAt.getTime())
    expect(await store.after(first.number - 1, 10)).toEqual([other, second])
  })

  test('answers no more than were asked for, the lowest numbers first', async () => {
    const store = open()
    const added = []
    for (let n = 0; n < 3; n++) added.push(await store.add(newUser()))
    const before = (added[0]?.number ?? 0) - 1
    expect(await store.after(before, 2)).toEqual(added.slice(0, 2))
  })

  test('of revocations of the same user at the same time the newest stays', async () => {
    const store = open()
    const user = newUser()
    const added = await Promise.all(Array.from({ length: 20 }, () => store.add(user)))
    const numbers = added.map(({ number }) => number)
    expect(new Set(numbers).size).toBe(20)
    const found = await store.after(Math.min(...numbers) - 1, 100)
    expect(found.map(({ number }) => number)).toEqual([Math.max(...numbers)])
  })
}

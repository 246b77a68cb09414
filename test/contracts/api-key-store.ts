import { expect, test } from 'vitest'
import type { ApiKeyDraft, ApiKeyStore } from '../../src/access/api-key-store.ts'
import type { RevocationStore } from '../../src/access/revocation-store.ts'

export interface ApiKeyStoreUnderTest {
  readonly store: ApiKeyStore
  readonly revocations: RevocationStore
}

let keys = 0

/** What every store of API keys promises. */
export function describeApiKeyStore(open: () => ApiKeyStoreUnderTest): void {
  function newDraft(expiresAt: Date | null = null): ApiKeyDraft {
    const id = `key${String(++keys).padStart(9, '0')}`
    const grants = [{ topics: ['chat:*', 'é'], actions: ['PUBLISH', '*'] as const }]
    return { id, name: `Näme "${keys}"`, hash: `${keys}`.padStart(64, '0'), grants, expiresAt }
  }

  test('a key is not there before it was made, then it is as it was made', async () => {
    const { store } = open()
    const draft = newDraft(new Date('2999-12-31T23:59:59.999Z'))
    expect(await store.find(draft.id)).toBeUndefined()
    const { hash, ...rest } = draft
    const created = await store.create(draft)
    expect(created).toEqual({ ...rest, createdAt: expect.any(Date), revokedAt: null })
    expect(await store.find(draft.id)).toEqual({ ...created, hash })
  })

  test('lists all keys, the oldest first, without anything of their secrets', async () => {
    const { store } = open()
    const created = [await store.create(newDraft()), await store.create(newDraft())]
    const listed = await store.list()
    expect(listed.slice(-2)).toEqual(created)
    expect(listed.filter((key) => 'hash' in key)).toEqual([])
  })

  test('a key that is revoked stays, with the time, and a token with its id is revoked', async () => {
    const { store, revocations } = open()
    const { id } = await store.create(newDraft())
    const revocation = await store.revoke(id)
    expect(revocation).toMatchObject({ kind: 'token', value: id })
    expect(await revocations.after((revocation?.number ?? 0) - 1, 10)).toEqual([revocation])
    expect((await store.find(id))?.revokedAt).toEqual(expect.any(Date))
    expect((await store.list()).at(-1)?.revokedAt).toEqual(expect.any(Date))
  })

  test('one that is not there, or was revoked before, is not revoked', async () => {
    const { store, revocations } = open()
    const { id } = await store.create(newDraft())
    const revocation = await store.revoke(id)
    const first = await store.find(id)
    expect(await store.revoke(id)).toBeUndefined()
    expect(await store.revoke('000000000000')).toBeUndefined()
    expect(await store.find(id)).toEqual(first)
    expect(await revocations.after(revocation?.number ?? 0, 10)).toEqual([])
  })

  test('of those who revoke a key at the same time, one does', async () => {
    const { store } = open()
    const { id } = await store.create(newDraft())
    const answers = await Promise.all(Array.from({ length: 10 }, () => store.revoke(id)))
    expect(answers.filter((answer) => answer !== undefined)).toHaveLength(1)
  })
}

import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { PrismaApiKeyStore } from '../../src/access/prisma-api-key-store.ts'
import { PrismaRevocationStore } from '../../src/access/prisma-revocation-store.ts'
import type { Database } from '../../src/database/database.ts'
import { MEMORY, openEmbedded } from '../../src/database/embedded.ts'
import { openPostgresql } from '../../src/database/postgresql.ts'
import {
  createDatabase,
  describeWithPostgresql,
  execute,
  type ThrowawayDatabase,
} from '../support/postgresql.ts'
import { rejection } from '../support/rejection.ts'
import { type ApiKeyStoreUnderTest, describeApiKeyStore } from './api-key-store.ts'
import { describeRevocationStore } from './revocation-store.ts'

let database: Database
let stores: ApiKeyStoreUnderTest & { readonly revocations: PrismaRevocationStore }

function use(opened: Database): void {
  database = opened
  stores = {
    store: new PrismaApiKeyStore(opened),
    revocations: new PrismaRevocationStore(opened),
  }
}

describe('keys and revocations in the embedded database', () => {
  beforeAll(async () => use(await openEmbedded(MEMORY)))
  afterAll(() => database.close())
  describeApiKeyStore(() => stores)
  describeRevocationStore(() => stores.revocations)
})

describeWithPostgresql('keys and revocations in PostgreSQL', () => {
  let throwaway: ThrowawayDatabase
  beforeAll(async () => {
    throwaway = await createDatabase()
    use(await openPostgresql({ url: throwaway.url }))
  })
  afterAll(async () => {
    await database.close()
    await throwaway[Symbol.asyncDispose]()
  })
  describeApiKeyStore(() => stores)
  describeRevocationStore(() => stores.revocations)

  test('no number becomes visible before a lower one whose transaction goes on', async () => {
    const { revocations } = stores
    const { number: last } = await revocations.add({ kind: 'user', value: 'before' })
    const slow = new pg.Client({ connectionString: throwaway.url })
    await slow.connect()
    await slow.query('BEGIN')
    await slow.query("SELECT carillon.carillon_revoke('user', 'slow')")
    const quick = revocations.add({ kind: 'user', value: 'quick' })
    await untilWaiting(throwaway.url)
    expect(await revocations.after(last, 10)).toEqual([])
    await slow.query('COMMIT')
    await slow.end()
    const { number } = await quick
    const found = await revocations.after(last, 10)
    expect(found.map(({ value }) => value)).toEqual(['slow', 'quick'])
    expect(found.at(-1)?.number).toBe(number)
  })

  test('a key is not revoked where its revocation cannot be stored', async () => {
    const { store } = stores
    const draft = { id: 'indivisible0', name: 'n', hash: 'h', grants: [], expiresAt: null }
    await store.create(draft)
    const table = 'carillon.revocations'
    await execute(throwaway.url, `ALTER TABLE ${table} ADD CONSTRAINT none CHECK (false) NOT VALID`)
    expect(await rejection(store.revoke(draft.id))).toMatchObject({ code: 'INTERNAL' })
    await execute(throwaway.url, `ALTER TABLE ${table} DROP CONSTRAINT none`)
    expect(await store.find(draft.id)).toMatchObject({ revokedAt: null })
  })
})

async function untilWaiting(url: string): Promise<void> {
  const waiting = `SELECT count(*)::int AS waiting FROM pg_locks
    WHERE locktype = 'advisory' AND NOT granted
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`
  await expect.poll(async () => (await execute(url, waiting))[0]?.waiting).toBe(1)
}

import { afterAll, beforeAll, describe } from 'vitest'
import type { Database } from '../../src/database/database.ts'
import { MEMORY, openEmbedded } from '../../src/database/embedded.ts'
import { openPostgresql } from '../../src/database/postgresql.ts'
import { PrismaLog } from '../../src/log/prisma-log.ts'
import { PrismaSnapshotStore } from '../../src/snapshots/prisma-snapshot-store.ts'
import {
  createDatabase,
  describeWithPostgresql,
  type ThrowawayDatabase,
} from '../support/postgresql.ts'
import { describeSnapshotStore, type SnapshotStoreUnderTest } from './snapshot-store.ts'

let database: Database
let parts: SnapshotStoreUnderTest

function use(opened: Database): void {
  database = opened
  parts = { store: new PrismaSnapshotStore(opened), log: new PrismaLog(opened) }
}

describe('snapshots in the embedded database', () => {
  beforeAll(async () => use(await openEmbedded(MEMORY)))
  afterAll(() => database.close())
  describeSnapshotStore(() => parts)
})

describeWithPostgresql('snapshots in PostgreSQL', () => {
  let throwaway: ThrowawayDatabase
  beforeAll(async () => {
    throwaway = await createDatabase()
    use(await openPostgresql({ url: throwaway.url }))
  })
  afterAll(async () => {
    await database.close()
    await throwaway[Symbol.asyncDispose]()
  })
  describeSnapshotStore(() => parts)
})

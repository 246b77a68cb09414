import { afterAll, beforeAll, describe } from 'vitest'
import { PrismaConsumerStore } from '../../src/consumers/prisma-consumer-store.ts'
import { PrismaDeadLetterStore } from '../../src/consumers/prisma-dead-letter-store.ts'
import { PrismaLeaseStore } from '../../src/consumers/prisma-lease-store.ts'
import type { Database } from '../../src/database/database.ts'
import { MEMORY, openEmbedded } from '../../src/database/embedded.ts'
import { openPostgresql } from '../../src/database/postgresql.ts'
import { PrismaLog } from '../../src/log/prisma-log.ts'
import {
  createDatabase,
  describeWithPostgresql,
  type ThrowawayDatabase,
} from '../support/postgresql.ts'
import { describeDeadLetterStore } from './dead-letter-store.ts'
import { describeLeaseStore, type LeasesUnderTest } from './lease-store.ts'

let database: Database
let parts: LeasesUnderTest

function use(opened: Database): void {
  database = opened
  parts = {
    leases: new PrismaLeaseStore(opened),
    store: new PrismaConsumerStore(opened),
    letters: new PrismaDeadLetterStore(opened),
    log: new PrismaLog(opened),
  }
}

describe('leases and dead letters in the embedded database', () => {
  beforeAll(async () => use(await openEmbedded(MEMORY)))
  afterAll(() => database.close())
  describeLeaseStore(() => parts)
  describeDeadLetterStore(() => parts)
})

describeWithPostgresql('leases and dead letters in PostgreSQL', () => {
  let throwaway: ThrowawayDatabase
  beforeAll(async () => {
    throwaway = await createDatabase()
    use(await openPostgresql({ url: throwaway.url }))
  })
  afterAll(async () => {
    await database.close()
    await throwaway[Symbol.asyncDispose]()
  })
  describeLeaseStore(() => parts)
  describeDeadLetterStore(() => parts)
})

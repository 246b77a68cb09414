import { afterAll, beforeAll, describe } from 'vitest'
import { PrismaConsumerStore } from '../../src/consumers/prisma-consumer-store.ts'
import type { Database } from '../../src/database/database.ts'
import { MEMORY, openEmbedded } from '../../src/database/embedded.ts'
import { openPostgresql } from '../../src/database/postgresql.ts'
import { PrismaLog } from '../../src/log/prisma-log.ts'
import {
  createDatabase,
  describeWithPostgresql,
  type ThrowawayDatabase,
} from '../support/postgresql.ts'
import { describeConsumerStore, type StoreUnderTest } from './consumer-store.ts'

let database: Database
let parts: StoreUnderTest

function use(opened: Database): void {
  database = opened
  parts = { store: new PrismaConsumerStore(opened), log: new PrismaLog(opened) }
}

describe('consumers in the embedded database', () => {
  beforeAll(async () => use(await openEmbedded(MEMORY)))
  afterAll(() => database.close())
  describeConsumerStore(() => parts)
})

describeWithPostgresql('consumers in PostgreSQL', () => {
  let throwaway: ThrowawayDatabase
  beforeAll(async () => {
    throwaway = await createDatabase()
    use(await openPostgresql({ url: throwaway.url }))
  })
  afterAll(async () => {
    await database.close()
    await throwaway[Symbol.asyncDispose]()
  })
  describeConsumerStore(() => parts)
})

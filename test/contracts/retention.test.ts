import { afterAll, beforeAll, describe } from 'vitest'
import type { Database } from '../../src/database/database.ts'
import { MEMORY, openEmbedded } from '../../src/database/embedded.ts'
import { openPostgresql } from '../../src/database/postgresql.ts'
import { PrismaLog } from '../../src/log/prisma-log.ts'
import {
  createDatabase,
  describeWithPostgresql,
  type ThrowawayDatabase,
} from '../support/postgresql.ts'
import { describeRetention } from './retention.ts'

let database: Database
let log: PrismaLog

async function close(): Promise<void> {
  await log.close()
  await database.close()
}

describe('the retention in the embedded database', () => {
  beforeAll(async () => {
    database = await openEmbedded(MEMORY)
    log = new PrismaLog(database)
  })
  afterAll(close)
  describeRetention(() => ({ database, log }))
})

describeWithPostgresql('the retention in PostgreSQL', () => {
  let throwaway: ThrowawayDatabase
  beforeAll(async () => {
    throwaway = await createDatabase()
    database = await openPostgresql({ url: throwaway.url })
    log = new PrismaLog(database)
  })
  afterAll(async () => {
    await close()
    await throwaway[Symbol.asyncDispose]()
  })
  describeRetention(() => ({ database, log }))
})

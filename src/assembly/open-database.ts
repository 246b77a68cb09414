import type { CarillonOptions } from '../carillon.ts'
import type { Database } from '../database/database.ts'
import { openEmbedded } from '../database/embedded.ts'
import { openPostgresql } from '../database/postgresql.ts'
import type { Logger } from '../ops/logger.ts'

/** @throws DatabaseStartError where the database cannot be used */
export function openDatabase(options: CarillonOptions, logger: Logger): Promise<Database> {
  const { databaseUrl, maxConnections, dataDir = './.carillon' } = options
  if (databaseUrl === undefined) return openEmbedded(dataDir)
  return openPostgresql({
    url: databaseUrl,
    ...(maxConnections === undefined ? {} : { maxConnections }),
    onFault: (error) => logger.warn({ error }, 'A connection to PostgreSQL broke.'),
  })
}

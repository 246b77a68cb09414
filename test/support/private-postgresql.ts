import { describe, inject } from 'vitest'
import { type PrivatePostgresql, startPostgresqlServer } from './postgresql-server.ts'

export type { PrivatePostgresql } from './postgresql-server.ts'

/** A suite that starts, kills and freezes PostgreSQL servers of its own. */
export const describeWithPrivatePostgresql = describe.skipIf(inject('postgresqlBinaries') === null)

export async function startPrivatePostgresql(): Promise<PrivatePostgresql> {
  const binaries = inject('postgresqlBinaries')
  if (binaries === null) throw new Error('There are no PostgreSQL binaries on this machine.')
  return startPostgresqlServer(binaries)
}

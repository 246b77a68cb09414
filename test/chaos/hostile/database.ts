import { existsSync } from 'node:fs'
import { createDatabase, isDatabaseUp } from '../../../bench/support/database.ts'
import { findBinaries } from '../../support/postgresql-binaries.ts'
import { startPostgresqlServer } from '../../support/postgresql-server.ts'

interface OpenDatabase extends AsyncDisposable {
  readonly url: string
}

/** Files in memory: a disk that takes its time now and then is not to be taken for what an attacker does. */
const MEMORY = '/dev/shm'

/**
 * A PostgreSQL of its own where there are binaries of it, else an empty database on the one that `DATABASE_URL` names;
 * undefined where there is none.
 */
export async function openDatabase(): Promise<OpenDatabase | undefined> {
  const binaries = process.env.DATABASE_URL === undefined ? await findBinaries() : null
  if (binaries !== null) {
    return startPostgresqlServer(binaries, existsSync(MEMORY) ? MEMORY : undefined)
  }
  return (await isDatabaseUp()) ? createDatabase() : undefined
}

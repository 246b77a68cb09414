import type { PrismaClient } from '../generated/prisma/client.ts'

/**
 * An open database with its migrations applied: PostgreSQL, or the embedded one. Both speak the same
 * SQL through the same Prisma client.
 */
export interface Database {
  readonly kind: 'postgresql' | 'embedded'
  /** Where it is, for people: without password. */
  readonly location: string
  readonly prisma: PrismaClient
  /** Closes the connections once their queries have been answered. Idempotent. */
  close(): Promise<void>
}

/** What a migration is run with: one connection that takes whole scripts. */
export interface MigrationSession {
  rows(sql: string, values?: readonly unknown[]): Promise<readonly Record<string, unknown>[]>
  /** Runs several statements; no values. */
  script(sql: string): Promise<void>
}

/** Cannot be opened: for the operator to mend, with one line that says how. */
export class DatabaseStartError extends Error {
  override readonly name = 'DatabaseStartError'
}

/** A data directory that another process has. */
export class DirectoryInUseError extends DatabaseStartError {
  readonly directory: string
  readonly holder: { readonly pid: number; readonly host: string }

  constructor(directory: string, holder: { readonly pid: number; readonly host: string }) {
    super(
      `The data directory ${directory} is in use by another Carillon (process ${holder.pid} on ${holder.host}). ` +
        'Stop it, or set CARILLON_DATA_DIR to another directory; for several instances set DATABASE_URL.',
    )
    this.directory = directory
    this.holder = holder
  }
}

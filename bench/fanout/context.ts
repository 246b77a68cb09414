import type { FanoutOptions } from './options.ts'

/** What every part of the bench is given. */
export interface FanoutContext {
  readonly options: FanoutOptions
  /** Carillon's PostgreSQL; undefined where none answers, and it uses its embedded database. */
  readonly databaseUrl: string | undefined
  /** Says what has been measured, while it takes its time. */
  readonly log: (line: string) => void
}

/** The settings of a peer that say where its database is. */
export function databaseOf({ databaseUrl }: FanoutContext): { readonly databaseUrl?: string } {
  return databaseUrl === undefined ? {} : { databaseUrl }
}

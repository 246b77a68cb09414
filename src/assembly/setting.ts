import type { Limits } from '../access/limits.ts'
import type { CarillonOptions } from '../carillon.ts'
import type { Database } from '../database/database.ts'
import type { RedisAddress } from '../redis/redis-address.ts'

/** What all parts of a server are made with. */
export interface Setting {
  readonly options: CarillonOptions
  readonly database: Database
  readonly limits: Limits
  /** Undefined for a single instance. */
  readonly redis: RedisAddress | undefined
  /** Anyone may be anyone: how much one user does says nothing. */
  readonly isOpen: boolean
  readonly report: (error: unknown) => void
  /** Told the name of a limit that refused something. */
  readonly onLimit: (limit: string) => void
}

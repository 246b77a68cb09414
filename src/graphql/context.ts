import type { Credentials } from '../access/credentials.ts'
import type { Viewer } from '../access/viewer.ts'
import type { Caller } from '../operations/caller.ts'
import type { Operations } from '../operations/operations.ts'

/** One operation's context. */
export interface GraphQLContext extends Caller {
  readonly operations: Operations
  /** Renews the credentials of the connection; undefined where there is none that lasts. */
  readonly renew?: ((token: Credentials['token']) => Promise<Viewer>) | undefined
}

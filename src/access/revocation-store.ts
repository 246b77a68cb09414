import type { Revocation, RevocationTarget } from './revocation.ts'

/**
 * Where revocations are kept, for all instances: the newest of each user, token and client. Nothing is ever
 * removed.
 *
 * Order: numbers become visible in their order. Who has seen a revocation never finds one with a lower number
 * that was not there before, however many transactions revoke at the same time.
 *
 * Time: `revokedAt` is the database's, of the moment of the call; it never goes back for the same target.
 *
 * Failure: every method rejects with SERVICE_UNAVAILABLE while the database is away. What was added may be
 * there all the same: adding it again is harmless.
 */
export interface RevocationStore {
  /** Revokes, or revokes again: with the present time, and a higher number than all others have. */
  add(target: RevocationTarget): Promise<Revocation>

  /** Those with a higher number, in the order of their numbers, `limit` at most. */
  after(number: number, limit: number): Promise<readonly Revocation[]>
}

import type { ApiKey } from './api-key.ts'
import type { Revocation } from './revocation.ts'

/** A key with what its secret is compared with. */
export interface StoredApiKey extends ApiKey {
  /** SHA-256 of the secret, in hexadecimal. */
  readonly hash: string
}

/** A key to keep. */
export type ApiKeyDraft = Pick<StoredApiKey, 'id' | 'name' | 'hash' | 'grants' | 'expiresAt'>

/**
 * Where API keys are kept, for all instances. Keys that are revoked or have expired stay there.
 *
 * Atomicity: a key is revoked, and the revocation of the token with its id is there, or neither.
 *
 * Time: `createdAt` and `revokedAt` are the database's.
 *
 * Failure: every method rejects with SERVICE_UNAVAILABLE while the database is away. What was to be changed may
 * have been changed all the same: a key that nobody was shown is of no use, and revoking again is harmless.
 */
export interface ApiKeyStore {
  /** Keeps a key. Its id is new. */
  create(draft: ApiKeyDraft): Promise<ApiKey>

  /** Undefined where there never was one with this id. */
  find(id: string): Promise<StoredApiKey | undefined>

  /** All of them, the oldest first. */
  list(): Promise<readonly ApiKey[]>

  /** Revokes a key; undefined where there is none with this id, or it was revoked before. */
  revoke(id: string): Promise<Revocation | undefined>
}

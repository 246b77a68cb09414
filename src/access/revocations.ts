import {
  parseRevocation,
  type Revocation,
  type RevocationKind,
  type RevocationRequest,
} from './revocation.ts'
import type { RevocationStore } from './revocation-store.ts'

/** How soon a revocation is known to other instances, in milliseconds. */
const POLL_MS = 400

/** Revocations in one answer of the store at most. */
const PAGE = 5_000

/** Whose credential it is. */
export interface RevocationSubject {
  readonly userId: string
  readonly clientId: string | null
  /** Of a token, its id; of an API key, the id of the key. */
  readonly tokenId: string | null
  /** When the token was issued, or the key made, in milliseconds since 1970. */
  readonly issuedAt: number
}

/** Told of revocations that apply from now on. */
export type RevocationListener = (revocations: readonly Revocation[]) => void

export interface RevocationsParts {
  readonly store: RevocationStore
  /** Told once of each outage of the database, and of listeners that fail. */
  readonly onFault: (error: unknown) => void
}

/**
 * All revocations, in memory. Those of other instances are asked for from time to time; while the database is
 * away, what is known stays in force.
 */
export class Revocations {
  readonly #store: RevocationStore
  readonly #onFault: (error: unknown) => void
  /** When each was revoked, in milliseconds since 1970. */
  readonly #revokedAt: Readonly<Record<RevocationKind, Map<string, number>>> = {
    user: new Map(),
    token: new Map(),
    client: new Map(),
  }
  readonly #listeners = new Set<RevocationListener>()
  /** Everything up to here is known. */
  #last = 0
  #timer: NodeJS.Timeout | undefined
  #polling: Promise<void> | undefined
  #isAway = false
  #isClosed = false

  constructor({ store, onFault }: RevocationsParts) {
    this.#store = store
    this.#onFault = onFault
  }

  /**
   * Loads all there are, and from then on those that come.
   * @throws CarillonError SERVICE_UNAVAILABLE
   */
  async start(): Promise<void> {
    await this.#readAll()
    this.#schedule()
  }

  /**
   * Refuses what was issued until now; applies here at once.
   * @throws CarillonError INVALID_INPUT, SERVICE_UNAVAILABLE
   */
  async revoke(request: RevocationRequest): Promise<Revocation> {
    const revocation = await this.#store.add(parseRevocation(request))
    this.apply([revocation])
    return revocation
  }

  /** Makes known here what is stored already; that which is known is left alone. */
  apply(revocations: readonly Revocation[]): void {
    const unknown = revocations.filter((revocation) => this.#learn(revocation))
    if (unknown.length === 0) return
    for (const listener of this.#listeners) this.#tell(listener, unknown)
  }

  /** A token for ever; of a user and a client, what was issued at the time of the revocation or before. */
  isRevoked({ userId, clientId, tokenId, issuedAt }: RevocationSubject): boolean {
    if (tokenId !== null && this.isTokenRevoked(tokenId)) return true
    const { user, client } = this.#revokedAt
    if (issuedAt <= (user.get(userId) ?? Number.NEGATIVE_INFINITY)) return true
    return clientId !== null && issuedAt <= (client.get(clientId) ?? Number.NEGATIVE_INFINITY)
  }

  isTokenRevoked(tokenId: string): boolean {
    return this.#revokedAt.token.has(tokenId)
  }

  /** Calls the listener after each change; answers how to end that. */
  onRevoked(listener: RevocationListener): () => void {
    const own: RevocationListener = (revocations) => listener(revocations)
    this.#listeners.add(own)
    return () => void this.#listeners.delete(own)
  }

  /** Resolves once the poll under way is done. Idempotent. */
  async close(): Promise<void> {
    this.#isClosed = true
    clearTimeout(this.#timer)
    this.#listeners.clear()
    await this.#polling
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #schedule(): void {
    if (this.#isClosed) return
    this.#timer = setTimeout(() => {
      this.#polling = this.#poll().then(() => this.#schedule())
    }, POLL_MS)
    this.#timer.unref()
  }

  /** Never rejects. */
  async #poll(): Promise<void> {
    try {
      await this.#readAll()
      this.#isAway = false
    } catch (error) {
      if (!this.#isAway && !this.#isClosed) this.#onFault(error)
      this.#isAway = true
    }
  }

  async #readAll(): Promise<void> {
    while (!this.#isClosed && (await this.#readPage())) {
      // there are more
    }
  }

  /** Answers whether there may be more. */
  async #readPage(): Promise<boolean> {
    // The newest one is asked for again. Rows are never removed and their numbers only grow: where the answer
    // is empty, the database was put back to an older state, and its numbers begin anew.
    const page = await this.#store.after(Math.max(0, this.#last - 1), PAGE)
    const wentBack = page.length === 0 && this.#last > 0
    this.#last = page.at(-1)?.number ?? 0
    this.apply(page)
    return wentBack || page.length === PAGE
  }

  /** Answers whether it changes anything. */
  #learn({ kind, value, revokedAt }: Revocation): boolean {
    const known = this.#revokedAt[kind].get(value)
    if (known !== undefined && known >= revokedAt.getTime()) return false
    this.#revokedAt[kind].set(value, revokedAt.getTime())
    return true
  }

  /** A fault of one harms no other. */
  #tell(listener: RevocationListener, revocations: readonly Revocation[]): void {
    try {
      listener(revocations)
    } catch (error) {
      this.#onFault(error)
    }
  }
}

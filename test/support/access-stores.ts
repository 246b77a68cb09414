import type { ApiKeyStore, StoredApiKey } from '../../src/access/api-key-store.ts'
import type { Revocation, RevocationTarget } from '../../src/access/revocation.ts'
import type { RevocationStore } from '../../src/access/revocation-store.ts'
import { CarillonError } from '../../src/protocol/errors.ts'

/** A database of keys and revocations that several instances share, and that can be away. */
export class AccessDatabase {
  isAway = false
  /** What was asked for, in order, such as `find abc` or `after 0`. */
  readonly asked: string[] = []
  readonly #keys = new Map<string, StoredApiKey>()
  #revocations: readonly Revocation[] = []
  #number = 0

  readonly revocations: RevocationStore = {
    add: async (target) => {
      this.#ask('add')
      return this.#revoke(target)
    },
    after: async (number, limit) => {
      this.#ask(`after ${number}`)
      return this.#revocations.filter((one) => one.number > number).slice(0, limit)
    },
  }

  readonly keys: ApiKeyStore = {
    create: async (draft) => {
      this.#ask('create')
      const key = { ...draft, createdAt: new Date(), revokedAt: null }
      this.#keys.set(draft.id, key)
      const { hash: _hash, ...rest } = key
      return rest
    },
    find: async (id) => {
      this.#ask(`find ${id}`)
      return this.#keys.get(id)
    },
    list: async () => [...this.#keys.values()],
    revoke: async (id) => {
      this.#ask('revoke')
      const key = this.#keys.get(id)
      if (key === undefined || key.revokedAt !== null) return undefined
      this.#keys.set(id, { ...key, revokedAt: new Date() })
      return this.#revoke({ kind: 'token', value: id })
    },
  }

  /** As if a backup from before the first revocation were restored. */
  goBack(): void {
    this.#revocations = []
    this.#number = 0
  }

  /** How often something was asked for that begins so. */
  count(beginning: string): number {
    return this.asked.filter((one) => one.startsWith(beginning)).length
  }

  #ask(what: string): void {
    this.asked.push(what)
    if (this.isAway) throw new CarillonError('SERVICE_UNAVAILABLE')
  }

  #revoke({ kind, value }: RevocationTarget): Revocation {
    const revocation = { kind, value, revokedAt: new Date(), number: ++this.#number }
    const others = this.#revocations.filter((one) => one.kind !== kind || one.value !== value)
    this.#revocations = [...others, revocation]
    return revocation
  }
}

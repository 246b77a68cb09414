import { LRUCache } from 'lru-cache'
import { MAX_ID_LENGTH, parseText } from '../core/text.ts'
import { CarillonError } from '../protocol/errors.ts'
import {
  type ApiKey,
  createApiKeyText,
  formatApiKey,
  hashSecret,
  isSecret,
  parseApiKey,
  type VerifiedApiKey,
} from './api-key.ts'
import type { ApiKeyStore } from './api-key-store.ts'
import { type Capabilities, type CapabilityGrant, parseCapabilities } from './capabilities.ts'
import type { Revocations } from './revocations.ts'
import { KEY_USER_PREFIX } from './viewer.ts'

/** A key to make. */
export interface ApiKeyRequest {
  /** What it is for, for people: 1 to 120 characters. */
  readonly name: string
  /** `{user}` means nothing here: a key is of no user. */
  readonly capabilities: readonly CapabilityGrant[]
  /** In the future, before the year 10000. Default: never. */
  readonly expiresAt?: Date
}

/** A key that was just made. */
export interface CreatedApiKey extends ApiKey {
  /** What to show to the server. Nobody can tell it again. */
  readonly key: string
}

export interface ApiKeysParts {
  readonly store: ApiKeyStore
  /** Knows which keys are revoked. */
  readonly revocations: Revocations
}

interface KnownKey {
  readonly key: VerifiedApiKey
  readonly hash: string
}

/** With what stands in front of it, it is a user id. */
const MAX_NAME_LENGTH = MAX_ID_LENGTH - KEY_USER_PREFIX.length

/** How long a key is known without another look, in milliseconds. Revocations apply earlier. */
const KNOWN_MS = 10_000

/** How long an id is known to be of no key, in milliseconds. */
const UNKNOWN_MS = 1_000

/** How many of each are remembered. */
const MAX_REMEMBERED = 10_000

const END_OF_TIME = Date.UTC(10_000, 0)

/** Makes, lists, revokes and verifies API keys. */
export class ApiKeys {
  readonly #store: ApiKeyStore
  readonly #revocations: Revocations
  readonly #known = new LRUCache<string, KnownKey>({ max: MAX_REMEMBERED, ttl: KNOWN_MS })
  /** Apart: guesses do not push out the keys that are used. */
  readonly #unknown = new LRUCache<string, true>({ max: MAX_REMEMBERED, ttl: UNKNOWN_MS })
  /** Of many who come with the same key at once, one asks. */
  readonly #underWay = new Map<string, Promise<KnownKey | undefined>>()

  constructor({ store, revocations }: ApiKeysParts) {
    this.#store = store
    this.#revocations = revocations
  }

  /** @throws CarillonError INVALID_INPUT, INVALID_TOPIC_PATTERN, SERVICE_UNAVAILABLE */
  async create(request: ApiKeyRequest): Promise<CreatedApiKey> {
    const name = parseText(request.name, 'The name of a key', MAX_NAME_LENGTH)
    const grants = parseGrants(request.capabilities)
    const expiresAt = parseExpiry(request.expiresAt)
    const { id, secret } = createApiKeyText()
    const draft = { id, name, hash: hashSecret(secret), grants, expiresAt }
    return { key: formatApiKey({ id, secret }), ...(await this.#store.create(draft)) }
  }

  /**
   * All keys, also those that are revoked or have expired; the oldest first.
   * @throws CarillonError SERVICE_UNAVAILABLE
   */
  list(): Promise<readonly ApiKey[]> {
    return this.#store.list()
  }

  /**
   * Revokes a key, here at once. False where there is none with this id, or it was revoked before.
   * @throws CarillonError SERVICE_UNAVAILABLE
   */
  async revoke(id: string): Promise<boolean> {
    const revocation = await this.#store.revoke(id)
    if (revocation === undefined) return false
    this.#revocations.apply([revocation])
    return true
  }

  /**
   * The key that a text is, where it holds.
   * @throws CarillonError SERVICE_UNAVAILABLE
   */
  async verify(text: string): Promise<VerifiedApiKey | undefined> {
    const shown = parseApiKey(text)
    if (shown === undefined) return undefined
    const known = this.#known.get(shown.id) ?? (await this.#lookUp(shown.id))
    if (known === undefined || !isSecret(shown.secret, known.hash)) return undefined
    return this.#holds(known.key) ? known.key : undefined
  }

  /** Asked each time: what is remembered of a key may be older than its revocation. */
  #holds({ id, expiresAt, revokedAt }: ApiKey): boolean {
    if (revokedAt !== null || this.#revocations.isTokenRevoked(id)) return false
    return expiresAt === null || expiresAt.getTime() > Date.now()
  }

  #lookUp(id: string): Promise<KnownKey | undefined> {
    if (this.#unknown.has(id)) return Promise.resolve(undefined)
    const underWay = this.#underWay.get(id)
    if (underWay !== undefined) return underWay
    const finding = this.#find(id).finally(() => this.#underWay.delete(id))
    this.#underWay.set(id, finding)
    return finding
  }

  async #find(id: string): Promise<KnownKey | undefined> {
    const stored = await this.#store.find(id)
    if (stored === undefined) {
      this.#unknown.set(id, true)
      return undefined
    }
    const { hash, ...key } = stored
    const known = { key: { ...key, capabilities: capabilitiesOf(key) }, hash }
    this.#known.set(id, known)
    return known
  }
}

/** A newer version may have stored what this one does not know: no mistake of who shows the key. */
function capabilitiesOf({ grants }: ApiKey): Capabilities {
  try {
    return parseCapabilities(grants, undefined)
  } catch (cause) {
    throw new CarillonError('INTERNAL', undefined, { cause })
  }
}

/** What a list of grants says, and nothing besides. */
function parseGrants(grants: readonly CapabilityGrant[]): readonly CapabilityGrant[] {
  parseCapabilities(grants, undefined)
  const said = grants.map(({ topics, actions }) => ({ topics, actions }))
  if (!said.some(({ topics }) => [topics].flat().some((topic) => topic.includes('{user}')))) {
    return said
  }
  throw new CarillonError(
    'INVALID_INPUT',
    'A key is of no user: its capabilities cannot have {user} in them.',
  )
}

function parseExpiry(expiresAt: Date | undefined): Date | null {
  if (expiresAt === undefined) return null
  const time = expiresAt.getTime()
  if (time > Date.now() && time < END_OF_TIME) return expiresAt
  throw new CarillonError('INVALID_INPUT', 'A key expires in the future, before the year 10000.')
}

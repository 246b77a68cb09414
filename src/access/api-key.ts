import { createHash, randomBytes, randomInt, timingSafeEqual } from 'node:crypto'
import type { Capabilities, CapabilityGrant } from './capabilities.ts'

/** What is known of a key: all but its secret. */
export interface ApiKey {
  readonly id: string
  readonly name: string
  /** What it may do, as it was said. */
  readonly grants: readonly CapabilityGrant[]
  readonly createdAt: Date
  readonly expiresAt: Date | null
  readonly revokedAt: Date | null
}

/** A key that was shown and holds. */
export interface VerifiedApiKey extends ApiKey {
  readonly capabilities: Capabilities
}

/** A key as it is shown: `carillon_<id>_<secret>`. */
export interface ApiKeyText {
  readonly id: string
  readonly secret: string
}

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const ID_LENGTH = 12
const SECRET_BYTES = 32

/** No JSON Web Token begins so. */
const PREFIX = 'carillon_'

const FORM = /^carillon_([0-9A-Za-z]{12})_([A-Za-z0-9_-]{43})$/

export function createApiKeyText(): ApiKeyText {
  const letters = Array.from({ length: ID_LENGTH }, () => ALPHABET[randomInt(ALPHABET.length)])
  return { id: letters.join(''), secret: randomBytes(SECRET_BYTES).toString('base64url') }
}

export function formatApiKey({ id, secret }: ApiKeyText): string {
  return `${PREFIX}${id}_${secret}`
}

/** Whether a credential means to be a key, be it one or not. */
export function isApiKey(text: string): boolean {
  return text.startsWith(PREFIX)
}

/** Undefined where a text is no key. */
export function parseApiKey(text: string): ApiKeyText | undefined {
  const [, id, secret] = FORM.exec(text) ?? []
  return id === undefined || secret === undefined ? undefined : { id, secret }
}

/**
 * What is stored of a secret. Fast on purpose: slow hashes are for passwords that can be guessed, and nobody
 * guesses 256 random bits.
 */
export function hashSecret(secret: string): string {
  return createHash('sha256').update(secret).digest('hex')
}

/** Takes as long for a hash that is nearly right as for any other. */
export function isSecret(secret: string, hash: string): boolean {
  const actual = Buffer.from(hashSecret(secret), 'hex')
  const expected = Buffer.from(hash, 'hex')
  return actual.length === expected.length && timingSafeEqual(actual, expected)
}

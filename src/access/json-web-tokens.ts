import { createRemoteJWKSet, errors, type JWTPayload, type JWTVerifyGetKey, jwtVerify } from 'jose'
import { LRUCache } from 'lru-cache'
import { CarillonError } from '../protocol/errors.ts'
import {
  ALL_CAPABILITIES,
  type Capabilities,
  type CapabilityGrant,
  parseCapabilities,
} from './capabilities.ts'
import { parseClientId, parseUserId, type Viewer } from './viewer.ts'

/** How JSON Web Tokens are verified. */
export interface JwtOptions {
  /** For HS256: at least 32 bytes. https://www.rfc-editor.org/rfc/rfc7518#section-3.2 */
  readonly secret?: string | Uint8Array | undefined
  /** Where the public keys are, for RS256, ES256 and EdDSA. They are fetched when needed, and kept. */
  readonly jwksUrl?: string | undefined
  /** What `iss` has to be. Default: anything. */
  readonly issuer?: string | readonly string[] | undefined
  /** What `aud` has to be, or to have. Default: anything. */
  readonly audience?: string | readonly string[] | undefined
}

export interface JsonWebTokensParts extends JwtOptions {
  /** What tokens may do that say nothing of it; undefined: everything, as far as `authorize` allows it. */
  readonly defaultCapabilities: readonly CapabilityGrant[] | undefined
}

const MIN_SECRET_BYTES = 32

/** Tokens that are known to be valid, at most, in number and in characters; and for how long, in milliseconds. */
const MAX_VERIFIED = 10_000
const MAX_VERIFIED_CHARACTERS = 16 * 1024 * 1024
const VERIFIED_MS = 30_000

/** How far the clocks of issuers may be off, in seconds. */
export const LEEWAY_SECONDS = 5

const SYMMETRIC = ['HS256']
const ASYMMETRIC = ['RS256', 'ES256', 'EdDSA', 'Ed25519']

/** Fetched at most so often where a token names a key that is not known, in milliseconds. */
const JWKS_COOLDOWN_MS = 10_000
/** Keys that were taken back at their source are trusted for so long, in milliseconds. */
const JWKS_MAX_AGE_MS = 10 * 60_000
const JWKS_TIMEOUT_MS = 5_000

/** Verifies JSON Web Tokens: https://www.rfc-editor.org/rfc/rfc7519 */
export class JsonWebTokens {
  readonly #parts: JsonWebTokensParts
  readonly #secret: Uint8Array | undefined
  readonly #keys: JWTVerifyGetKey | undefined
  /** Over HTTP, each request brings its token: most have been seen a moment ago. */
  readonly #verified = new LRUCache<string, Viewer>({
    max: MAX_VERIFIED,
    maxSize: MAX_VERIFIED_CHARACTERS,
    sizeCalculation: (_viewer, key) => key.length,
    ttl: VERIFIED_MS,
  })

  /** @throws TypeError where the secret is too short or the URL none */
  constructor(parts: JsonWebTokensParts) {
    this.#parts = parts
    this.#secret = parts.secret === undefined ? undefined : parseSecret(parts.secret)
    this.#keys = parts.jwksUrl === undefined ? undefined : remoteKeys(parts.jwksUrl)
  }

  /**
   * Whom a token stands for.
   * @throws CarillonError UNAUTHENTICATED where it is not valid, SERVICE_UNAVAILABLE where its keys cannot be had
   */
  async verify(token: string, clientId: unknown): Promise<Viewer> {
    const client = parseClientId(clientId)
    const key = `${token} ${client ?? ''}`
    const known = this.#verified.get(key)
    if (known !== undefined && !isOver(known)) return known
    const payload = await this.#verify(token)
    try {
      const viewer = this.#viewer(payload, client)
      this.#verified.set(key, viewer)
      return viewer
    } catch (cause) {
      if (!(cause instanceof CarillonError)) throw cause
      throw new CarillonError('UNAUTHENTICATED', `The token is not usable: ${cause.message}`)
    }
  }

  async #verify(token: string): Promise<JWTPayload> {
    const { issuer, audience } = this.#parts
    const options = {
      clockTolerance: LEEWAY_SECONDS,
      ...(issuer === undefined ? {} : { issuer: listOf(issuer) }),
      ...(audience === undefined ? {} : { audience: listOf(audience) }),
    }
    try {
      // The key decides which algorithms may be used with it, not the token.
      if (this.#isSymmetric(token)) {
        const secret = this.#secret ?? NO_SECRET
        return (await jwtVerify(token, secret, { ...options, algorithms: SYMMETRIC })).payload
      }
      if (this.#keys === undefined) throw new errors.JOSEAlgNotAllowed('no keys')
      return (await jwtVerify(token, this.#keys, { ...options, algorithms: ASYMMETRIC })).payload
    } catch (error) {
      throw refusal(error)
    }
  }

  /** By its header, where there are keys of both kinds. */
  #isSymmetric(token: string): boolean {
    if (this.#keys === undefined) return true
    if (this.#secret === undefined) return false
    return SYMMETRIC.includes(algorithmOf(token))
  }

  #viewer(payload: JWTPayload, givenClientId: string | null): Viewer {
    const userId = parseUserId(payload.sub)
    const { grants, clientId } = readClaim(payload.carillon)
    const boundClientId = parseClientId(clientId)
    return {
      kind: 'user',
      userId,
      clientId: boundClientId ?? givenClientId,
      capabilities: this.#capabilities(grants, userId),
      expiresAt: expiryOf(payload),
      tokenId: typeof payload.jti === 'string' ? payload.jti : null,
      // A token that does not say it may be as old as any: a revocation of its user refuses it.
      issuedAt: instant(payload.iat ?? 0),
      claims: payload,
    }
  }

  #capabilities(grants: unknown, userId: string): Capabilities {
    const given = grants ?? this.#parts.defaultCapabilities
    return given === undefined ? ALL_CAPABILITIES : parseCapabilities(given, userId)
  }
}

function isOver({ expiresAt }: Viewer): boolean {
  return expiresAt !== null && expiresAt.getTime() <= Date.now()
}

const NO_SECRET = new Uint8Array(MIN_SECRET_BYTES)

/** The claim `carillon`: a list of grants, or an object that has them in `capabilities`. */
function readClaim(claim: unknown): { readonly grants?: unknown; readonly clientId?: unknown } {
  if (claim === undefined) return {}
  if (Array.isArray(claim)) return { grants: claim }
  if (typeof claim !== 'object' || claim === null) {
    throw new CarillonError('INVALID_INPUT', 'The claim `carillon` is a list or an object.')
  }
  const { capabilities, clientId } = claim as Record<string, unknown>
  return { grants: capabilities, clientId }
}

/** One that is accepted behind its end, because clocks differ, has what is left of the leeway. */
function expiryOf({ exp }: JWTPayload): Date | null {
  if (exp === undefined) return null
  const isOver = exp * 1_000 <= Date.now()
  return instant(exp + (isOver ? LEEWAY_SECONDS : 0))
}

/** The greatest that a `Date` can be: https://tc39.es/ecma262/#sec-time-values-and-time-range */
const MAX_TIME_MS = 8_640_000_000_000_000

function instant(seconds: number): Date {
  return new Date(Math.min(Math.max(seconds * 1_000, 0), MAX_TIME_MS))
}

function refusal(error: unknown): CarillonError {
  if (error instanceof CarillonError) return error
  if (error instanceof errors.JWTExpired) {
    return new CarillonError('UNAUTHENTICATED', 'The token has run out.')
  }
  if (error instanceof errors.JWTClaimValidationFailed) {
    return new CarillonError('UNAUTHENTICATED', `The token has another \`${error.claim}\`.`)
  }
  const isExpected = error instanceof errors.JOSEError || error instanceof TypeError
  const options = isExpected ? {} : { cause: error }
  return new CarillonError('UNAUTHENTICATED', 'The token is not valid.', options)
}

function algorithmOf(token: string): string {
  try {
    const header = Buffer.from(token.slice(0, token.indexOf('.')), 'base64url').toString()
    return String((JSON.parse(header) as { alg?: unknown }).alg)
  } catch {
    return '' // refused in a moment
  }
}

function parseSecret(secret: string | Uint8Array): Uint8Array {
  const bytes = typeof secret === 'string' ? new TextEncoder().encode(secret) : secret
  if (bytes.length >= MIN_SECRET_BYTES) return bytes
  throw new TypeError(`The secret of tokens has to have ${MIN_SECRET_BYTES} bytes at least.`)
}

/** Keys that cannot be had say nothing about the token. */
function remoteKeys(url: string): JWTVerifyGetKey {
  const keys = createRemoteJWKSet(new URL(url), {
    cooldownDuration: JWKS_COOLDOWN_MS,
    cacheMaxAge: JWKS_MAX_AGE_MS,
    timeoutDuration: JWKS_TIMEOUT_MS,
  })
  return async (header, token) => {
    try {
      return await keys(header, token)
    } catch (cause) {
      if (OF_THE_TOKEN.some((kind) => cause instanceof kind)) throw cause
      const text = 'The keys of tokens cannot be had for the moment.'
      throw new CarillonError('SERVICE_UNAVAILABLE', text, { cause })
    }
  }
}

const OF_THE_TOKEN = [
  errors.JWKSNoMatchingKey,
  errors.JWKSMultipleMatchingKeys,
  errors.JOSENotSupported,
]

function listOf(value: string | readonly string[]): string[] {
  return typeof value === 'string' ? [value] : [...value]
}

import { SignJWT } from 'jose'
import { type CapabilityGrant, parseCapabilities } from './capabilities.ts'
import type { JwtOptions } from './json-web-tokens.ts'
import { parseClientId, parseUserId } from './viewer.ts'

/** What a token says. */
export interface TokenClaims {
  readonly userId: string
  /** The only client that may use it; undefined for any. */
  readonly clientId?: string | undefined
  readonly grants: readonly CapabilityGrant[]
  readonly expiresAt: Date
  /** By which it can be revoked. */
  readonly tokenId: string
}

/** How it is verified: by HS256, so with a secret. */
export interface TokenSigning extends Pick<JwtOptions, 'issuer' | 'audience'> {
  readonly secret: string | Uint8Array
}

/**
 * A token as a server with the same options takes it. For development: who signs tokens for users knows who they are.
 * @throws CarillonError INVALID_INPUT where a server would refuse it
 */
export function signToken(claims: TokenClaims, signing: TokenSigning): Promise<string> {
  const { grants, expiresAt, tokenId } = claims
  const userId = parseUserId(claims.userId)
  const clientId = parseClientId(claims.clientId)
  parseCapabilities(grants, userId)
  const { secret, issuer, audience } = signing
  const token = new SignJWT({
    carillon: clientId === null ? grants : { capabilities: grants, clientId },
    ...(issuer === undefined ? {} : { iss: firstOf(issuer) }),
    ...(audience === undefined ? {} : { aud: firstOf(audience) }),
  })
  return token
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject(userId)
    .setJti(tokenId)
    .setIssuedAt()
    .setExpirationTime(expiresAt)
    .sign(typeof secret === 'string' ? new TextEncoder().encode(secret) : secret)
}

/** Of those that a server takes, any will do. */
function firstOf(value: string | readonly string[]): string {
  return typeof value === 'string' ? value : (value[0] ?? '')
}

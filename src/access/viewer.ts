import type { Reader } from '../core/message.ts'
import { MAX_ID_LENGTH, parseText } from '../core/text.ts'
import { CarillonError } from '../protocol/errors.ts'
import {
  ALL_CAPABILITIES,
  type Capabilities,
  type CapabilityGrant,
  parseCapabilities,
} from './capabilities.ts'

/** Whom the server takes a caller for, and what that one may do. Immutable. */
export interface Viewer extends Reader {
  /** The client (a device or a tab), where it named itself. */
  readonly clientId: string | null
  readonly capabilities: Capabilities
  /** When the credentials run out; null for never. */
  readonly expiresAt: Date | null
  /** The id of the token or key; null where it has none. */
  readonly tokenId: string | null
  /** When the credentials were issued: who is revoked later than that is let in no more. */
  readonly issuedAt: Date
  /** What else the credentials say, such as the claims of a token. */
  readonly claims: Readonly<Record<string, unknown>>
}

/** Who calls, as a host application says it. */
export interface Identity {
  /** 1 to 128 characters. */
  readonly userId: string
  /** 1 to 128 characters. */
  readonly clientId?: string | null | undefined
  /** What the caller may do. Default: everything, as far as `authorize` allows it. */
  readonly capabilities?: readonly CapabilityGrant[] | undefined
  /** When delivery and operations stop. Default: never. */
  readonly expiresAt?: Date | null | undefined
  /** 1 to 128 characters, by which it can be revoked. */
  readonly tokenId?: string | null | undefined
  /** Default: now. */
  readonly issuedAt?: Date | undefined
  /** True for a backend, which sees messages whomever they are addressed to. Default false. */
  readonly isBackend?: boolean | undefined
  /** For `authorize` and middleware. */
  readonly claims?: Readonly<Record<string, unknown>> | undefined
}

/** The user of everyone who names none in open mode. */
export const ANONYMOUS = 'anonymous'

/** The user of calls of the library that name none: a backend that may do and see everything. */
export const BACKEND: Viewer = {
  kind: 'backend',
  userId: 'backend',
  clientId: null,
  capabilities: ALL_CAPABILITIES,
  expiresAt: null,
  tokenId: null,
  issuedAt: new Date(),
  claims: {},
}

/** How a caller names itself. */
export interface OpenIdentity {
  readonly userId?: unknown
  readonly clientId?: unknown
}

/**
 * A viewer in open mode: who it says it is, and it may do everything that users may.
 * @throws CarillonError INVALID_INPUT where an id is no name
 */
export function openViewer({ userId, clientId }: OpenIdentity): Viewer {
  const isNamed = userId !== undefined && userId !== null
  return {
    ...BACKEND,
    kind: 'user',
    userId: isNamed ? parseUserId(userId) : ANONYMOUS,
    clientId: parseClientId(clientId),
    issuedAt: new Date(),
  }
}

/** @throws CarillonError INVALID_INPUT */
export function viewerOf(identity: Identity | undefined): Viewer {
  if (identity === undefined) return BACKEND
  const { capabilities, expiresAt = null, tokenId, issuedAt = new Date(), claims = {} } = identity
  const isBackend = identity.isBackend === true
  const userId = isBackend
    ? parseText(identity.userId, 'A user id', MAX_ID_LENGTH)
    : parseUserId(identity.userId)
  return {
    kind: isBackend ? 'backend' : 'user',
    userId,
    clientId: parseClientId(identity.clientId),
    capabilities:
      capabilities === undefined ? ALL_CAPABILITIES : parseCapabilities(capabilities, userId),
    expiresAt,
    tokenId: tokenId == null ? null : parseText(tokenId, 'A token id', MAX_ID_LENGTH),
    issuedAt,
    claims,
  }
}

/**
 * Users are not called as backends are, whose consumers they would have.
 * @throws CarillonError INVALID_INPUT
 */
export function parseUserId(userId: unknown): string {
  const parsed = parseText(userId, 'A user id', MAX_ID_LENGTH)
  if (parsed !== BACKEND.userId && !parsed.startsWith(KEY_USER_PREFIX)) return parsed
  throw new CarillonError('INVALID_INPUT', `The user id ${parsed} is of a backend.`)
}

/** In front of the name of an API key, in the place of a user id. */
export const KEY_USER_PREFIX = 'backend:'

/** @throws CarillonError INVALID_INPUT */
export function parseClientId(clientId: unknown): string | null {
  if (clientId === undefined || clientId === null) return null
  return parseText(clientId, 'A client id', MAX_ID_LENGTH)
}

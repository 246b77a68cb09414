import { MAX_ID_LENGTH, parseText } from '../core/text.ts'
import { CarillonError } from '../protocol/errors.ts'

/** What can be revoked: all that was issued to a user or to a client so far, or one token. */
export const REVOCATION_KINDS = ['user', 'token', 'client'] as const

export type RevocationKind = (typeof REVOCATION_KINDS)[number]

/** Whom, or what, a revocation is about. */
export interface RevocationTarget {
  readonly kind: RevocationKind
  /** The id of the user, the token or the client. The id of an API key is that of a token. */
  readonly value: string
}

export interface Revocation extends RevocationTarget {
  /** By the clock of the database. */
  readonly revokedAt: Date
  /** Grows with each revocation; a second one of the same target takes the place of the first. */
  readonly number: number
}

/** What to revoke, as a host application says it: exactly one. Ids are 1 to 128 characters. */
export type RevocationRequest =
  | { readonly userId: string }
  | { readonly tokenId: string }
  | { readonly clientId: string }

const FIELDS = [
  { field: 'userId', kind: 'user', what: 'A user id' },
  { field: 'tokenId', kind: 'token', what: 'A token id' },
  { field: 'clientId', kind: 'client', what: 'A client id' },
] as const

/** @throws CarillonError INVALID_INPUT */
export function parseRevocation(request: RevocationRequest): RevocationTarget {
  const targets = FIELDS.flatMap(({ field, kind, what }) => {
    const value: unknown = Reflect.get(request, field)
    return value === undefined ? [] : [{ kind, value: parseText(value, what, MAX_ID_LENGTH) }]
  })
  const [target, ...others] = targets
  if (target !== undefined && others.length === 0) return target
  throw new CarillonError('INVALID_INPUT', 'A revocation names either a user, a token or a client.')
}

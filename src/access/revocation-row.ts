import { Prisma } from '../generated/prisma/client.ts'
import type { Revocation, RevocationKind } from './revocation.ts'

export interface RevocationRow {
  readonly kind: RevocationKind
  readonly value: string
  readonly revoked_at: number
  readonly number: number
}

/** The columns of the revocation `r`. */
export const REVOCATION_COLUMNS = Prisma.sql`
  r.kind, r.value, (extract(epoch FROM r.revoked_at) * 1000)::float8 AS revoked_at,
  r.number::float8 AS number`

export function toRevocation({ kind, value, revoked_at, number }: RevocationRow): Revocation {
  return { kind, value, revokedAt: new Date(revoked_at), number }
}

import type { Database } from '../database/database.ts'
import { withFaults } from '../database/faults.ts'
import { Prisma, type PrismaClient } from '../generated/prisma/client.ts'
import { CarillonError } from '../protocol/errors.ts'
import type { ApiKey } from './api-key.ts'
import type { ApiKeyDraft, ApiKeyStore, StoredApiKey } from './api-key-store.ts'
import type { CapabilityGrant } from './capabilities.ts'
import type { Revocation } from './revocation.ts'
import { REVOCATION_COLUMNS, type RevocationRow, toRevocation } from './revocation-row.ts'

interface ApiKeyRow {
  readonly id: string
  readonly name: string
  readonly capabilities: string
  readonly created_at: number
  readonly expires_at: number | null
  readonly revoked_at: number | null
}

interface StoredRow extends ApiKeyRow {
  readonly hash: string
}

/** The columns of the key `k`. */
const COLUMNS = Prisma.sql`
  k.id, k.name, k.capabilities::text AS capabilities,
  (extract(epoch FROM k.created_at) * 1000)::float8 AS created_at,
  (extract(epoch FROM k.expires_at) * 1000)::float8 AS expires_at,
  (extract(epoch FROM k.revoked_at) * 1000)::float8 AS revoked_at`

/** API keys in PostgreSQL, real or embedded. */
export class PrismaApiKeyStore implements ApiKeyStore {
  readonly #prisma: PrismaClient

  constructor(database: Database) {
    this.#prisma = database.prisma
  }

  async create({ id, name, hash, grants, expiresAt }: ApiKeyDraft): Promise<ApiKey> {
    const [row] = await this.#rows<ApiKeyRow>(Prisma.sql`
      INSERT INTO carillon.api_keys AS k (id, name, hash, capabilities, created_at, expires_at)
      VALUES (${id}, ${name}, ${hash}, ${JSON.stringify(grants)}::json, clock_timestamp(),
        ${expiresAt?.toISOString() ?? null}::timestamptz)
      RETURNING ${COLUMNS}`)
    if (row === undefined) throw new CarillonError('INTERNAL')
    return toApiKey(row)
  }

  async find(id: string): Promise<StoredApiKey | undefined> {
    const [row] = await this.#rows<StoredRow>(Prisma.sql`
      SELECT ${COLUMNS}, k.hash FROM carillon.api_keys k WHERE k.id = ${id}`)
    return row === undefined ? undefined : { ...toApiKey(row), hash: row.hash }
  }

  async list(): Promise<readonly ApiKey[]> {
    const rows = await this.#rows<ApiKeyRow>(Prisma.sql`
      SELECT ${COLUMNS} FROM carillon.api_keys k ORDER BY k.created_at, k.id`)
    return rows.map(toApiKey)
  }

  async revoke(id: string): Promise<Revocation | undefined> {
    // One statement: the key and its revocation are there together.
    const [row] = await this.#rows<RevocationRow>(Prisma.sql`
      WITH k AS (
        UPDATE carillon.api_keys SET revoked_at = clock_timestamp()
        WHERE id = ${id} AND revoked_at IS NULL
        RETURNING id
      )
      SELECT ${REVOCATION_COLUMNS} FROM k, carillon.carillon_revoke('token', k.id) r`)
    return row === undefined ? undefined : toRevocation(row)
  }

  #rows<Row>(statement: Prisma.Sql): Promise<Row[]> {
    return withFaults(() => this.#prisma.$queryRaw<Row[]>(statement))
  }
}

function toApiKey(row: ApiKeyRow): ApiKey {
  return {
    id: row.id,
    name: row.name,
    grants: JSON.parse(row.capabilities) as readonly CapabilityGrant[], // parsed before it was stored
    createdAt: new Date(row.created_at),
    expiresAt: row.expires_at === null ? null : new Date(row.expires_at),
    revokedAt: row.revoked_at === null ? null : new Date(row.revoked_at),
  }
}

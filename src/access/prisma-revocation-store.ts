import type { Database } from '../database/database.ts'
import { withFaults } from '../database/faults.ts'
import { Prisma, type PrismaClient } from '../generated/prisma/client.ts'
import { CarillonError } from '../protocol/errors.ts'
import type { Revocation, RevocationTarget } from './revocation.ts'
import { REVOCATION_COLUMNS, type RevocationRow, toRevocation } from './revocation-row.ts'
import type { RevocationStore } from './revocation-store.ts'

/** Revocations in PostgreSQL, real or embedded. */
export class PrismaRevocationStore implements RevocationStore {
  readonly #prisma: PrismaClient

  constructor(database: Database) {
    this.#prisma = database.prisma
  }

  async add({ kind, value }: RevocationTarget): Promise<Revocation> {
    const [row] = await this.#rows(Prisma.sql`
      SELECT ${REVOCATION_COLUMNS} FROM carillon.carillon_revoke(${kind}, ${value}) r`)
    if (row === undefined) throw new CarillonError('INTERNAL')
    return toRevocation(row)
  }

  async after(number: number, limit: number): Promise<readonly Revocation[]> {
    const rows = await this.#rows(Prisma.sql`
      SELECT ${REVOCATION_COLUMNS} FROM carillon.revocations r
      WHERE r.number > ${number}::bigint ORDER BY r.number LIMIT ${limit}::int`)
    return rows.map(toRevocation)
  }

  #rows(statement: Prisma.Sql): Promise<RevocationRow[]> {
    return withFaults(() => this.#prisma.$queryRaw<RevocationRow[]>(statement))
  }
}

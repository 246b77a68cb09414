import type { PrismaClient } from '../generated/prisma/client.ts'

/** Deleted rows that are worth a vacuum at least … */
const MIN_DELETED = 1_000

/** … and as a share of those that are kept, as it is for autovacuum. */
const SHARE_OF_KEPT = 0.2

/** Gives the space of deleted messages back to new ones where no autovacuum does. */
export class EmbeddedVacuum {
  readonly #prisma: PrismaClient
  /** Since the last vacuum. */
  #deleted = 0

  constructor(prisma: PrismaClient) {
    this.#prisma = prisma
  }

  /** To be called after so many messages were deleted. */
  async run(deleted: number): Promise<void> {
    this.#deleted += deleted
    if (this.#deleted < MIN_DELETED) return
    if (this.#deleted < SHARE_OF_KEPT * (await this.#kept())) return
    await this.#prisma.$executeRaw`VACUUM carillon.messages`
    this.#deleted = 0
  }

  async #kept(): Promise<number> {
    const [row] = await this.#prisma.$queryRaw<{ kept: number }[]>`
      SELECT coalesce(sum(head - tail + 1), 0)::float8 AS kept FROM carillon.topics`
    return row?.kept ?? 0
  }
}

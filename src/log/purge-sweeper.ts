import { setTimeout as delay } from 'node:timers/promises'
import type { Database } from '../database/database.ts'
import { withFaults } from '../database/faults.ts'
import { Prisma, type PrismaClient } from '../generated/prisma/client.ts'

/** Messages deleted in one transaction. */
const BATCH = 1_000

/** How long others have the database for themselves between two batches, in milliseconds. */
const PAUSE_MS = 20

/** How often is looked for what another instance has left behind, in milliseconds. */
const INTERVAL_MS = 60_000

export interface PurgeSweeperParts {
  readonly database: Database
  readonly onFault: (error: unknown) => void
}

/**
 * Deletes what purged topics leave behind, in small batches. Any number of instances may sweep at once;
 * what one that was killed has not done, another one does.
 */
export class PurgeSweeper {
  readonly #prisma: PrismaClient
  readonly #onFault: (error: unknown) => void
  readonly #timer: NodeJS.Timeout
  readonly #ended = new AbortController()
  #sweeping: Promise<void> | undefined
  /** Something may have been purged since the sweep under way began. */
  #isWoken = false

  constructor({ database, onFault }: PurgeSweeperParts) {
    this.#prisma = database.prisma
    this.#onFault = onFault
    this.#timer = setInterval(() => this.wake(), INTERVAL_MS)
    this.#timer.unref()
    this.wake()
  }

  /** Sweeps, now that there may be something. */
  wake(): void {
    if (this.#ended.signal.aborted) return
    this.#isWoken = true
    this.#sweeping ??= this.#sweepAll().finally(() => {
      this.#sweeping = undefined
    })
  }

  /** Resolves once the batch under way is done. What is left is for the next start. Idempotent. */
  async close(): Promise<void> {
    clearInterval(this.#timer)
    this.#ended.abort()
    await this.#sweeping
  }

  async #sweepAll(): Promise<void> {
    try {
      while (this.#isWoken) {
        this.#isWoken = false
        while (await this.#sweep()) await this.#pause()
      }
    } catch (error) {
      this.#onFault(error) // the next interval tries again
    }
  }

  /** Deletes a batch; answers whether there may be more. */
  async #sweep(): Promise<boolean> {
    if (this.#ended.signal.aborted) return false
    const [row] = await withFaults(() =>
      this.#prisma.$queryRaw<{ readonly deleted: number | null }[]>(Prisma.sql`
        SELECT carillon.carillon_sweep(${BATCH}::int) AS deleted`),
    )
    return row?.deleted != null
  }

  async #pause(): Promise<void> {
    const { signal } = this.#ended
    if (!signal.aborted) await delay(PAUSE_MS, undefined, { signal, ref: false }).catch(() => {})
  }
}

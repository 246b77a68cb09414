import type { HeldOperation } from './held-operation.ts'
import { type ResumableClient, ResumableConnection } from './resumable-connection.ts'
import type { AdvanceOutcome, ResumeStore } from './resume-store.ts'

export interface ResumeBounds {
  /** For how long a client may be gone and go on where it was, in milliseconds. */
  readonly keepMs: number
  /** How often a client that is sent messages is asked how far it is, in milliseconds. */
  readonly pingMs: number
}

export const DEFAULT_RESUME_BOUNDS: ResumeBounds = { keepMs: 120_000, pingMs: 1_000 }

/** How often records of connections that live are kept again, as a part of `keepMs`. */
const RENEWALS = 4

export interface ResumptionsOptions {
  readonly store: ResumeStore
  readonly onFault: (error: unknown) => void
  readonly bounds?: Partial<ResumeBounds>
}

/** What lets clients that lose their connection go on where they were, without being asked. */
export class Resumptions {
  readonly store: ResumeStore
  readonly #onFault: (error: unknown) => void
  readonly #bounds: ResumeBounds
  readonly #connections = new Set<ResumableConnection>()
  readonly #pinging: NodeJS.Timeout
  readonly #renewing: NodeJS.Timeout
  readonly #writing = new Set<Promise<void>>()

  constructor({ store, onFault, bounds }: ResumptionsOptions) {
    this.store = store
    this.#onFault = onFault
    this.#bounds = { ...DEFAULT_RESUME_BOUNDS, ...bounds }
    const { pingMs, keepMs } = this.#bounds
    this.#pinging = setInterval(() => this.#ask(), pingMs).unref()
    this.#renewing = setInterval(() => this.#renew(), keepMs / RENEWALS).unref()
  }

  open(client: ResumableClient): ResumableConnection {
    const connection = new ResumableConnection(client, this)
    this.#connections.add(connection)
    return connection
  }

  remove(connection: ResumableConnection): void {
    this.#connections.delete(connection)
  }

  /** Puts the whole record of an operation. Does not reject. */
  put(operation: HeldOperation): Promise<void> {
    return this.#write(() => this.store.put(operation.record(), this.#keepMs))
  }

  /** Saves what has become certain, and keeps the records for their time again, in the background. */
  save(operations: Iterable<HeldOperation>): void {
    const all = [...operations]
    void this.#write(async () => {
      const outcomes = await this.#advance(all)
      // Lost, or taken by another connection though this one lives: that one may be dead, or it came back with
      // a Redis that had lost what was newer. All of them know only what is certain.
      const gone = all.filter((_, index) => outcomes[index] !== 'kept')
      await Promise.all(gone.map((operation) => this.put(operation)))
    })
  }

  /** The same for a connection that is gone: another one's records stay. Does not reject. */
  saveLast(operations: Iterable<HeldOperation>): Promise<void> {
    const all = [...operations]
    return this.#write(async () => {
      const outcomes = await this.#advance(all)
      const missing = all.filter((_, index) => outcomes[index] === 'missing')
      await Promise.all(missing.map((operation) => this.put(operation)))
    })
  }

  /** Forgets an operation that has ended, in the background. */
  forget({ key, owner }: HeldOperation): void {
    void this.#write(() => this.store.remove(key, owner))
  }

  /** What is to be written is written; nothing is asked any more. Idempotent. */
  async close(): Promise<void> {
    clearInterval(this.#pinging)
    clearInterval(this.#renewing)
    await Promise.all(this.#writing)
  }

  /** A connection may have been lost right before a renewal: its record lives on for all of its time. */
  get #keepMs(): number {
    return this.#bounds.keepMs * (1 + 1 / RENEWALS)
  }

  #ask(): void {
    for (const connection of this.#connections) connection.ask()
  }

  #renew(): void {
    for (const connection of this.#connections) {
      for (const operation of connection.operations()) {
        operation.settle()
        // With baselines it is put as a whole: they are kept as long as the record that names them.
        if (operation.hasBaselines) void this.put(operation)
      }
      this.save(connection.operations())
    }
  }

  #advance(operations: readonly HeldOperation[]): Promise<readonly AdvanceOutcome[]> {
    return this.store.advance(
      operations.map((operation) => operation.advance()),
      this.#keepMs,
    )
  }

  #write(work: () => Promise<void>): Promise<void> {
    const writing = work()
      .catch(this.#onFault)
      .finally(() => this.#writing.delete(writing))
    this.#writing.add(writing)
    return writing
  }
}

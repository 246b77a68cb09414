import type { Outbox } from './outbox.ts'

/** One that is behind, and reads on by itself. */
export interface Straggler {
  /** Reads on for a turn; answers whether it is still behind. Does not reject. */
  advance(): Promise<boolean>
}

/**
 * The subscribers of one socket that are behind: they read on from the ring or the log, turn by turn, at the
 * pace at which the client takes what was written. Nobody else waits for them.
 */
export class CatchUp {
  readonly #outbox: Outbox
  readonly #behind = new Set<Straggler>()
  #isRunning = false

  constructor(outbox: Outbox) {
    this.#outbox = outbox
  }

  add(straggler: Straggler): void {
    this.#behind.add(straggler)
    this.run()
  }

  /** Goes on, if the socket has room and anyone is behind. */
  run(): void {
    if (!this.#isRunning && this.#behind.size > 0) void this.#run()
  }

  async #run(): Promise<void> {
    this.#isRunning = true
    while (this.#behind.size > 0 && this.#outbox.wantsMore) {
      const [first] = this.#behind
      if (first === undefined) break
      this.#behind.delete(first)
      if (await first.advance()) this.#behind.add(first) // to the end of the row
    }
    this.#isRunning = false
  }
}

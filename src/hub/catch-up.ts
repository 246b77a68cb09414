import type { Outbox } from './outbox.ts'
import type { Turns, Worker } from './turns.ts'

/** One that is behind, and reads on by itself. */
export interface Straggler {
  /** Reads on for a turn; answers whether it is still behind. Does not reject. */
  advance(): Promise<boolean>
}

/**
 * The subscribers of one socket that are behind: they read on from the ring or the log, turn by turn, at the
 * pace at which the client takes what was written. Nobody else waits for them.
 */
export class CatchUp implements Worker {
  readonly #outbox: Outbox
  readonly #turns: Turns
  readonly #behind = new Set<Straggler>()
  #isRunning = false

  constructor(outbox: Outbox, turns: Turns) {
    this.#outbox = outbox
    this.#turns = turns
  }

  add(straggler: Straggler): void {
    this.#behind.add(straggler)
    this.run()
  }

  /** Goes on, if the socket has room and anyone is behind. */
  run(): void {
    const goesOn = !this.#isRunning && this.#behind.size > 0 && this.#outbox.wantsMore
    if (goesOn) this.#turns.add(this)
  }

  async turn(): Promise<void> {
    const [first] = this.#behind
    if (this.#isRunning || first === undefined || !this.#outbox.wantsMore) return
    this.#isRunning = true
    this.#behind.delete(first)
    if (await first.advance()) this.#behind.add(first) // to the end of the row
    this.#isRunning = false
    this.run()
  }
}

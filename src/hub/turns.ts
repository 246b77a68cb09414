import { setImmediate } from 'node:timers/promises'

/** Someone who does a part of what it has to do, and then waits for its next turn. */
export interface Worker {
  /** Does not reject. */
  turn(): Promise<void>
}

/** How long turns follow on each other until everything else gets the process, in milliseconds. */
const SLICE_MS = 4

/**
 * Turns of those who are behind, one after the other. When many clients come back at once there is work for seconds:
 * what is published meanwhile, and who is just connecting, waits for one slice of it and not for all.
 */
export class Turns {
  readonly #waiting = new Set<Worker>()
  #isRunning = false

  /** Resolves when it is one's turn. */
  next(): Promise<void> {
    return new Promise((resolve) => this.add({ turn: async () => resolve() }))
  }

  /** To the end of the row; nothing where it stands there already. */
  add(worker: Worker): void {
    this.#waiting.add(worker)
    if (!this.#isRunning) void this.#run()
  }

  async #run(): Promise<void> {
    this.#isRunning = true
    let until = performance.now() + SLICE_MS
    for (const worker of this.#waiting) {
      this.#waiting.delete(worker)
      // One that waits for the database holds nobody up.
      await Promise.race([worker.turn(), setImmediate()])
      if (performance.now() < until) continue
      await setImmediate()
      until = performance.now() + SLICE_MS
    }
    this.#isRunning = false
  }
}

import type { Access } from './access.ts'

/** At least this long between two checks, in milliseconds. */
const MIN_PAUSE_MS = 100

/** What is open stays so only as long as `authorize` says yes. */
export class Rechecks {
  readonly #access: Pick<Access, 'recheck'>
  readonly #timer: NodeJS.Timeout
  #isRunning = false

  /** @param everyMs how long an answer may be old, in milliseconds */
  constructor(access: Pick<Access, 'recheck'>, everyMs: number) {
    this.#access = access
    const pauseMs = Math.max(MIN_PAUSE_MS, everyMs)
    this.#timer = setInterval(() => void this.#recheck(), pauseMs).unref()
  }

  close(): void {
    clearInterval(this.#timer)
  }

  async #recheck(): Promise<void> {
    if (this.#isRunning) return
    this.#isRunning = true
    try {
      await this.#access.recheck()
    } finally {
      this.#isRunning = false
    }
  }
}

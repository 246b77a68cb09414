export interface RepairOptions<Found> {
  /** Reads the truth. */
  readonly read: () => Promise<Found>
  /** Puts right what is different. */
  readonly apply: (found: Found) => void
  /** How long after a failed read the next one is tried, in milliseconds. */
  readonly retryMs: number
  readonly onFault: (error: unknown) => void
}

/** Reads the truth when there is doubt, one read at a time: what is read later is newer. */
export class Repair<Found> {
  readonly #options: RepairOptions<Found>
  #timer: NodeJS.Timeout | undefined
  #isUrgent = false
  #reading: Promise<void> | undefined
  /** A read that is under way may have begun too early. */
  #isDue = false
  #isStarted = false
  #isClosed = false

  constructor(options: RepairOptions<Found>) {
    this.#options = options
  }

  /** From here on it reads. */
  start(): void {
    this.#isStarted = true
    if (this.#isDue) this.schedule(0)
  }

  /** Reads within so many milliseconds; for 0, in any case what is true from now on. */
  schedule(delayMs: number): void {
    if (this.#isClosed) return
    if (!this.#isStarted || this.#reading !== undefined) {
      this.#isDue ||= delayMs === 0
      return
    }
    if (this.#timer !== undefined && (delayMs > 0 || this.#isUrgent)) return
    clearTimeout(this.#timer)
    this.#isUrgent = delayMs === 0
    this.#timer = setTimeout(() => void this.#onTimer(), delayMs)
    this.#timer.unref()
  }

  /** Reads what is true from now on; rejects where that fails. */
  async now(): Promise<void> {
    await this.#reading?.catch(() => undefined) // it began too early to know
    this.#reading ??= this.#read()
    await this.#reading
  }

  /** Nothing is put right after this. Idempotent. */
  close(): void {
    this.#isClosed = true
    clearTimeout(this.#timer)
  }

  async #onTimer(): Promise<void> {
    this.#timer = undefined
    try {
      this.#reading ??= this.#read()
      await this.#reading
    } catch (error) {
      this.#options.onFault(error)
      this.schedule(this.#options.retryMs)
    }
  }

  async #read(): Promise<void> {
    this.#isDue = false
    const found = await this.#options.read().finally(() => {
      this.#reading = undefined
    })
    if (this.#isClosed) return
    this.#options.apply(found)
    if (this.#isDue) this.schedule(0)
  }
}

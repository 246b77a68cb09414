export interface BatchSizeOptions {
  readonly start: number
  readonly min: number
  readonly max: number
  /** What a batch should take, in milliseconds. */
  readonly targetMs: number
}

/** How many to do at once so that it takes about as long as it should, however fast the database is. */
export class BatchSize {
  readonly #options: BatchSizeOptions
  #current: number

  constructor(options: BatchSizeOptions) {
    this.#options = options
    this.#current = options.start
  }

  get current(): number {
    return this.#current
  }

  /** Learns from a batch. One that found little to do says nothing about larger ones. */
  learn(done: number, tookMs: number): void {
    const { min, max, targetMs } = this.#options
    const ratio = targetMs / Math.max(tookMs, 0.1)
    const isTelling = ratio < 1 || done >= this.#current
    if (!isTelling) return
    const next = Math.round(this.#current * Math.min(2, ratio))
    this.#current = Math.max(min, Math.min(max, next))
  }
}

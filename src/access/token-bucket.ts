export interface TokenBucketOptions {
  readonly perSecond: number
  /** How many may come at once after a pause. */
  readonly burst: number
}

/** Bounds how often something happens. https://en.wikipedia.org/wiki/Token_bucket */
export class TokenBucket {
  readonly #options: TokenBucketOptions
  #tokens: number
  /** On the clock of `performance.now()`. */
  #filledAt = performance.now()

  constructor(options: TokenBucketOptions) {
    this.#options = options
    this.#tokens = options.burst
  }

  /** Whether it may happen now. */
  take(): boolean {
    const { perSecond, burst } = this.#options
    const now = performance.now()
    this.#tokens = Math.min(burst, this.#tokens + ((now - this.#filledAt) / 1_000) * perSecond)
    this.#filledAt = now
    if (this.#tokens < 1) return false
    this.#tokens--
    return true
  }

  /** When it may happen again, in milliseconds from now. */
  get retryAfterMs(): number {
    return Math.max(1, Math.ceil(((1 - this.#tokens) / this.#options.perSecond) * 1_000))
  }
}

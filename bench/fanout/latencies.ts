const BUCKET_MICROS = 20
const BUCKETS = 1_000_000

export interface LatencySummary {
  readonly count: number
  /** Milliseconds; the last bucket, of 20 seconds, holds whatever took longer. */
  readonly p50: number
  readonly p99: number
}

/** Latencies counted in buckets of 20 µs: millions of them cost no memory. */
export class Latencies {
  readonly #buckets = new Uint32Array(BUCKETS)
  #count = 0

  add(micros: number): void {
    const bucket = Math.min(BUCKETS - 1, Math.max(0, Math.floor(micros / BUCKET_MICROS)))
    this.#buckets[bucket] = (this.#buckets[bucket] ?? 0) + 1
    this.#count += 1
  }

  clear(): void {
    this.#buckets.fill(0)
    this.#count = 0
  }

  summary(): LatencySummary {
    return { count: this.#count, p50: this.#quantile(0.5), p99: this.#quantile(0.99) }
  }

  #quantile(share: number): number {
    let left = this.#count * share
    const bucket = this.#buckets.findIndex((count) => {
      left -= count
      return left < 0
    })
    return bucket < 0 ? Number.NaN : ((bucket + 1) * BUCKET_MICROS) / 1_000
  }
}

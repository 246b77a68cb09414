import { CarillonError } from '../protocol/errors.ts'

export interface InFlightOptions {
  /** The name of the limit. */
  readonly limit: string
  readonly max: number
}

/** Bounds what one user has under way at once, on this instance. */
export class InFlight {
  readonly #options: InFlightOptions
  readonly #counts = new Map<string, number>()

  constructor(options: InFlightOptions) {
    this.#options = options
  }

  /** @throws CarillonError RATE_LIMIT_EXCEEDED where the user has as many under way as may be */
  async hold<Answer>(userId: string, work: () => Promise<Answer>): Promise<Answer> {
    this.acquire(userId)
    try {
      return await work()
    } finally {
      this.release(userId)
    }
  }

  /** @throws CarillonError RATE_LIMIT_EXCEEDED */
  acquire(userId: string): void {
    const count = this.#counts.get(userId) ?? 0
    const { max, limit } = this.#options
    if (count >= max) {
      throw new CarillonError('RATE_LIMIT_EXCEEDED', `At most ${max} at once (${limit}).`, {
        limit,
      })
    }
    this.#counts.set(userId, count + 1)
  }

  /** Once for each that was acquired. */
  release(userId: string): void {
    const count = this.#counts.get(userId) ?? 0
    if (count <= 1) this.#counts.delete(userId)
    else this.#counts.set(userId, count - 1)
  }
}

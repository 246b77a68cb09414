import type { Limits } from '../access/limits.ts'
import { TokenBucket } from '../access/token-bucket.ts'

export type MeterLimits = Pick<
  Limits,
  'messagesPerSecond' | 'subscribesPerSecond' | 'operationsPerSocket'
>

/** How much the client of one socket sends. */
export class Meter {
  readonly #messages: TokenBucket
  readonly #subscribes: TokenBucket

  constructor({ messagesPerSecond, subscribesPerSecond, operationsPerSocket }: MeterLimits) {
    this.#messages = new TokenBucket({ perSecond: messagesPerSecond, burst: 2 * messagesPerSecond })
    // A client that comes back starts all that it had at once.
    this.#subscribes = new TokenBucket({
      perSecond: subscribesPerSecond,
      burst: operationsPerSocket,
    })
  }

  /** Counts a message of the protocol; answers whether it is not too many. */
  passes(): boolean {
    return this.#messages.take()
  }

  /** Counts a subscription; answers whether it is not too many. */
  mayStart(): boolean {
    return this.#subscribes.take()
  }

  /** When the next subscription may be started, in milliseconds. */
  get retryAfterMs(): number {
    return this.#subscribes.retryAfterMs
  }
}

import { type BackoffOptions, backoffMs } from '../client/backoff.ts'
import { serverError } from '../client/error.ts'
import { after } from '../client/timing.ts'
import type { Gap } from '../protocol/errors.ts'
import type { Follower } from './follower.ts'
import type { Fields } from './wire-event.ts'

export interface FollowOptions {
  /** Pauses before it subscribes again: random, up to a bound that doubles from `baseMs` to `maxMs`. Default 250 and 20000. */
  readonly backoff?: BackoffOptions | undefined
  /**
   * Whether to subscribe again when the transport has given up, with what it says. Default: always. Errors of GraphQL are not asked
   * about: they say themselves whether they can pass.
   */
  readonly shouldRetry?: ((error: unknown) => boolean) | undefined
}

export interface FollowingParts extends FollowOptions {
  readonly follower: Follower
  /** Ends what is there, and begins with what the follower says. */
  readonly open: () => void
  /** It is over: messages cannot be delivered any more, and the application wants that to be an error. */
  readonly onGap: (gap: Gap) => void
}

/** A subscription of an application, over as many of the transport as it takes. */
export class Following {
  readonly #parts: FollowingParts
  #failures = 0
  #cancel = () => {}

  constructor(parts: FollowingParts) {
    this.#parts = parts
  }

  /** What to hand on of a result; undefined for nothing. */
  take(data: Fields): Fields | undefined {
    this.#failures = 0
    const taken = this.#parts.follower.take(data)
    switch (taken.kind) {
      case 'told':
        return taken.data
      case 'nothing':
        return undefined
      case 'hole':
        this.#parts.open()
        return undefined
      case 'gap':
        this.#parts.onGap(taken.gap)
        return undefined
      default:
        return taken satisfies never
    }
  }

  /** Errors of GraphQL. True where it goes on by itself, and nobody need know. */
  outlives(errors: readonly unknown[]): boolean {
    const { retryable, retryAfterMs } = serverError(errors)
    if (retryable) this.#openIn(retryAfterMs ?? this.#nextPauseMs())
    return retryable
  }

  /** The transport has given up. True where it goes on by itself, and nobody need know. */
  outlivesLoss(error: unknown): boolean {
    const { shouldRetry } = this.#parts
    const goesOn = shouldRetry === undefined || shouldRetry(error)
    if (goesOn) this.#openIn(this.#nextPauseMs())
    return goesOn
  }

  open(): void {
    this.#parts.open()
  }

  /** Idempotent. */
  close(): void {
    this.#cancel()
  }

  #nextPauseMs(): number {
    return backoffMs(this.#failures++, this.#parts.backoff)
  }

  #openIn(waitMs: number): void {
    this.#cancel()
    this.#cancel = after(waitMs, this.#parts.open)
  }
}

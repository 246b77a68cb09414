import { LRUCache } from 'lru-cache'
import { RateLimiterMemory, RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible'
import { CarillonError } from '../protocol/errors.ts'
import type { RedisAddress } from '../redis/redis-address.ts'
import { connectionsTo, type RedisConnections } from '../redis/redis-connection.ts'
import { Allowance } from './allowance.ts'
import type { Limits } from './limits.ts'
import type { Viewer } from './viewer.ts'

export interface PublishLimiterOptions {
  readonly limits: Pick<Limits, 'publishesPerSecondPerUser' | 'publishesPerSecondPerTopic'>
  /** A Redis that all instances count in. Without one, and while it is away, each counts for itself. */
  readonly address: RedisAddress | undefined
}

type PublishLimit = keyof PublishLimiterOptions['limits']

/** Users and topics that are counted at once, at most. */
const MAX_COUNTED = 100_000

/** Bounds how much users publish: each of them, and to each topic. Backends are not counted. */
export class PublishLimiter {
  readonly #connections: RedisConnections | undefined
  readonly #redis: ReturnType<RedisConnections['openForKeys']> | undefined
  readonly #perUser: Counted | undefined
  readonly #perTopic: Counted | undefined

  constructor({ limits, address }: PublishLimiterOptions) {
    const { publishesPerSecondPerUser: perUser, publishesPerSecondPerTopic: perTopic } = limits
    if (address !== undefined && perUser + perTopic > 0) {
      this.#connections = connectionsTo(address, () => {}) // the bus tells of the same faults
      this.#redis = this.#connections.openForKeys()
      this.#redis.on('error', () => {})
    }
    this.#perUser = this.#counted('publishesPerSecondPerUser', perUser)
    this.#perTopic = this.#counted('publishesPerSecondPerTopic', perTopic)
  }

  /**
   * Counts messages that are about to be published.
   * @throws CarillonError RATE_LIMIT_EXCEEDED with `retryAfterMs`
   */
  async take(viewer: Viewer, requests: readonly { readonly topic: string }[]): Promise<void> {
    if (viewer.kind === 'backend') return
    // One after the other: what a user may not publish takes nothing from the topic of all.
    await this.#perUser?.take(viewer.userId, requests.length)
    if (this.#perTopic === undefined) return
    for (const [topic, count] of countByTopic(requests)) await this.#perTopic.take(topic, count)
  }

  /** Idempotent. */
  close(): void {
    this.#redis?.disconnect()
    this.#connections?.close()
  }

  #counted(limit: PublishLimit, points: number): Counted | undefined {
    if (points === 0) return undefined
    const window = {
      points,
      duration: 1,
      keyPrefix: `carillon:${limit}`,
      inMemoryBlockOnConsumed: points,
    }
    const memory = new RateLimiterMemory({ points, duration: 1 })
    const limiter =
      this.#redis === undefined
        ? memory
        : new RateLimiterRedis({
            ...window,
            storeClient: this.#redis,
            insuranceLimiter: memory,
            rejectIfRedisNotReady: true,
          })
    return new Counted(limit, points, limiter)
  }
}

/** One limit. */
class Counted {
  readonly #limit: PublishLimit
  readonly #points: number
  readonly #limiter: RateLimiterMemory | RateLimiterRedis
  readonly #allowances = new LRUCache<string, Allowance>({ max: MAX_COUNTED })

  constructor(limit: PublishLimit, points: number, limiter: RateLimiterMemory | RateLimiterRedis) {
    this.#limit = limit
    this.#points = points
    this.#limiter = limiter
  }

  take(key: string, count: number): Promise<void> {
    const known = this.#allowances.get(key)
    if (known !== undefined) return known.take(count)
    const allowance = new Allowance(this.#points, (points) => this.#draw(key, points))
    this.#allowances.set(key, allowance)
    return allowance.take(count)
  }

  async #draw(key: string, points: number): Promise<number> {
    try {
      return (await this.#limiter.consume(key, points)).msBeforeNext
    } catch (error) {
      if (!(error instanceof RateLimiterRes)) throw error
      const per = this.#limit === 'publishesPerSecondPerUser' ? 'user' : 'topic'
      const text = `At most ${this.#points} messages a second per ${per}.`
      const { msBeforeNext: retryAfterMs } = error
      throw new CarillonError('RATE_LIMIT_EXCEEDED', text, { retryAfterMs, limit: this.#limit })
    }
  }
}

function countByTopic(
  requests: readonly { readonly topic: string }[],
): ReadonlyMap<string, number> {
  const counts = new Map<string, number>()
  for (const { topic } of requests) counts.set(topic, 1 + (counts.get(topic) ?? 0))
  return counts
}

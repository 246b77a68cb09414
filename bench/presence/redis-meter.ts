import { Redis } from 'ioredis'

/** What a Redis has done so far. */
export interface RedisUsage {
  readonly cpuMicros: number
  /** Those within scripts, too. */
  readonly commands: number
}

/** Asks a Redis what it has done. */
export class RedisMeter implements Disposable {
  readonly #redis: Redis

  constructor(url: string) {
    this.#redis = new Redis(url)
  }

  async usage(): Promise<RedisUsage> {
    const info = await this.#redis.info()
    const read = (name: string) => Number(new RegExp(`^${name}:(.*)$`, 'm').exec(info)?.[1])
    return {
      cpuMicros: 1_000_000 * (read('used_cpu_sys') + read('used_cpu_user')),
      commands: read('total_commands_processed'),
    }
  }

  [Symbol.dispose](): void {
    this.#redis.disconnect()
  }
}

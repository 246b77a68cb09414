import { describe, inject } from 'vitest'
import { type PrivateRedis, type PrivateRedisOptions, startRedisServer } from './redis-server.ts'

export type { PrivateRedis, PrivateRedisOptions } from './redis-server.ts'

/** A suite that starts, kills and questions Redis servers of its own. */
export const describeWithRedis = describe.skipIf(inject('redisServer') === null)

export async function startPrivateRedis(options: PrivateRedisOptions = {}): Promise<PrivateRedis> {
  const binary = inject('redisServer')
  if (binary === null) throw new Error('There is no redis-server on this machine.')
  return startRedisServer(binary, options)
}

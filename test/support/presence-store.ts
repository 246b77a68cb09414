import type { TopicName } from '../../src/core/topic-name.ts'
import { RedisPresenceStore } from '../../src/presence/redis-presence-store.ts'
import { parseRedisUrl } from '../../src/redis/redis-address.ts'

export interface OpenPresenceStore extends AsyncDisposable {
  readonly store: RedisPresenceStore
  readonly faults: readonly unknown[]
}

/** One that has reached its Redis, or has waited for it long enough. */
export async function openPresenceStore(url: string, leaseMs = 30_000): Promise<OpenPresenceStore> {
  const address = parseRedisUrl(url)
  if (address === undefined) throw new Error('The URL leads to no Redis.')
  const faults: unknown[] = []
  const onFault = (fault: unknown) => faults.push(fault)
  const store = new RedisPresenceStore({ address, leaseMs, onFault })
  await store.read('nowhere' as TopicName)
  return { store, faults, [Symbol.asyncDispose]: () => store.close(0) }
}

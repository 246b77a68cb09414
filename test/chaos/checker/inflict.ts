import { setTimeout as delay } from 'node:timers/promises'
import type { PrivateRedis } from '../../support/redis-server.ts'
import type { PlannedFault } from './schedule.ts'
import type { World } from './world.ts'

/**
 * Does what is planned; resolves once it is over, and all parts run again. Aborted in the
 * middle, it leaves them as they are then.
 */
export async function inflict(
  plan: PlannedFault,
  world: World,
  signal: AbortSignal,
): Promise<void> {
  const { meanwhile } = plan
  const second = async () => {
    if (meanwhile === undefined) return
    await delay(meanwhile.afterMs, undefined, { signal })
    await inflictOne(meanwhile, world, signal)
  }
  await Promise.all([inflictOne(plan, world, signal), second()])
}

async function inflictOne(
  { fault, server, lastsMs }: PlannedFault,
  world: World,
  signal: AbortSignal,
): Promise<void> {
  const { redis, postgresql, instances, networks } = world
  const [instance, network] = [instances[server], networks[server]]
  if (instance === undefined || network === undefined)
    throw new Error(`There is no server ${server}.`)
  const last = () => delay(lastsMs, undefined, { signal })
  switch (fault) {
    case 'kill a server':
      await instance.end('SIGKILL')
      await last()
      return instance.start()
    case 'end a server':
      await instance.end('SIGTERM')
      return instance.start()
    case 'freeze a server':
      instance.signal('SIGSTOP')
      await last()
      return instance.signal('SIGCONT')
    case 'kill Redis': {
      const records = await countRecords(redis)
      await redis.kill()
      await last()
      await redis.start()
      return untilRestored(redis, records, signal)
    }
    case 'cut subscribers of Redis':
      return redis.killSubscribers()
    case 'kill PostgreSQL':
      await postgresql.kill()
      await last()
      return postgresql.start()
    case 'cut clients':
      return network.cut(Math.min(1, lastsMs / 1_000))
    case 'stall clients':
      network.stall()
      await last()
      return network.flow()
    case 'half-open clients':
      network.halfOpen()
      return last() // what is published meanwhile they miss
    default:
      fault satisfies never
  }
}

/** What lets clients go on by their names, in Redis. */
async function countRecords(redis: PrivateRedis): Promise<number> {
  const keys = await redis.call('KEYS', 'carillon:resume:*')
  return Array.isArray(keys) ? keys.length : 0
}

/** How long instances are given to connect to a Redis again and put what they know, in milliseconds. */
const RESTORE_MS = 5_000

/**
 * To an instance Redis is away until it is connected again: one that is lost before that takes what it knows with it, which is
 * the loss of both. Fails where the records do not come back in time.
 */
async function untilRestored(
  redis: PrivateRedis,
  records: number,
  signal: AbortSignal,
): Promise<void> {
  const deadline = performance.now() + RESTORE_MS
  for (let restored = 0; restored < records; restored = await countRecords(redis)) {
    if (performance.now() > deadline) {
      throw new Error(`Of ${records} records only ${restored} are back in Redis.`)
    }
    await delay(20, undefined, { signal })
  }
}

import type { Bus } from '../bus/bus.ts'
import { MemoryBus } from '../bus/memory-bus.ts'
import { RedisBus } from '../bus/redis-bus.ts'
import { Acks } from '../consumers/acks.ts'
import { Consumers } from '../consumers/consumers.ts'
import type { DeadLetterStore } from '../consumers/dead-letter-store.ts'
import { PrismaConsumerStore } from '../consumers/prisma-consumer-store.ts'
import { PrismaDeadLetterStore } from '../consumers/prisma-dead-letter-store.ts'
import { PrismaLeaseStore } from '../consumers/prisma-lease-store.ts'
import { Hub } from '../hub/hub.ts'
import { PrismaLog } from '../log/prisma-log.ts'
import { PurgeSweeper } from '../log/purge-sweeper.ts'
import type { Retention } from '../log/retention.ts'
import { parseRetention } from '../log/retention-rules.ts'
import { RetentionSweeper } from '../log/retention-sweeper.ts'
import { MemoryPresenceStore } from '../presence/memory-presence-store.ts'
import { DEFAULT_PRESENCE_BOUNDS, Presence } from '../presence/presence.ts'
import { RedisPresenceStore } from '../presence/redis-presence-store.ts'
import { PrismaSnapshotStore } from '../snapshots/prisma-snapshot-store.ts'
import { Snapshots } from '../snapshots/snapshots.ts'
import type { Setting } from './setting.ts'

/** How often the retention is applied, in milliseconds. */
const RETENTION_INTERVAL_MS = 60_000

/** What keeps messages and carries them to who wants them. */
export interface Messaging {
  readonly log: PrismaLog
  readonly bus: Bus
  readonly hub: Hub
  readonly retention: Retention
  /** Deletes what was purged. */
  readonly sweeper: PurgeSweeper
  readonly snapshots: Snapshots
  readonly acks: Acks
  readonly consumers: Consumers
  readonly deadLetterStore: DeadLetterStore
  readonly presence: Presence
}

export function openMessaging(setting: Setting): Messaging {
  const { options, database, limits, report } = setting
  const log = new PrismaLog(database, options.publishQueue)
  const bus = openBus(setting)
  return {
    log,
    bus,
    hub: new Hub({
      log,
      bus,
      onFault: report,
      bounds: {
        maxBytes: limits.socketBufferBytes,
        maxTotalBytes: limits.bufferBytes,
        ...options.delivery,
      },
    }),
    retention: new RetentionSweeper({
      database,
      rules: parseRetention(options.retention ?? []),
      intervalMs: options.retentionIntervalMs ?? RETENTION_INTERVAL_MS,
      onFault: report,
    }),
    sweeper: new PurgeSweeper({ database, onFault: report }),
    snapshots: new Snapshots({ store: new PrismaSnapshotStore(database), limits }),
    ...openConsumers(setting, { log, bus }),
    presence: openPresence(setting),
  }
}

function openBus({ redis, report }: Setting): Bus {
  if (redis === undefined) return new MemoryBus(report)
  return new RedisBus({ address: redis, onFault: report })
}

function openConsumers(
  { database, limits, report }: Setting,
  { log, bus }: Pick<Messaging, 'log' | 'bus'>,
): Pick<Messaging, 'acks' | 'consumers' | 'deadLetterStore'> {
  const store = new PrismaConsumerStore(database)
  const deadLetterStore = new PrismaDeadLetterStore(database)
  const acks = new Acks(store)
  const consumers = new Consumers({
    log,
    bus,
    acks,
    store,
    leases: new PrismaLeaseStore(database),
    deadLetters: deadLetterStore,
    limits,
    onFault: report,
  })
  return { acks, consumers, deadLetterStore }
}

function openPresence({ options, redis, limits, report }: Setting): Presence {
  const bounds = { ...DEFAULT_PRESENCE_BOUNDS, ...options.presence }
  const store =
    redis === undefined
      ? new MemoryPresenceStore()
      : new RedisPresenceStore({ address: redis, leaseMs: bounds.leaseMs, onFault: report })
  return new Presence({ store, limits, bounds })
}

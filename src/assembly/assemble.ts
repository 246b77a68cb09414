import type { GraphQLSchema } from 'graphql'
import { isOpenMode } from '../access/auth-options.ts'
import { DEFAULT_LIMITS } from '../access/limits.ts'
import type { CarillonOptions } from '../carillon.ts'
import type { Database } from '../database/database.ts'
import type { PersistedOperations } from '../graphql/persisted-operations.ts'
import { schema } from '../graphql/schema.ts'
import { Middlewares } from '../operations/middleware.ts'
import type { Operations } from '../operations/operations.ts'
import { checkHealth, type Health } from '../ops/health.ts'
import type { Logger } from '../ops/logger.ts'
import { Metrics } from '../ops/metrics.ts'
import { CarillonError } from '../protocol/errors.ts'
import { redisAddressOf } from '../redis/redis-address.ts'
import { type Messaging, openMessaging } from './messaging.ts'
import { openOperations } from './open-operations.ts'
import type { Setting } from './setting.ts'
import { openTransports, type Transports } from './transports.ts'
import { openWhoMay, type WhoMay } from './who-may.ts'

/** What a server needs to be opened, or read, before it is put together. */
export interface Opened {
  readonly database: Database
  /** The only operations that are answered; undefined where any are. */
  readonly persisted: PersistedOperations | undefined
  readonly logger: Logger
}

/** A server, put together. */
export interface Assembly {
  readonly schema: GraphQLSchema
  readonly database: Database
  readonly isOpen: boolean
  readonly whoMay: WhoMay
  readonly messaging: Messaging
  readonly transports: Transports
  readonly middlewares: Middlewares
  readonly operations: Operations
  readonly metrics: Metrics
  readonly health: () => Promise<Health>
}

/** Starts nothing that has to be awaited. @param isShuttingDown asked whenever it matters */
export function assemble(
  { database, persisted, logger }: Opened,
  options: CarillonOptions,
  isShuttingDown: () => boolean,
): Assembly {
  const metrics: Metrics = new Metrics({
    presence: () => messaging.presence.stats,
    connections: () => transports.connections.open,
  })
  const isOpen = isOpenMode(options)
  const setting: Setting = {
    options,
    database,
    limits: { ...DEFAULT_LIMITS, ...options.limits },
    redis: redisAddressOf(options),
    isOpen,
    report: reportTo(logger),
    onLimit: (limit) => metrics.limitExceeded(limit),
  }
  const whoMay = openWhoMay(setting)
  const messaging = openMessaging(setting)
  const middlewares = new Middlewares()
  const operations = openOperations(setting, whoMay, messaging, middlewares)
  const { log, bus } = messaging
  const health = () =>
    checkHealth({
      ping: () => log.ping(),
      isBusConnected: () => bus.isConnected,
      isShuttingDown,
    })
  const served = { schema: schemaOf(options), persisted, operations, metrics, health }
  const transports = openTransports(setting, whoMay, messaging, { ...served, isShuttingDown })
  return { ...served, database, isOpen, whoMay, messaging, middlewares, transports }
}

export function schemaOf({ extendSchema }: CarillonOptions): GraphQLSchema {
  return extendSchema?.(schema) ?? schema
}

function reportTo(logger: Logger): (error: unknown) => void {
  return (error) => {
    if (error instanceof CarillonError) logger.warn({ error }, error.message)
    else logger.error({ error }, 'Something unexpected went wrong.')
  }
}

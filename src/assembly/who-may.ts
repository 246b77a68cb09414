import type { Access } from '../access/access.ts'
import { ApiKeys } from '../access/api-keys.ts'
import { DEFAULT_AUTHORIZE_CACHE_MS } from '../access/auth-options.ts'
import type { Authenticator } from '../access/authenticator.ts'
import { InFlight } from '../access/in-flight.ts'
import { openAccess, openAuthenticator } from '../access/open-access.ts'
import { PrismaApiKeyStore } from '../access/prisma-api-key-store.ts'
import { PrismaRevocationStore } from '../access/prisma-revocation-store.ts'
import { PublishLimiter } from '../access/publish-limiter.ts'
import { Rechecks } from '../access/rechecks.ts'
import { Revocations } from '../access/revocations.ts'
import type { Setting } from './setting.ts'

/** In open mode anyone may be anyone: how much one user publishes says nothing. */
const UNLIMITED_PUBLISHES = { publishesPerSecondPerUser: 0, publishesPerSecondPerTopic: 0 }

/** Who may do what, and how much. */
export interface WhoMay {
  readonly access: Access
  readonly revocations: Revocations
  readonly apiKeys: ApiKeys
  readonly authenticator: Authenticator
  /** Undefined where nothing has to be asked again. */
  readonly rechecks: Rechecks | undefined
  readonly publishLimiter: PublishLimiter
  /** Pages of history that are read, by user. */
  readonly pages: InFlight
  /** Connections and streams, by user; undefined where users are not told apart. */
  readonly perUser: InFlight | undefined
}

export function openWhoMay({ options, database, limits, redis, isOpen, report }: Setting): WhoMay {
  const store = new PrismaRevocationStore(database)
  const revocations = new Revocations({ store, onFault: report })
  const access = openAccess(options, revocations)
  revocations.onRevoked(() => access.applyRevocations())
  const apiKeys = new ApiKeys({ store: new PrismaApiKeyStore(database), revocations })
  const { authorize } = options
  const recheckMs = options.authorizeCacheMs ?? DEFAULT_AUTHORIZE_CACHE_MS
  const { historyPagesPerUser, connectionsPerUser } = limits
  return {
    access,
    revocations,
    apiKeys,
    authenticator: openAuthenticator(options, apiKeys),
    rechecks: authorize === undefined ? undefined : new Rechecks(access, recheckMs),
    publishLimiter: new PublishLimiter({
      limits: isOpen ? { ...UNLIMITED_PUBLISHES, ...options.limits } : limits,
      address: redis,
    }),
    pages: new InFlight({
      limit: 'historyPagesPerUser',
      max: isOpen ? Number.POSITIVE_INFINITY : historyPagesPerUser,
    }),
    perUser: isOpen
      ? undefined
      : new InFlight({ limit: 'connectionsPerUser', max: connectionsPerUser }),
  }
}

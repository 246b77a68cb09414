import type { GraphQLSchema } from 'graphql'
import { DEFAULT_RENEWAL_MS } from '../access/auth-options.ts'
import { Documents } from '../graphql/documents.ts'
import type { PersistedOperations } from '../graphql/persisted-operations.ts'
import type { Operations } from '../operations/operations.ts'
import type { Health } from '../ops/health.ts'
import type { Metrics } from '../ops/metrics.ts'
import { MemoryResumeStore } from '../resume/memory-resume-store.ts'
import { RedisResumeStore } from '../resume/redis-resume-store.ts'
import type { ResumeStore } from '../resume/resume-store.ts'
import { Resumptions } from '../resume/resumptions.ts'
import type { Connection } from '../transport/connection.ts'
import { ConnectionLimits } from '../transport/connection-limits.ts'
import { createHttpHandler, type HttpHandler } from '../transport/http.ts'
import { Intake } from '../transport/intake.ts'
import { ServerTransport } from '../transport/server.ts'
import { WebSocketTransport } from '../transport/websocket.ts'
import { openDoor } from './door.ts'
import type { Messaging } from './messaging.ts'
import type { Setting } from './setting.ts'
import type { WhoMay } from './who-may.ts'

/** How clients reach the server. */
export interface Transports {
  readonly http: HttpHandler
  readonly server: ServerTransport
  readonly connections: ConnectionLimits<Connection>
  readonly resumptions: Resumptions
  readonly resumeStore: ResumeStore
}

/** What the transports serve. */
export interface Served {
  readonly schema: GraphQLSchema
  /** The only operations that are answered; undefined where any are. */
  readonly persisted: PersistedOperations | undefined
  readonly operations: Operations
  readonly metrics: Metrics
  readonly health: () => Promise<Health>
  readonly isShuttingDown: () => boolean
}

export function openTransports(
  setting: Setting,
  { access, authenticator, perUser }: WhoMay,
  { hub }: Pick<Messaging, 'hub'>,
  { schema, persisted, operations, metrics, health, isShuttingDown }: Served,
): Transports {
  const { options, limits, report, onLimit } = setting
  const door = openDoor(options)
  const { introspection } = door
  const documents = new Documents(schema, { limits, introspection, operations: persisted, onLimit })
  const connections = new ConnectionLimits<Connection>(limits, onLimit)
  const intake = new Intake()
  const parts = {
    ...door,
    schema,
    documents,
    operations,
    authenticator,
    perUser,
    connections,
    intake,
    limits,
    report,
    onLimit,
  }
  const http = createHttpHandler({
    ...parts,
    metrics,
    isShuttingDown,
    readiness: async () => {
      const body = await health()
      return { ok: body.status !== 'unavailable', body }
    },
  })
  const resumeStore = openResumeStore(setting)
  const resumptions = new Resumptions({
    store: resumeStore,
    onFault: report,
    bounds: options.resume ?? {},
  })
  const sockets = new WebSocketTransport({
    ...parts,
    outboxes: hub.outboxes,
    resumptions,
    access,
    renewalMs: options.renewalMs ?? DEFAULT_RENEWAL_MS,
  })
  const server = new ServerTransport({ ...door, handler: http, sockets, intake })
  return { http, server, connections, resumptions, resumeStore }
}

function openResumeStore({ redis, report }: Setting): ResumeStore {
  if (redis === undefined) return new MemoryResumeStore()
  return new RedisResumeStore({ address: redis, onFault: report })
}

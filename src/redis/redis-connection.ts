import { Cluster, type ClusterOptions, Redis, type RedisOptions } from 'ioredis'
import { ClusterConnector } from './cluster-connector.ts'
import type { RedisAddress, RedisClusterOptions } from './redis-address.ts'

/**
 * The longest pause between two attempts to connect, in milliseconds. Until an instance is connected again, a Redis that came back
 * empty has nothing of what this instance knows.
 */
const MAX_RETRY_MS = 500

/** A Cluster is asked for its nodes this often, and may take this long to answer, in milliseconds. */
const REFRESH_MS = 5_000
const REFRESH_TIMEOUT_MS = 3_000

/** Opens connections for pub/sub to one Redis, however it is addressed. */
export interface RedisConnections {
  /**
   * A connection that is made again whenever it is cut, to the same server or to another one, until its
   * owner disconnects it. It tells when it closes and when it is `ready` again.
   */
  open(options: RedisConnectionOptions): Redis
  /**
   * A connection for commands with keys, in a Cluster to whichever node has the key. Commands fail while there
   * is none.
   */
  openForKeys(): Redis | Cluster
  /** To be called when all that were opened are disconnected. Idempotent. */
  close(): void
}

export interface RedisConnectionOptions {
  /** Whether commands wait for a connection, or fail without. */
  readonly enableOfflineQueue: boolean
}

/** @param onError told why a Cluster cannot be asked for its nodes; connections tell their own */
export function connectionsTo(
  address: RedisAddress,
  onError: (error: unknown) => void,
): RedisConnections {
  switch (address.kind) {
    case 'url':
      return connectionsBy((own) => new Redis(address.url, { ...SETTINGS, ...own }))
    case 'server':
      return connectionsBy((own) => new Redis({ ...address.options, ...SETTINGS, ...own }))
    case 'cluster':
      return connectionsToCluster(address, onError)
    default:
      return address satisfies never
  }
}

const SETTINGS = {
  enableAutoPipelining: true,
  maxRetriesPerRequest: null,
  autoResubscribe: true,
  enableReadyCheck: true, // also asks a server that Sentinels named whether it is the master
  lazyConnect: false,
  keyPrefix: '', // would be put in front of channels, and not taken off again
  replyMapping: 'legacy',
  retryStrategy: (attempt: number) =>
    Math.min(50 * 2 ** attempt, MAX_RETRY_MS) * (0.5 + Math.random() / 2),
} satisfies RedisOptions

function connectionsBy(open: RedisConnections['open']): RedisConnections {
  return {
    open: (own) => heard(open(own)),
    openForKeys: () => open({ enableOfflineQueue: false }),
    close: () => {},
  }
}

function connectionsToCluster(
  cluster: RedisClusterOptions,
  onError: (error: unknown) => void,
): RedisConnections {
  const guide = openGuide(cluster)
  guide.on('error', onError)
  guide.on('close', () => onError(new Error('The Redis Cluster names no node that answers.')))
  class Connector extends ClusterConnector {
    constructor(options: unknown) {
      super(guide, options as RedisOptions) // ioredis gives a connector the client's options
    }
  }
  const redisOptions = cluster.options?.redisOptions
  return {
    open: (own) => heard(new Redis({ ...redisOptions, ...SETTINGS, ...own, Connector })),
    openForKeys: () => openCluster(cluster, { enableOfflineQueue: false }),
    close: () => guide.disconnect(),
  }
}

/**
 * ioredis subscribes again by itself when a connection is made again, and leaves those promises to nobody: one that is
 * closed meanwhile would end the process.
 */
function heard(redis: Redis): Redis {
  for (const name of ['subscribe', 'psubscribe'] as const) {
    const original = redis[name].bind(redis) as (...args: unknown[]) => Promise<unknown>
    const wrapped = (...args: unknown[]) => {
      const done = original(...args)
      done.catch(() => undefined) // who asked is told all the same
      return done
    }
    Object.assign(redis, { [name]: wrapped })
  }
  return redis
}

/** Knows the nodes of a Cluster; no command goes through it. */
function openGuide(cluster: RedisClusterOptions): Cluster {
  return openCluster(cluster, { enableReadyCheck: false }) // pub/sub works without all slots, too
}

type OwnClusterOptions = Pick<ClusterOptions, 'enableReadyCheck' | 'enableOfflineQueue'>

function openCluster({ nodes, options }: RedisClusterOptions, own: OwnClusterOptions): Cluster {
  const defaults: ClusterOptions = {
    slotsRefreshInterval: REFRESH_MS,
    slotsRefreshTimeout: REFRESH_TIMEOUT_MS,
    // Names stay names: certificates have them, and one that is not known harms no other.
    dnsLookup: (host, callback) => callback(null, host),
  }
  return new Cluster([...nodes], {
    ...defaults,
    ...options,
    redisOptions: { ...options?.redisOptions, replyMapping: 'legacy' },
    ...own,
    lazyConnect: false,
  })
}

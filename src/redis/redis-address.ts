import type { ClusterOptions, RedisOptions } from 'ioredis'

/** Settings that the bus rests on: it makes them itself. */
type OwnSetting =
  | 'Connector'
  | 'autoResubscribe'
  | 'enableAutoPipelining'
  | 'enableOfflineQueue'
  | 'enableReadyCheck'
  | 'keyPrefix'
  | 'lazyConnect'
  | 'maxRetriesPerRequest'
  | 'monitor'
  | 'replyMapping'
  | 'retryStrategy'

/** One Redis, or the master that Sentinels name: the options of an ioredis `Redis`. */
export interface RedisServerOptions extends Omit<RedisOptions, OwnSetting> {
  readonly nodes?: never
}

/** A Redis Cluster: what an ioredis `Cluster` is made of. */
export interface RedisClusterOptions {
  /** Some of its nodes, at least one; the others are learned from them. */
  readonly nodes: readonly RedisNode[]
  /** A password, TLS and the like for every node belong in its `redisOptions`. */
  readonly options?: ClusterOptions
}

export interface RedisNode {
  readonly host: string
  readonly port: number
}

/** How to reach a Redis. */
export type RedisAddress =
  | { readonly kind: 'url'; readonly url: string }
  | { readonly kind: 'server'; readonly options: RedisServerOptions }
  | ({ readonly kind: 'cluster' } & RedisClusterOptions)

/** The two ways to say it. */
export interface RedisOption {
  readonly redisUrl?: string
  readonly redis?: RedisServerOptions | RedisClusterOptions
}

/** What `parseRedisUrl` reads, for messages. */
export const REDIS_URL_FORM =
  'a URL such as redis://user:password@host:6379, ' +
  'redis-sentinel://user:password@host:26379,host:26379/master or ' +
  'redis-cluster://user:password@host:6379,host:6379'

/**
 * Undefined where no Redis is asked for.
 * @throws TypeError without the URL, which may hold a password
 */
export function redisAddressOf({ redisUrl, redis }: RedisOption): RedisAddress | undefined {
  if (redisUrl !== undefined && redis !== undefined) {
    throw new TypeError('Give redisUrl or redis, not both.')
  }
  if (redis !== undefined) return fromOptions(redis)
  if (redisUrl === undefined) return undefined
  const address = parseRedisUrl(redisUrl)
  if (address === undefined) throw new TypeError(`redisUrl has to be ${REDIS_URL_FORM}.`)
  return address
}

/** Undefined for what is none of the forms. A URL of one server is read by ioredis itself. */
export function parseRedisUrl(url: string): RedisAddress | undefined {
  const [, scheme = '', kind, rest = ''] = /^(rediss?)(?:-([a-z]+))?:\/\/(.*)$/i.exec(url) ?? []
  const isEncrypted = scheme.toLowerCase() === 'rediss'
  switch (kind?.toLowerCase()) {
    case undefined:
      return isServerUrl(url) ? { kind: 'url', url } : undefined
    case 'sentinel':
      return parseSentinels(rest, isEncrypted)
    case 'cluster':
      return parseCluster(rest, isEncrypted)
    default:
      return undefined
  }
}

function fromOptions(redis: RedisServerOptions | RedisClusterOptions): RedisAddress {
  if (redis.nodes === undefined) return { kind: 'server', options: redis }
  if (redis.nodes.length === 0) throw new TypeError('redis.nodes has to name at least one node.')
  return { kind: 'cluster', ...redis }
}

function isServerUrl(url: string): boolean {
  if (!URL.canParse(url)) return false
  const { protocol, username, password } = new URL(url)
  const isRedis = protocol === 'redis:' || protocol === 'rediss:'
  return isRedis && decode(username) !== undefined && decode(password) !== undefined
}

/** `[user:password@]host[:26379],…/master[/database][?sentinelUsername=…&sentinelPassword=…]` */
function parseSentinels(text: string, isEncrypted: boolean): RedisAddress | undefined {
  const parts = parseParts(text, 26_379)
  const sentinel = readParameters(parts?.query ?? '', ['sentinelUsername', 'sentinelPassword'])
  const [, master = '', db = '0'] = /^([^/]+)(?:\/(\d{1,9}))?$/.exec(parts?.path ?? '') ?? []
  const name = decode(master)
  if (parts === undefined || sentinel === undefined || !name) return undefined
  const encryption = { tls: {}, sentinelTLS: {}, enableTLSForSentinelMode: true }
  const options = {
    sentinels: parts.nodes,
    name,
    db: Number(db),
    ...parts.credentials,
    ...sentinel,
    ...(isEncrypted ? encryption : {}),
  }
  return { kind: 'server', options }
}

/** `[user:password@]host[:6379],…`; a Cluster has no other database than 0. */
function parseCluster(text: string, isEncrypted: boolean): RedisAddress | undefined {
  const parts = parseParts(text, 6_379)
  if (parts === undefined || parts.query !== '' || !/^0?$/.test(parts.path)) return undefined
  const redisOptions = { ...parts.credentials, ...(isEncrypted ? { tls: {} } : {}) }
  return { kind: 'cluster', nodes: parts.nodes, options: { redisOptions } }
}

interface Parts {
  readonly credentials: { readonly username?: string; readonly password?: string }
  readonly nodes: RedisNode[]
  readonly path: string
  readonly query: string
}

/** By hand: no URL of the standard has several hosts with ports. */
function parseParts(text: string, defaultPort: number): Parts | undefined {
  const found = /^(?:([^@/?#]*)@)?([^@/?#]+)(?:\/([^?#]*))?(?:\?([^#]*))?$/.exec(text)
  const [, user, hosts = '', path = '', query = ''] = found ?? []
  const credentials = user === undefined ? {} : parseCredentials(user)
  const nodes = hosts.split(',').flatMap((host) => parseNode(host, defaultPort) ?? [])
  if (credentials === undefined || nodes.length < hosts.split(',').length) return undefined
  return { credentials, nodes, path, query }
}

/** `user:password`, or `:password` for the default user. */
function parseCredentials(text: string): Parts['credentials'] | undefined {
  const [user = '', ...rest] = text.split(':')
  const [username, password] = [decode(user), decode(rest.join(':'))]
  if (username === undefined || !password) return undefined
  return username === '' ? { password } : { username, password }
}

function parseNode(text: string, defaultPort: number): RedisNode | undefined {
  const found = /^(?:\[([\da-f:.]+)\]|([^\s:[\]]+))(?::(\d{1,5}))?$/i.exec(text)
  const host = found?.[1] ?? found?.[2]
  const port = Number(found?.[3] ?? defaultPort)
  return host === undefined || port < 1 || port > 65_535 ? undefined : { host, port }
}

/** Undefined where there is one that is not among the known. */
function readParameters(
  query: string,
  known: readonly string[],
): Readonly<Record<string, string>> | undefined {
  // A plus is a plus in a password; only in forms it is a space.
  const parameters = [...new URLSearchParams(query.replaceAll('+', '%2B'))]
  if (parameters.some(([name]) => !known.includes(name))) return undefined
  return Object.fromEntries(parameters)
}

function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined // a percent sign that stands for itself
  }
}

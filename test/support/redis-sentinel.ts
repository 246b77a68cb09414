import { vi } from 'vitest'
import { freePorts } from './free-port.ts'
import { type PrivateRedis, startPrivateRedis } from './redis.ts'

/** As in a URL they have to be encoded. */
const PASSWORD = 'p@ss/w:rd+%'
const SENTINEL_PASSWORD = 'guard&+%'

const QUORUM = 2

/** A master with a replica and three Sentinels that belong to one test. */
export interface PrivateRedisSentinels extends AsyncDisposable {
  readonly url: string
  readonly master: PrivateRedis
  readonly replica: PrivateRedis
  readonly sentinels: readonly PrivateRedis[]
}

export async function startRedisSentinels(): Promise<PrivateRedisSentinels> {
  const [port = 0, ...ports] = await freePorts(5)
  const config = [`masterauth "${PASSWORD}"`, 'repl-diskless-sync-delay 0']
  const [master, replica] = await Promise.all([
    startPrivateRedis({ port, config, password: PASSWORD }),
    startPrivateRedis({
      port: ports[0] ?? 0,
      config: [...config, `replicaof 127.0.0.1 ${port}`],
      password: PASSWORD,
    }),
  ])
  const servers = [replica, master]
  const dispose = async () => {
    await Promise.all(servers.map((server) => server[Symbol.asyncDispose]()))
  }
  const sentinels: PrivateRedis[] = []
  try {
    // Sentinels ask a master for its replicas when they start, and then every 10 seconds.
    await vi.waitUntil(() => isInSync(replica), { timeout: 20_000 })
    sentinels.push(...(await Promise.all(ports.slice(1).map((own) => startSentinel(own, port)))))
    servers.unshift(...sentinels)
    await vi.waitUntil(() => areReady(sentinels), { timeout: 20_000 })
  } catch (error) {
    await dispose()
    throw error
  }
  const hosts = sentinels.map((sentinel) => `127.0.0.1:${sentinel.port}`).join()
  const password = encodeURIComponent(SENTINEL_PASSWORD)
  return {
    url: `redis-sentinel://:${encodeURIComponent(PASSWORD)}@${hosts}/bells?sentinelPassword=${password}`,
    master,
    replica,
    sentinels,
    [Symbol.asyncDispose]: dispose,
  }
}

function startSentinel(port: number, master: number): Promise<PrivateRedis> {
  const config = [
    `sentinel monitor bells 127.0.0.1 ${master} ${QUORUM}`,
    `sentinel auth-pass bells "${PASSWORD}"`,
    `sentinel sentinel-pass "${SENTINEL_PASSWORD}"`,
    'sentinel down-after-milliseconds bells 2000',
    'sentinel failover-timeout bells 3000',
  ]
  return startPrivateRedis({ port, config, password: SENTINEL_PASSWORD, isSentinel: true })
}

async function isInSync(replica: PrivateRedis): Promise<boolean> {
  return String(await replica.call('INFO', 'replication')).includes('master_link_status:up')
}

/** Whether each knows the replica and the other Sentinels: without, there is no failover. */
async function areReady(sentinels: readonly PrivateRedis[]): Promise<boolean> {
  const counts = await Promise.all(
    sentinels.map(async (sentinel) => [
      ((await sentinel.call('SENTINEL', 'REPLICAS', 'bells')) as unknown[]).length,
      ((await sentinel.call('SENTINEL', 'SENTINELS', 'bells')) as unknown[]).length,
    ]),
  )
  return counts.every(([replicas, others]) => replicas === 1 && others === 2)
}

import { findOnPath } from '../../support/find-on-path.ts'
import { freePorts } from '../../support/free-port.ts'
import { findBinaries } from '../../support/postgresql-binaries.ts'
import { type PrivatePostgresql, startPostgresqlServer } from '../../support/postgresql-server.ts'
import { type PrivateRedis, startRedisServer } from '../../support/redis-server.ts'
import { Instance } from './instance.ts'
import { type Network, openNetwork } from './network.ts'

/** Instances over a database and a Redis of their own, each behind a network that may be bad. */
export interface World extends AsyncDisposable {
  readonly instances: readonly Instance[]
  readonly networks: readonly Network[]
  readonly redis: PrivateRedis
  readonly postgresql: PrivatePostgresql
}

/** @param build the folder of the server's build */
export async function createWorld(build: string, servers: number): Promise<World> {
  const [redisBinary, binaries] = [await findOnPath('redis-server'), await findBinaries()]
  if (redisBinary === null || binaries === null) {
    throw new Error('The checker needs redis-server and the binaries of PostgreSQL.')
  }
  const parts: AsyncDisposable[] = []
  const dispose = async () => {
    for (const part of parts.splice(0).reverse()) await part[Symbol.asyncDispose]()
  }
  const own = <T extends AsyncDisposable>(part: T): T => {
    parts.push(part)
    return part
  }
  try {
    const redis = own(await startRedisServer(redisBinary))
    const postgresql = own(await startPostgresqlServer(binaries))
    const urls = { databaseUrl: postgresql.url, redisUrl: redis.url }
    const instances: Instance[] = []
    const networks: Network[] = []
    for (const port of await freePorts(servers)) {
      const instance = own(new Instance({ build, port, ...urls }))
      await instance.start() // the first one migrates the database
      instances.push(instance)
      networks.push(own(await openNetwork(port)))
    }
    return { instances, networks, redis, postgresql, [Symbol.asyncDispose]: dispose }
  } catch (error) {
    await dispose()
    throw error
  }
}

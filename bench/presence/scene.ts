import { setTimeout as sleep } from 'node:timers/promises'
import { type Remote, startRemote } from '../fanout/channel.ts'
import type { Endpoint } from '../fanout/client.ts'
import { type RedisProcess, startRedis } from '../fanout/redis-process.ts'
import { createDatabase, type ThrowawayDatabase } from '../support/database.ts'
import type { LoadCommands, Synced } from './load.ts'
import type { People } from './people.ts'
import { RedisMeter } from './redis-meter.ts'
import type { ServerCommands } from './server.ts'

/** What the processes used in a time, for each second of it. */
export interface Used {
  /** CPU of both servers, in milliseconds. */
  readonly serverMs: number
  /** CPU of Redis, in milliseconds. */
  readonly redisMs: number
  /** Commands that Redis ran. */
  readonly commands: number
}

/** What answers how much CPU it has used. */
interface Metered {
  ask(name: 'cpu'): Promise<number>
}

export const ALL_FIELDS = 'userId clientIds state joinedAt lastSeenAt'

/** People that one command lets in. */
const AT_ONCE = 2_000

/** Two servers on one Redis, and watchers, each in a process of its own. */
export class Scene implements AsyncDisposable {
  readonly servers = [0, 1].map(() => startRemote<ServerCommands>('../presence/server.ts'))
  readonly load: Remote<LoadCommands> = startRemote<LoadCommands>('../presence/load.ts')
  readonly redis: RedisProcess
  readonly #database: ThrowawayDatabase
  readonly #meter: RedisMeter
  #endpoints: readonly Endpoint[] = []

  private constructor(redis: RedisProcess, database: ThrowawayDatabase) {
    this.redis = redis
    this.#database = database
    this.#meter = new RedisMeter(redis.url)
  }

  static async open(): Promise<Scene> {
    const redis = await startRedis()
    if (redis === undefined) throw new Error('There is no redis-server.')
    return new Scene(redis, await createDatabase())
  }

  get endpoints(): readonly Endpoint[] {
    return this.#endpoints
  }

  /** The one after the other: the first migrates the database. */
  async openServers(): Promise<void> {
    const endpoints: Endpoint[] = []
    for (const [instance, server] of this.servers.entries()) {
      const opening = { databaseUrl: this.#database.url, redisUrl: this.redis.url, instance }
      endpoints.push(await server.ask('open', opening))
    }
    this.#endpoints = endpoints
  }

  async enter(people: People): Promise<void> {
    for (let from = 0; from < people.members; from += AT_ONCE) {
      const range = { from, to: Math.min(people.members, from + AT_ONCE) }
      await Promise.all(this.servers.map((server) => server.ask('enter', { ...people, ...range })))
    }
  }

  /** Half of the clients on each server; resolves once each has got its SYNC. */
  async watch(
    name: string,
    { topics, clients, fields = ALL_FIELDS, keeps = false }: Watch,
  ): Promise<readonly Synced[]> {
    const synced: Synced[] = []
    for (const [instance, endpoint] of this.#endpoints.entries()) {
      const group = groupOf(name, instance)
      await this.load.ask('connect', { group, endpoint, clients: clients / 2, keeps })
      synced.push(await this.load.ask('subscribe', { group, topics, fields }))
    }
    return synced
  }

  async unwatch(name: string): Promise<void> {
    for (const instance of this.#endpoints.keys()) {
      await this.load.ask('close', { group: groupOf(name, instance) })
    }
  }

  /** What the servers, or other processes, and Redis use while something lasts. */
  async during(
    work: () => Promise<unknown>,
    metered: readonly Metered[] = this.servers,
  ): Promise<Used> {
    const start = performance.now()
    const [cpuBefore, redisBefore] = [await cpuOf(metered), await this.#meter.usage()]
    await work()
    const [cpuAfter, redisAfter] = [await cpuOf(metered), await this.#meter.usage()]
    const seconds = (performance.now() - start) / 1_000
    return {
      serverMs: (cpuAfter - cpuBefore) / 1_000 / seconds,
      redisMs: (redisAfter.cpuMicros - redisBefore.cpuMicros) / 1_000 / seconds,
      commands: (redisAfter.commands - redisBefore.commands) / seconds,
    }
  }

  resting(ms: number, metered?: readonly Metered[]): Promise<Used> {
    return this.during(() => sleep(ms), metered)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#meter[Symbol.dispose]()
    for (const remote of [this.load, ...this.servers]) await remote[Symbol.asyncDispose]()
    await this.#database[Symbol.asyncDispose]()
    await this.redis[Symbol.asyncDispose]()
  }
}

export interface Watch {
  readonly topics: readonly string[]
  readonly clients: number
  /** Of a member. Default: all. */
  readonly fields?: string
  readonly keeps?: boolean
}

export function groupOf(name: string, instance: number): string {
  return `${name}-${instance}`
}

async function cpuOf(metered: readonly Metered[]): Promise<number> {
  const all = await Promise.all(metered.map((process) => process.ask('cpu')))
  return all.reduce((sum, micros) => sum + micros, 0)
}

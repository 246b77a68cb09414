import { setTimeout as sleep } from 'node:timers/promises'
import { encodeCursor } from '../../../src/core/cursor.ts'
import { type Remote, startRemote } from '../../fanout/channel.ts'
import type { Endpoint } from '../../fanout/client.ts'
import type { LatencySummary } from '../../fanout/latencies.ts'
import { createDatabase, type ThrowawayDatabase } from '../../support/database.ts'
import type { LoadCommands } from './load.ts'
import type { Place } from './reader.ts'
import type { Progress } from './readers.ts'
import type { ServerCommands } from './server.ts'
import { until } from './until.ts'

/** Who comes back, and who stayed. */
export interface Size {
  readonly returning: number
  readonly topics: number
  /** Messages that each has missed. */
  readonly behind: number
  readonly staying: number
}

/** What those who stayed, and the database, notice of something. */
export interface Noticed extends LatencySummary {
  readonly queries: number
  readonly ms: number
}

/** Messages a second to those who stayed. */
export const PER_SECOND = 50

const LIVE_TOPIC = 'live'
const BATCH = 100
/** The clients that come back do so in this time. */
const RETURN_MS = 1_000
/** Whoever is not there by then never will be. */
const STORM_LIMIT_MS = 180_000
const SETTLE_LIMIT_MS = 30_000
const PROBE_MS = 200

/** A server, those who stayed and those who come back, each in a process of its own. */
export class Scene implements AsyncDisposable {
  readonly failures: string[] = []
  readonly #size: Size
  readonly #database: ThrowawayDatabase
  readonly #server = startRemote<ServerCommands>('../recovery/reconnect/server.ts')
  readonly #staying = startRemote<LoadCommands>('../recovery/reconnect/load.ts')
  readonly #returning = startRemote<LoadCommands>('../recovery/reconnect/load.ts')
  #endpoint: Endpoint = { port: 0, path: '' }

  private constructor(size: Size, database: ThrowawayDatabase) {
    this.#size = size
    this.#database = database
  }

  /** Everybody who stays is live, and gets messages from now on. */
  static async open(size: Size): Promise<Scene> {
    const scene = new Scene(size, await createDatabase())
    try {
      scene.#endpoint = await scene.#server.ask('open', scene.#database.url)
      await scene.#fill()
      await scene.#connectStaying()
      await scene.#server.ask('startRate', { topic: LIVE_TOPIC, perSecond: PER_SECOND })
      return scene
    } catch (error) {
      await scene[Symbol.asyncDispose]()
      throw error
    }
  }

  /** While something lasts, and until everybody who stayed has what was published in that time. */
  async during(work: () => Promise<unknown>): Promise<Noticed> {
    await this.#staying.ask('restart')
    const [start, before] = [performance.now(), await this.#server.ask('queries')]
    await work()
    const queries = (await this.#server.ask('queries')) - before
    const ms = performance.now() - start
    await this.#untilStayingHave(await this.#server.ask('head', LIVE_TOPIC))
    return { ...(await this.#staying.ask('latencies')), queries, ms }
  }

  /** All come back; some perhaps never do. */
  async comeBack(): Promise<Progress> {
    const { returning, behind } = this.#size
    const load = this.#returning
    const places = await this.#places()
    await load.ask('giveWay')
    const withinMs = RETURN_MS
    const goal = 1 + behind
    const endpoint = this.#endpoint
    await load.ask('start', { endpoint, places, clients: returning, withinMs, goal })
    const back = await this.#reached(load, { clients: returning, sequence: goal }, STORM_LIMIT_MS)
    const progress = await load.ask('progress')
    this.#note(progress, returning - back, 'never came back')
    return { ...progress, there: back }
  }

  /** Those who came back get what is published now, and nothing else has come in between. */
  async checkLive(): Promise<void> {
    const { returning, behind, topics } = this.#size
    for (const topic of namesOf(topics)) await this.#server.ask('publish', { topic, count: 1 })
    const live = await this.#reached(this.#returning, { clients: returning, sequence: behind + 2 })
    this.#note(await this.#returning.ask('progress'), returning - live, 'are not live')
    await this.#server.ask('stopRate')
    await this.#untilStayingHave(await this.#server.ask('head', LIVE_TOPIC))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const remote of [this.#returning, this.#staying, this.#server]) {
      await remote[Symbol.asyncDispose]()
    }
    await this.#database[Symbol.asyncDispose]()
  }

  /** One message before those that are missed: a cursor stands behind it. */
  async #fill(): Promise<void> {
    const { topics, behind } = this.#size
    for (const topic of namesOf(topics)) {
      for (let left = 1 + behind; left > 0; left -= BATCH) {
        await this.#server.ask('publish', { topic, count: Math.min(BATCH, left) })
      }
    }
  }

  async #places(): Promise<readonly Place[]> {
    const names = namesOf(this.#size.topics)
    const sql = 'SELECT name, epoch FROM carillon.topics WHERE name = ANY ($1) ORDER BY name'
    const rows = await this.#database.rows(sql, [names])
    return rows.map(({ name, epoch }) => {
      const position = { topic: name, epoch, sequence: 1 } as Parameters<typeof encodeCursor>[0]
      return { topic: position.topic, after: { cursor: encodeCursor(position), sequence: 1 } }
    })
  }

  async #connectStaying(): Promise<void> {
    const clients = this.#size.staying
    const endpoint = this.#endpoint
    const places = [{ topic: LIVE_TOPIC }]
    await this.#staying.ask('start', { endpoint, places, clients, withinMs: RETURN_MS, goal: 0 })
    // Nothing in the protocol says when a subscription has begun: its first message does.
    const isLive = async () => {
      await this.#server.ask('publish', { topic: LIVE_TOPIC, count: 1 })
      await sleep(PROBE_MS)
      return (await this.#staying.ask('reached', 1)) === clients
    }
    if (await until(isLive, { withinMs: SETTLE_LIMIT_MS })) return
    throw new Error('Not every client that stays was subscribed in time.')
  }

  async #untilStayingHave(sequence: number): Promise<void> {
    const clients = this.#size.staying
    const served = await this.#reached(this.#staying, { clients, sequence })
    const progress = await this.#staying.ask('progress')
    this.#note(progress, clients - served, 'stayed and have not got everything')
  }

  /** Waits for all to have a message, but not for those that are lost; answers how many have it. */
  async #reached(
    load: Remote<LoadCommands>,
    { clients, sequence }: { readonly clients: number; readonly sequence: number },
    withinMs = SETTLE_LIMIT_MS,
  ): Promise<number> {
    let reached = 0
    const isOver = async () => {
      reached = await load.ask('reached', sequence)
      return reached + (await load.ask('progress')).faulty >= clients
    }
    await until(isOver, { withinMs })
    return reached
  }

  #note({ reasons }: Progress, clients: number, what: string): void {
    if (clients === 0) return
    const why = reasons.length > 0 ? reasons.join('; ') : 'it took too long'
    this.failures.push(`${clients} clients ${what}: ${why}`)
  }
}

function namesOf(topics: number): readonly string[] {
  return Array.from({ length: topics }, (_, number) => `behind:${number}`)
}

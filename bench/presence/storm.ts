import { setTimeout as sleep } from 'node:timers/promises'
import type { Outcome, Part } from '../support/part.ts'
import type { HeldSet } from './load.ts'
import { topicOf } from './people.ts'
import { groupOf, Scene } from './scene.ts'
import type { StormOutcome } from './server.ts'

/** The default of Carillon. */
const WINDOW_MS = 50
const TYPES = ['LEAVE', 'UPDATE', 'JOIN']
const MAX_FRAMES = (TYPES.length * 1_000) / WINDOW_MS
const SETTLE_MS = 3_000

interface Size {
  readonly members: number
  readonly watchers: number
  /** Joins and leaves a second, each. */
  readonly perSecond: number
  readonly warmUpMs: number
  readonly ms: number
}

interface Measured {
  readonly watchers: number
  readonly events: number
  readonly ms: number
  readonly cpuMicros: number
  readonly redisMs: number
  readonly frames: number
  readonly bytes: number
  readonly loadShare: number
}

const TOPIC = topicOf({ topics: 1 }, 0)

/** What many who come and go cost in a room that many watch. */
export const storm: Part = {
  name: 'storm',
  async measure({ quick }) {
    const size: Size = quick
      ? { members: 1_000, watchers: 20, perSecond: 100, warmUpMs: 1_000, ms: 3_000 }
      : { members: 10_000, watchers: 200, perSecond: 500, warmUpMs: 5_000, ms: 10_000 }
    await using scene = await Scene.open()
    await scene.openServers()
    await scene.enter({ topics: 1, members: size.members })
    await sleep(SETTLE_MS)
    const storms = new Storms(scene, size)
    await scene.watch('watchers', { topics: [TOPIC], clients: size.watchers, keeps: true })
    await storms.run(size.warmUpMs)
    const watched = await storms.measure(size.watchers)
    await sleep(SETTLE_MS)
    const failures = await differences(scene)
    // Behind the other one, so that what is still cold counts for the watchers, and not against them.
    for (const name of ['watchers', 'fresh']) await scene.unwatch(name)
    await storms.run(size.warmUpMs)
    const unwatched = await storms.measure(0)
    return outcomeOf({ size, unwatched, watched, failures })
  },
}

class Storms {
  readonly #scene: Scene
  readonly #size: Size
  #next: number

  constructor(scene: Scene, size: Size) {
    this.#scene = scene
    this.#size = size
    this.#next = size.members
  }

  /** Half of the people on each server; those of the end stay. */
  async run(ms: number): Promise<readonly StormOutcome[]> {
    const { perSecond } = this.#size
    const from = this.#next
    this.#next += 2 * Math.ceil((perSecond * ms) / 2_000)
    const people = { from, to: this.#next }
    const share = { perSecond: perSecond / 2, staying: Math.round(perSecond / 2) }
    return Promise.all(
      this.#scene.servers.map((server) => server.ask('storm', { people, topics: 1, ms, ...share })),
    )
  }

  async measure(watchers: number): Promise<Measured> {
    const { load } = this.#scene
    const [before, cpuBefore] = [await this.#counted(watchers), await load.ask('cpu')]
    let outcomes: readonly StormOutcome[] = []
    const folder = process.env.PRESENCE_PROFILE
    if (folder !== undefined) await this.#scene.servers[0]?.ask('startProfile')
    const start = performance.now()
    const used = await this.#scene.during(async () => {
      outcomes = await this.run(this.#size.ms)
    })
    const ms = performance.now() - start
    if (folder !== undefined) {
      const file = `${folder}/storm-${watchers}.cpuprofile`
      await this.#scene.servers[0]?.ask('stopProfile', file)
    }
    const [after, cpuAfter] = [await this.#counted(watchers), await load.ask('cpu')]
    return {
      watchers,
      events: sum(outcomes, ({ joins, leaves }) => joins + leaves),
      ms,
      cpuMicros: used.serverMs * ms,
      redisMs: used.redisMs,
      frames: after.frames - before.frames,
      bytes: after.bytes - before.bytes,
      loadShare: (cpuAfter - cpuBefore) / 1_000 / ms,
    }
  }

  async #counted(watchers: number) {
    if (watchers === 0) return { frames: 0, bytes: 0 }
    const { load } = this.#scene
    const counted = [
      await load.ask('counted', { group: groupOf('watchers', 0) }),
      await load.ask('counted', { group: groupOf('watchers', 1) }),
    ]
    const fault = counted.flatMap(({ faults }) => faults)[0]
    if (fault !== undefined) throw new Error(`A watcher was lost: ${fault}`)
    return { frames: sum(counted, (it) => it.frames), bytes: sum(counted, (it) => it.bytes) }
  }
}

/** Where a watcher has another set than a new one is told. */
async function differences(scene: Scene): Promise<readonly string[]> {
  const failures: string[] = []
  await scene.watch('fresh', { topics: [TOPIC], clients: 2, keeps: true })
  for (const [instance, server] of scene.servers.entries()) {
    const [fresh] = await scene.load.ask('sets', { group: groupOf('fresh', instance) })
    const held = await scene.load.ask('sets', { group: groupOf('watchers', instance) })
    const members = await server.ask('members', TOPIC)
    if (fresh?.size !== members) {
      failures.push(`Server ${instance} has ${members} members, and tells of ${fresh?.size}.`)
    }
    failures.push(...held.filter((set) => set.digest !== fresh?.digest).map(differenceOf(fresh)))
  }
  return failures
}

function differenceOf(fresh: HeldSet | undefined) {
  return ({ clients, size }: HeldSet) =>
    `${clients} watchers have ${size} members, and not what a SYNC of ${fresh?.size} says.`
}

interface Both {
  readonly size: Size
  readonly unwatched: Measured
  readonly watched: Measured
  readonly failures: readonly string[]
}

function outcomeOf({ size, unwatched, watched, failures }: Both): Outcome {
  const { members, watchers, perSecond } = size
  const perWatcher = perEvent(watched) / watchers
  return {
    tables: [
      {
        title: `${perSecond} join and ${perSecond} leave a second, in a room of ${members}`,
        rows: [unwatched, watched].map(cells),
      },
      {
        title: `server CPU for each of these events and each watcher`,
        rows: [{ µs: perWatcher, 'µs net': perWatcher - perEvent(unwatched) / watchers }],
      },
    ],
    targets: [
      {
        name: 'frames a watcher and second',
        measured: perSecondAndWatcher(watched.frames, watched),
        atMost: MAX_FRAMES,
      },
      { name: 'server CPU, µs an event and watcher', measured: perWatcher, atMost: 4 },
      { name: 'watchers with another set than a new SYNC', measured: failures.length, atMost: 0 },
    ],
    failures,
  }
}

function cells(measured: Measured) {
  const { watchers, events, ms, redisMs, frames, bytes, loadShare } = measured
  return {
    watchers,
    'events/s': events / (ms / 1_000),
    'server CPU µs/event': perEvent(measured),
    'Redis CPU µs/event': (1_000 * redisMs * (ms / 1_000)) / events,
    'frames/s a watcher': watchers === 0 ? 0 : perSecondAndWatcher(frames, measured),
    'KB/s a watcher': watchers === 0 ? 0 : perSecondAndWatcher(bytes / 1_000, measured),
    'load CPU': `${Math.round(100 * loadShare)} %`,
  }
}

function perEvent({ cpuMicros, events }: Measured): number {
  return cpuMicros / events
}

function perSecondAndWatcher(count: number, { watchers, ms }: Measured): number {
  return count / watchers / (ms / 1_000)
}

function sum<T>(items: readonly T[], numberOf: (item: T) => number): number {
  return items.reduce((total, item) => total + numberOf(item), 0)
}

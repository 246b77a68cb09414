import { setTimeout as sleep } from 'node:timers/promises'
import type { Endpoint } from '../fanout/client.ts'
import { largest } from '../support/extremes.ts'
import type { Part, Target } from '../support/part.ts'
import { quantile } from '../support/quantile.ts'
import type { Synced } from './load.ts'
import { topicOf } from './people.ts'
import { ALL_FIELDS, Scene } from './scene.ts'

/** What is asked of a member. */
const SELECTIONS = { all: ALL_FIELDS, userId: 'userId' } as const
type Selection = keyof typeof SELECTIONS

const SETTLE_MS = 2_000
/** Until what changed has been told. */
const TOLD_MS = 200

interface Size {
  readonly members: number
  /** How often someone comes alone. */
  readonly alone: number
  /** How many come at once. */
  readonly together: number
}

interface Row {
  readonly selection: Selection
  readonly who: string
  readonly syncs: number
  readonly ms: readonly number[]
  readonly bytes: number
  readonly cpuMs: number
}

/** What it takes to tell a new watcher who is there. */
export const sync: Part = {
  name: 'sync',
  async measure({ quick }) {
    const size = quick
      ? { members: 1_000, alone: 3, together: 10 }
      : { members: 10_000, alone: 20, together: 50 }
    await using scene = await Scene.open()
    await scene.openServers()
    await scene.enter({ topics: 1, members: size.members })
    await sleep(SETTLE_MS)
    const asking = new Asking(scene, size)
    const rows: Row[] = []
    for (const selection of ['all', 'userId'] as const) {
      await asking.alone(selection) // to warm up
      rows.push(await asking.alone(selection), await asking.together(selection))
      rows.push(await asking.afterJoins(selection))
    }
    return { tables: [{ title: titleOf(size), rows: rows.map(cells) }], targets: targetsOf(rows) }
  },
}

/** Watchers of one server that come anew. */
class Asking {
  readonly #scene: Scene
  readonly #size: Size
  #joined: number

  constructor(scene: Scene, size: Size) {
    this.#scene = scene
    this.#size = size
    this.#joined = size.members
  }

  /** Nobody else has asked for the same. */
  alone(selection: Selection): Promise<Row> {
    const times = this.#size.alone
    return this.#row({ selection, who: 'alone', syncs: times }, async () => {
      const all: Synced[] = []
      for (let time = 0; time < times; time++) all.push(await this.#ask(selection, 1))
      return all
    })
  }

  together(selection: Selection): Promise<Row> {
    const clients = this.#size.together
    const who = `${clients} at once`
    return this.#row({ selection, who, syncs: clients }, async () => [
      await this.#ask(selection, clients),
    ])
  }

  /** Someone joins before each, and another one watches all the time: the CPU is that of both, and the join. */
  async afterJoins(selection: Selection): Promise<Row> {
    const { load } = this.#scene
    const times = this.#size.alone
    const group = 'staying'
    await load.ask('connect', { group, endpoint: this.#endpoint, clients: 1 })
    const topics = [topicOf({ topics: 1 }, 0)]
    await load.ask('subscribe', { group, topics, fields: SELECTIONS[selection] })
    const row = await this.#row({ selection, who: 'after a join', syncs: times }, async () => {
      const all: Synced[] = []
      for (let time = 0; time < times; time++) {
        await this.#join()
        all.push(await this.#ask(selection, 1))
      }
      return all
    })
    await load.ask('close', { group })
    return row
  }

  get #endpoint(): Endpoint {
    const [endpoint] = this.#scene.endpoints
    if (endpoint === undefined) throw new Error('No server is open.')
    return endpoint
  }

  async #ask(selection: Selection, clients: number): Promise<Synced> {
    const { load } = this.#scene
    const group = 'asking'
    await load.ask('connect', { group, endpoint: this.#endpoint, clients })
    const topics = [topicOf({ topics: 1 }, 0)]
    const synced = await load.ask('subscribe', { group, topics, fields: SELECTIONS[selection] })
    await load.ask('close', { group })
    return synced
  }

  async #join(): Promise<void> {
    const range = { from: this.#joined, to: this.#joined + 2 } // one is of this server
    this.#joined += 2
    const people = { topics: 1, members: this.#joined }
    await this.#scene.servers[0]?.ask('enter', { ...people, ...range })
    await sleep(TOLD_MS)
  }

  async #row(
    what: Pick<Row, 'selection' | 'who' | 'syncs'>,
    work: () => Promise<readonly Synced[]>,
  ): Promise<Row> {
    const [server] = this.#scene.servers
    const before = (await server?.ask('cpu')) ?? 0
    const synced = await work()
    const cpuMs = (((await server?.ask('cpu')) ?? 0) - before) / 1_000 / what.syncs
    const bytes = synced.at(-1)?.bytes ?? 0
    return { ...what, ms: synced.flatMap(({ ms }) => ms), bytes, cpuMs }
  }
}

function titleOf({ members }: Size): string {
  return `the SYNC of ${members} members for new watchers`
}

function cells({ selection, who, ms, bytes, cpuMs }: Row) {
  return {
    selected: selection === 'all' ? 'all fields' : selection,
    watchers: who,
    'KB each': bytes / 1_000,
    'median ms': quantile(ms, 0.5),
    'longest ms': largest(ms),
    'server CPU ms each': cpuMs,
  }
}

function targetsOf(rows: readonly Row[]): readonly Target[] {
  return rows
    .filter(({ selection }) => selection === 'all')
    .map(({ who, ms }) => ({
      name: `SYNC of all fields, ${who}: longest ms`,
      measured: largest(ms),
      atMost: 250,
    }))
}

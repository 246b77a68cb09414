import { answerCommands } from '../fanout/channel.ts'
import type { Endpoint } from '../fanout/client.ts'
import { ownCpuMicros } from '../support/process-usage.ts'
import { digestOf, Told } from './told.ts'
import { Watcher } from './watcher.ts'

export interface Group {
  readonly group: string
}

export interface Connecting extends Group {
  readonly endpoint: Endpoint
  readonly clients: number
  /** Keeps what they are told. Default false: it is counted only. */
  readonly keeps?: boolean
}

export interface Subscribing extends Group {
  /** The clients take them turn by turn. */
  readonly topics: readonly string[]
  /** Of a member. */
  readonly fields: string
}

/** How each client of a group got its SYNC. */
export interface Synced {
  /** From asking to its last byte. */
  readonly ms: readonly number[]
  /** Of each, on an average. */
  readonly bytes: number
}

export interface Counted {
  readonly frames: number
  readonly bytes: number
  /** Why clients were lost, each reason once. */
  readonly faults: readonly string[]
}

/** A set that clients have, by what they were told. */
export interface HeldSet {
  readonly digest: string
  readonly size: number
  readonly clients: number
}

/** What the program of watchers does when asked. */
export interface LoadCommands {
  connect(connecting: Connecting): Promise<void>
  subscribe(subscribing: Subscribing): Promise<Synced>
  counted(group: Group): Counted
  /** The sets that the clients of a group have. Needs that they keep what they are told. */
  sets(group: Group): readonly HeldSet[]
  close(group: Group): void
  /** CPU time so far, in microseconds. */
  cpu(): number
}

interface Clients {
  readonly watchers: readonly Watcher[]
  readonly told: Told | undefined
}

const groups = new Map<string, Clients>()

answerCommands<LoadCommands>({
  async connect({ group, endpoint, clients, keeps = false }) {
    const told = keeps ? new Told() : undefined
    const watchers = Array.from({ length: clients }, () => new Watcher(endpoint, told))
    groups.set(group, { watchers, told })
    await Promise.all(watchers.map((watcher) => watcher.connect()))
  },
  async subscribe({ group, topics, fields }) {
    const syncs = await Promise.all(
      clientsOf({ group }).watchers.map((watcher, index) =>
        watcher.watch({ topic: topics[index % topics.length] ?? '', fields }),
      ),
    )
    const bytes = syncs.reduce((sum, sync) => sum + sync.bytes, 0) / syncs.length
    return { ms: syncs.map(({ ms }) => ms), bytes }
  },
  counted(group) {
    const { watchers } = clientsOf(group)
    return {
      frames: watchers.reduce((sum, { frames }) => sum + frames, 0),
      bytes: watchers.reduce((sum, { bytes }) => sum + bytes, 0),
      faults: [...new Set(watchers.flatMap(({ fault }) => fault ?? []))],
    }
  },
  sets(group) {
    const { watchers, told } = clientsOf(group)
    if (told === undefined) throw new Error('These clients keep nothing.')
    const sizes = new Map<string, { readonly size: number; clients: number }>()
    const digests = new Map<unknown, string>()
    for (const { numbers } of watchers) {
      const set = told.setOf(numbers)
      const digest = digests.get(set) ?? digestOf(set)
      digests.set(set, digest)
      const held = sizes.get(digest) ?? { size: set.size, clients: 0 }
      held.clients += 1
      sizes.set(digest, held)
    }
    return [...sizes].map(([digest, held]) => ({ digest, ...held }))
  },
  close(group) {
    for (const watcher of clientsOf(group).watchers) watcher.close()
    groups.delete(group.group)
  },
  cpu: ownCpuMicros,
})

function clientsOf({ group }: Group): Clients {
  const clients = groups.get(group)
  if (clients === undefined) throw new Error(`There is no group "${group}".`)
  return clients
}

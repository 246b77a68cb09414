import { largest } from '../support/extremes.ts'
import type { Delivery } from './delivery.ts'
import type { PeerName } from './peers/peer.ts'
import type { Results } from './results.ts'
import type { SlowReaders } from './slow-readers.ts'

/** Something that was aimed at. Told, never asserted. */
export interface Verdict {
  readonly target: string
  readonly atMost: number
  readonly measured: number
}

const OWN: readonly PeerName[] = ['carillon', 'carillon-ephemeral']
const GRAPHQL_PEERS: readonly PeerName[] = ['yoga', 'graphql-ws', 'mercurius']

export function verdictsOf(results: Results): readonly Verdict[] {
  return [
    ...OWN.flatMap((peer) => deliveryVerdicts(results.deliveries, peer)),
    ...selectionVerdicts(results.selections),
    ...memoryVerdicts(results),
    ...slowReaderVerdicts(results.slowReaders),
    ...churnVerdicts(results),
    ...twoInstancesVerdicts(results),
  ]
}

/** For the frames of 300 bytes; the tables have the others. */
function deliveryVerdicts(deliveries: readonly Delivery[], own: PeerName): readonly Verdict[] {
  const measured = deliveries.filter(({ peer, frameBytes }) => peer === own && frameBytes === 300)
  return measured.flatMap((delivery) => {
    const { clients, perTick, gross } = delivery
    const others = deliveries.filter((other) => isSameTraffic(other, delivery))
    const name = `${own}, ${clients} subscribers, ${perTick} a tick`
    const isOne = perTick === 1
    return [
      {
        target: `${name}: times the bare loop`,
        atMost: isOne ? 1.2 : 0.35,
        measured: gross / lowest(others, ['bare']),
      },
      {
        target: `${name}: times the best GraphQL peer`,
        atMost: isOne ? 0.28 : 0.07,
        measured: gross / lowest(others, GRAPHQL_PEERS),
      },
    ]
  })
}

export function isSameTraffic(one: Delivery, other: Delivery): boolean {
  const { clients, frameBytes, perTick } = other
  return one.clients === clients && one.frameBytes === frameBytes && one.perTick === perTick
}

/** The least that a delivery costs any of these. */
function lowest(deliveries: readonly Delivery[], peers: readonly PeerName[]): number {
  return Math.min(
    ...deliveries.filter(({ peer }) => peers.includes(peer)).map(({ gross }) => gross),
  )
}

function selectionVerdicts(selections: readonly Delivery[]): readonly Verdict[] {
  const limits = [
    { sets: 10, atMost: 1.15 },
    { sets: 100, atMost: 1.6 },
  ]
  const gross = (sets: number, perTick: number) =>
    selections.find((row) => row.sets === sets && row.perTick === perTick)?.gross ?? Number.NaN
  if (selections.length === 0) return []
  return [1, 10].flatMap((perTick) =>
    limits.map(({ sets, atMost }) => ({
      target: `${sets} selection sets, ${perTick} a tick: times one set`,
      atMost,
      measured: gross(sets, perTick) / gross(1, perTick),
    })),
  )
}

function memoryVerdicts({ memory }: Results): readonly Verdict[] {
  const own = memory.find(({ peer }) => peer === 'carillon')
  if (own === undefined) return []
  return [
    {
      target: 'KB for each idle subscriber, heap and external',
      atMost: 14,
      measured: own.heapAndExternal / 1_024,
    },
    { target: 'KB for each idle subscriber, RSS', atMost: 14, measured: own.rss / 1_024 },
  ]
}

/** What is held besides, as a share of what the stalled clients left unread. */
export function heldShare(stalled: SlowReaders, none: SlowReaders): number {
  const growth = stalled.peakRss - stalled.rssBefore - (none.peakRss - none.rssBefore)
  return growth / stalled.unread
}

function slowReaderVerdicts(rows: readonly SlowReaders[]): readonly Verdict[] {
  return rows
    .filter(({ peer, stalled }) => peer === 'carillon' && stalled > 0)
    .flatMap((row) => {
      const isBase = ({ peer, frameBytes, stalled }: SlowReaders) =>
        peer === row.peer && frameBytes === row.frameBytes && stalled === 0
      const none = rows.find(isBase)
      if (none === undefined) return []
      const name = `${row.stalled} of ${row.clients} stop reading, ${row.frameBytes} bytes`
      const p99 = {
        target: `${name}: p99 of the others`,
        atMost: 1.1,
        measured: row.p99 / none.p99,
      }
      // Small messages fit into the kernel's buffers: nothing is left for the server to hold.
      if (row.frameBytes < 4_096) return [p99]
      const held = { target: `${name}: memory of what is unread`, atMost: 0.25 }
      return [p99, { ...held, measured: heldShare(row, none) }]
    })
}

function churnVerdicts({ churn }: Results): readonly Verdict[] {
  const peer = churn.find((row) => row.peer === 'graphql-ws')
  const own = churn.find((row) => row.peer === 'carillon')
  if (peer === undefined || own === undefined) return []
  const measured = own.micros / peer.micros
  const time = peer.perSecond / own.perSecond
  return [
    { target: 'start and stop a subscription: CPU, times graphql-ws', atMost: 1, measured },
    { target: 'start and stop a subscription: time, times graphql-ws', atMost: 1, measured: time },
  ]
}

function twoInstancesVerdicts({ twoInstances }: Results): readonly Verdict[] {
  const most = largest(twoInstances.map(({ clients }) => clients))
  const rows = twoInstances.filter(({ clients }) => clients === most)
  const peer = rows.find((row) => row.peer === 'yoga')
  const own = rows.find((row) => row.peer === 'carillon')
  if (peer === undefined || own === undefined) return []
  const local = own.localP99 / peer.localP99
  const name = `two instances, ${most} subscribers`
  const remote = own.remoteP99 / peer.remoteP99
  return [
    { target: `${name}, local p99: times Yoga`, atMost: 0.5, measured: local },
    { target: `${name}, remote p99: times Yoga`, atMost: 0.5, measured: remote },
  ]
}

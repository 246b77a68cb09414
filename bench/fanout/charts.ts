import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Bar, barChart } from '../support/chart.ts'
import { smallest } from '../support/extremes.ts'
import { PEER_TITLES, type PeerName } from './peers/peer.ts'
import type { Results } from './results.ts'

/** Writes the charts of the parts that ran, over those of the run before. */
export function writeCharts(results: Results, folder: string): void {
  mkdirSync(folder, { recursive: true })
  const write = (name: string, unit: string, { title, bars }: Titled) => {
    if (bars.length === 0) return
    writeFileSync(join(folder, `${name}.svg`), barChart({ title, unit, bars }))
  }
  const cpu = 'CPU time of the server for each delivery, µs; less is better'
  write('fanout-one-a-tick', cpu, deliveryBars(results, 1))
  write('fanout-ten-a-tick', cpu, deliveryBars(results, 10))
  write('fanout-memory', 'heap and external memory of the server, KB; less is better', {
    title: 'An idle subscriber',
    bars: results.memory.map(({ peer, heapAndExternal }) => barOf(peer, heapAndExternal / 1_024)),
  })
  write('fanout-two-instances', 'p99 from publishing to delivery, ms; less is better', {
    title: 'Two instances over Redis, 100 messages/s to 100, those of the other instance',
    bars: results.twoInstances
      .filter(({ clients }) => clients === 100)
      .map(({ peer, remoteP99 }) => barOf(peer, remoteP99)),
  })
}

interface Titled {
  readonly title: string
  readonly bars: readonly Bar[]
}

/** For the smallest audience and frames: what the other tables add is said in text. */
function deliveryBars({ deliveries }: Results, perTick: number): Titled {
  const clients = smallest(deliveries.map((row) => row.clients))
  const rows = deliveries.filter(
    (row) => row.clients === clients && row.frameBytes === 300 && row.perTick === perTick,
  )
  const messages = perTick === 1 ? 'one message' : `${perTick} messages`
  return {
    title: `${clients} subscribers, 300 bytes, ${messages} a tick`,
    bars: rows.map(({ peer, gross }) => barOf(peer, gross)),
  }
}

function barOf(peer: PeerName, value: number): Bar {
  const label = PEER_TITLES[peer].replaceAll('`', '')
  return { label, value, own: peer.startsWith('carillon') }
}

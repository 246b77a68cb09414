import { setTimeout as sleep } from 'node:timers/promises'
import { databaseOf, type FanoutContext } from './context.ts'
import { kernelSocketBytes } from './kernel-memory.ts'
import { maxSockets } from './open-files.ts'
import type { PeerName } from './peers/peer.ts'
import { Scene } from './scene.ts'

/** Bytes for each subscriber that is connected and gets nothing. */
export interface IdleMemory {
  readonly peer: PeerName
  readonly clients: number
  /** heapUsed and external of `process.memoryUsage()`. */
  readonly heapAndExternal: number
  readonly rss: number
  /** Of the kernel, for both ends of the connection; null where it does not tell. */
  readonly kernel: number | null
}

/** So that what a server loads with its first subscribers is none of the others' memory. */
const FIRST_CLIENTS = 100
const SETTLE_MS = 300

export async function measureMemory(
  context: FanoutContext,
  peers: readonly PeerName[],
): Promise<readonly IdleMemory[]> {
  const clients = Math.min(context.options.quick ? 300 : 5_000, maxSockets() - FIRST_CLIENTS)
  const measured: IdleMemory[] = []
  for (const peer of peers) {
    const memory = await measurePeer(context, peer, clients)
    context.log(`${peer}: ${Math.round(memory.heapAndExternal)} bytes for each idle subscriber`)
    measured.push(memory)
  }
  return measured
}

async function measurePeer(
  context: FanoutContext,
  peer: PeerName,
  clients: number,
): Promise<IdleMemory> {
  await using scene = await Scene.open({ peer, ...databaseOf(context) })
  const { server, load, endpoint, topic } = scene
  const first = {
    group: 'first',
    ...endpoint,
    topic: `${topic}:1`,
    clients: FIRST_CLIENTS,
    sets: 1,
  }
  await load.ask('connect', first)
  await sleep(SETTLE_MS)
  const before = await server.ask('collect')
  const kernelBefore = kernelSocketBytes()
  await scene.subscribe({ clients })
  await sleep(SETTLE_MS)
  const after = await server.ask('collect')
  const kernelAfter = kernelSocketBytes()
  const held = after.heapUsed + after.external - before.heapUsed - before.external
  return {
    peer,
    clients,
    heapAndExternal: held / clients,
    rss: (after.rss - before.rss) / clients,
    kernel:
      kernelBefore === undefined || kernelAfter === undefined
        ? null
        : (kernelAfter - kernelBefore) / clients,
  }
}

import type { PeerName } from './peers/peer.ts'
import type { Scene } from './scene.ts'

/** What is published, and how much. */
export interface Traffic {
  readonly frameBytes: number
  readonly perTick: number
}

export interface Subject {
  readonly peer: PeerName
  readonly clients: number
  readonly sets: number
}

export interface Durations {
  readonly warmUpMs: number
  readonly measureMs: number
}

/** What deliveries cost. Microseconds are CPU time of the server's process, all threads. */
export interface Delivery extends Subject, Traffic {
  readonly deliveries: number
  /** Of one delivery, all that the server did for the message included. */
  readonly gross: number
  /** The same without what publishing costs where nobody has subscribed. */
  readonly net: number
  /** Of one message where nobody has subscribed. */
  readonly unheard: number
  /** Of the frame's payload, as the clients got it. */
  readonly bytes: number
  readonly perSecond: number
  /** Share of a core that each process was busy; the main thread has one core at most. */
  readonly serverBusy: number
  readonly loadBusy: number
}

export async function measureDelivery(
  scene: Scene,
  { peer, clients, sets }: Subject,
  { traffic: { frameBytes, perTick }, warmUpMs, measureMs }: { traffic: Traffic } & Durations,
): Promise<Delivery> {
  const textLength = await scene.textLengthFor(frameBytes)
  // Two at once warm up what ten would, and do not take seconds where a peer is slow.
  await scene.deliver({ count: Math.min(2, perTick), textLength }, { ms: warmUpMs })
  const batch = { count: perTick, textLength }
  const cost = await costOf(scene, () => scene.deliver(batch, { ms: measureMs }))
  const { bytes, frames, fewest, most } = await scene.received()
  if (fewest !== cost.messages || most !== cost.messages) {
    throw new Error(`${peer}: ${cost.messages} messages were ${fewest} to ${most} frames.`)
  }
  const unheard = await costOfUnheard(scene, batch, measureMs / 3)
  const gross = cost.serverMicros / frames
  return {
    peer,
    clients,
    sets,
    frameBytes,
    perTick,
    deliveries: frames,
    gross,
    net: gross - unheard / clients,
    unheard,
    bytes: bytes / frames,
    perSecond: frames / (cost.micros / 1_000_000),
    serverBusy: cost.serverMicros / cost.micros,
    loadBusy: cost.loadMicros / cost.micros,
  }
}

interface Cost {
  readonly messages: number
  readonly micros: number
  readonly serverMicros: number
  readonly loadMicros: number
}

async function costOf({ server, load }: Scene, work: () => Promise<number>): Promise<Cost> {
  const [serverBefore, loadBefore] = await Promise.all([server.ask('usage'), load.ask('usage')])
  const start = performance.now()
  const messages = await work()
  const micros = (performance.now() - start) * 1_000
  const [serverAfter, loadAfter] = await Promise.all([server.ask('usage'), load.ask('usage')])
  return {
    messages,
    micros,
    serverMicros: serverAfter.cpuMicros - serverBefore.cpuMicros,
    loadMicros: loadAfter.cpuMicros - loadBefore.cpuMicros,
  }
}

/** The same ticks to a topic without subscribers: commits, commands and their answers. */
async function costOfUnheard(
  scene: Scene,
  batch: { readonly count: number; readonly textLength: number },
  ms: number,
): Promise<number> {
  const { messages, serverMicros } = await costOf(scene, async () => {
    const until = performance.now() + ms
    let published = 0
    for (; performance.now() < until; published += batch.count) {
      await scene.publish(batch, `${scene.topic}:0`)
    }
    return published
  })
  return serverMicros / messages
}

import { setTimeout as sleep } from 'node:timers/promises'
import { answerCommands } from './channel.ts'
import { stamp } from './clock.ts'
import type { Body, Peer, PeerSettings } from './peers/peer.ts'
import { ownUsage, type Usage, usageAfterCollection } from './usage.ts'

/** Messages to publish in one tick. */
export interface Batch {
  readonly topic: string
  readonly count: number
  readonly textLength: number
}

/** Messages to publish one by one, evenly, for a while. */
export interface Rate {
  readonly topic: string
  readonly perSecond: number
  readonly ms: number
  readonly textLength: number
}

export interface RateOutcome {
  readonly published: number
  /** The largest resident size meanwhile, sampled, in bytes. */
  readonly peakRss: number
  readonly peakExternal: number
}

/** What the program of the server under test does when asked. */
export interface ServerCommands {
  open(settings: PeerSettings): Promise<Pick<Peer, 'port' | 'path'>>
  publish(batch: Batch): Promise<void>
  publishAtRate(rate: Rate): Promise<RateOutcome>
  usage(): Usage
  collect(): Promise<Usage>
}

const RATE_TICK_MS = 2
const SAMPLE_MS = 50

let peer: Peer | undefined

answerCommands<ServerCommands>({
  async open(settings) {
    peer = await openPeer(settings)
    return { port: peer.port, path: peer.path }
  },
  async publish({ topic, count, textLength }) {
    const body = bodyOf(textLength)
    await opened().publish(topic, Array<Body>(count).fill(body))
  },
  publishAtRate,
  usage: ownUsage,
  collect: usageAfterCollection,
})

function opened(): Peer {
  if (peer === undefined) throw new Error('The peer has not been opened.')
  return peer
}

/** Loads the one server only: the others' code is none of its memory. */
async function openPeer(settings: PeerSettings): Promise<Peer> {
  const { peer: name } = settings
  switch (name) {
    case 'bare':
      return (await import('./peers/bare.ts')).openBare()
    case 'yoga':
      return (await import('./peers/yoga.ts')).openYoga(settings)
    case 'graphql-ws':
      return (await import('./peers/graphql-ws.ts')).openGraphqlWs()
    case 'mercurius':
      return (await import('./peers/mercurius.ts')).openMercurius()
    case 'carillon':
    case 'carillon-ephemeral':
      return (await import('./peers/carillon.ts')).openCarillon(settings)
    default:
      return name satisfies never
  }
}

function bodyOf(textLength: number): Body {
  return { at: stamp(), text: 'x'.repeat(textLength) }
}

/** Waits for no answer: where the server falls behind, latency shows it. */
async function publishAtRate({ topic, perSecond, ms, textLength }: Rate): Promise<RateOutcome> {
  const publisher = opened()
  const memory = sampleMemory()
  const start = performance.now()
  const inFlight = new Set<Promise<void>>()
  let published = 0
  for (let elapsed = 0; elapsed < ms; elapsed = performance.now() - start) {
    for (const due = (elapsed * perSecond) / 1_000; published < due; published++) {
      const publishing = publisher.publish(topic, [bodyOf(textLength)])
      inFlight.add(publishing)
      publishing.then(() => inFlight.delete(publishing))
    }
    await sleep(RATE_TICK_MS)
  }
  await Promise.all(inFlight)
  return { published, ...memory.stop() }
}

function sampleMemory(): { stop(): Omit<RateOutcome, 'published'> } {
  let peakRss = 0
  let peakExternal = 0
  const sample = () => {
    const { rss, external } = process.memoryUsage()
    peakRss = Math.max(peakRss, rss)
    peakExternal = Math.max(peakExternal, external)
  }
  const timer = setInterval(sample, SAMPLE_MS)
  return {
    stop() {
      clearInterval(timer)
      sample()
      return { peakRss, peakExternal }
    },
  }
}

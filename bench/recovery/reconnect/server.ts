import { setTimeout as sleep } from 'node:timers/promises'
import { answerCommands } from '../../fanout/channel.ts'
import type { Endpoint } from '../../fanout/client.ts'
import { stamp } from '../../fanout/clock.ts'
import { openCarillon } from '../../fanout/peers/carillon.ts'
import type { Body, Peer } from '../../fanout/peers/peer.ts'
import { countQueries } from './queries.ts'

export interface Batch {
  readonly topic: string
  readonly count: number
}

export interface Rate {
  readonly topic: string
  readonly perSecond: number
}

/** What the program of the server under test does when asked. */
export interface ServerCommands {
  open(databaseUrl: string): Promise<Endpoint>
  publish(batch: Batch): Promise<void>
  /** Goes on publishing evenly, and waits for no answer: where the server falls behind, latency shows it. */
  startRate(rate: Rate): void
  /** Resolves once all that was published is stored; rejects where something was not. */
  stopRate(): Promise<void>
  /** How many messages have been published to a topic. */
  head(topic: string): number
  /** How many statements have been sent to the database. */
  queries(): number
}

/** So that frames are near 300 bytes. */
const TEXT = 'x'.repeat(30)
const TICK_MS = 2

const queries = countQueries()
const heads = new Map<string, number>()
const stop = new AbortController()
let opened: Peer | undefined
let publishing: Promise<void> | undefined

answerCommands<ServerCommands>({
  async open(databaseUrl) {
    opened = await openCarillon({ peer: 'carillon', databaseUrl })
    return { port: opened.port, path: opened.path }
  },
  publish: ({ topic, count }) => publish(topic, count),
  startRate(rate) {
    publishing = publishAtRate(rate)
    publishing.catch(() => undefined) // told by `stopRate`
  },
  async stopRate() {
    stop.abort()
    await publishing
  },
  head: (topic) => heads.get(topic) ?? 0,
  queries,
})

async function publish(topic: string, count: number): Promise<void> {
  if (opened === undefined) throw new Error('The server has not been opened.')
  const bodies = Array.from({ length: count }, (): Body => ({ at: stamp(), text: TEXT }))
  await opened.publish(topic, bodies)
  heads.set(topic, (heads.get(topic) ?? 0) + count)
}

async function publishAtRate({ topic, perSecond }: Rate): Promise<void> {
  const start = performance.now()
  const inFlight = new Set<Promise<void>>()
  for (let sent = 0; !stop.signal.aborted; ) {
    for (const due = ((performance.now() - start) * perSecond) / 1_000; sent < due; sent++) {
      const one = publish(topic, 1)
      inFlight.add(one)
      one.then(
        () => inFlight.delete(one),
        () => stop.abort(), // told by the end
      )
    }
    await sleep(TICK_MS)
  }
  await Promise.all(inFlight)
}

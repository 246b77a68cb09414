import { databaseOf, type FanoutContext } from './context.ts'
import { hasAll } from './live.ts'
import type { PeerName } from './peers/peer.ts'
import { inRounds, medians } from './rounds.ts'
import { Scene } from './scene.ts'

/** How the others fare, and what the server holds, where some clients stop reading. */
export interface SlowReaders {
  readonly peer: PeerName
  readonly clients: number
  readonly stalled: number
  readonly perSecond: number
  readonly frameBytes: number
  /** Milliseconds from publishing to the clients that read. */
  readonly p50: number
  readonly p99: number
  /** Resident size at most and before, in bytes. */
  readonly peakRss: number
  readonly rssBefore: number
  /** What was published and not read, by all that stalled, in bytes. */
  readonly unread: number
  readonly loadBusy: number
  /** 1 where every client that reads got everything in time, 10 seconds after the last message. */
  readonly kept: number
}

interface SlowCase extends Pick<SlowReaders, 'peer' | 'clients' | 'perSecond' | 'frameBytes'> {
  readonly stalled: number
  readonly ms: number
}

/** Messages a second, tried upwards until the server no longer keeps up. */
const RATES = [5, 10, 20, 50, 100, 200, 500, 1_000, 2_000] as const
const TRIAL_MS = 1_500
const WARM_UP_MS = 1_000
const QUICK_MS = 200
/** A server that takes longer for a hundredth of its deliveries does not keep up. */
const KEEPS_UP_P99_MS = 200
const CATCH_UP_MS = 10_000
const BUDGET_MS = 120_000

export async function measureSlowReaders(context: FanoutContext): Promise<readonly SlowReaders[]> {
  const { quick, runs } = context.options
  const clients = quick ? 100 : 1_000
  const ms = quick ? QUICK_MS : 4_000
  const perSecond = await highestRate(context, clients)
  const many = { peer: 'carillon', clients, perSecond, frameBytes: 300, ms } as const
  // Few clients and large messages: more than the kernel's buffers hold is left unread.
  const heavy = { clients: 100, perSecond: 40, frameBytes: 16_384, ms: 1.5 * ms }
  const cases: readonly SlowCase[] = [
    { ...many, stalled: 0 },
    { ...many, stalled: clients / 100 },
    { ...heavy, peer: 'carillon', stalled: 0 },
    { ...heavy, peer: 'carillon', stalled: 10 },
    { ...heavy, peer: 'graphql-ws', stalled: 0 },
    { ...heavy, peer: 'graphql-ws', stalled: 10 },
  ]
  const measured = await inRounds({ runs, budgetMs: BUDGET_MS }, async () => {
    const rows: SlowReaders[] = []
    for (const each of cases) rows.push(await measureCase(context, each))
    return rows
  })
  return medians(measured, (row) => [row.peer, row.frameBytes, row.stalled].join())
}

async function highestRate(context: FanoutContext, clients: number): Promise<number> {
  const { quick } = context.options
  const rates = quick ? RATES.slice(0, 2) : RATES
  const trialMs = quick ? QUICK_MS : TRIAL_MS
  await using scene = await Scene.open({ peer: 'carillon', ...databaseOf(context) })
  await scene.subscribe({ clients })
  const textLength = await scene.textLengthFor(300)
  await scene.deliver({ count: 1, textLength }, { ms: trialMs })
  let highest: number = rates[0]
  for (const perSecond of rates) {
    await scene.load.ask('restart', { latency: true })
    const { published } = await scene.publishAtRate({ perSecond, ms: trialMs, textLength })
    const expected = { messages: published, withinMs: CATCH_UP_MS }
    const complete = await hasAll(() => scene.received(), expected)
    const { p99 } = await scene.latencies()
    context.log(`${perSecond} messages/s to ${clients}: p99 ${p99.toFixed(1)} ms`)
    if (!complete || p99 > KEEPS_UP_P99_MS) break
    highest = perSecond
  }
  return highest
}

async function measureCase(context: FanoutContext, slow: SlowCase): Promise<SlowReaders> {
  const { peer, clients, stalled, perSecond, frameBytes, ms } = slow
  await using scene = await Scene.open({ peer, ...databaseOf(context) })
  const { server, load } = scene
  await scene.subscribe({ clients })
  const textLength = await scene.textLengthFor(frameBytes)
  await scene.deliver({ count: 1, textLength }, { ms: Math.min(ms, WARM_UP_MS) })
  const { rss: rssBefore } = await server.ask('collect')
  await load.ask('restart', { latency: true })
  await scene.pause(stalled)
  const before = await load.ask('usage')
  const { published, peakRss } = await scene.publishAtRate({ perSecond, ms, textLength })
  const after = await load.ask('usage')
  const expected = { messages: published, withinMs: CATCH_UP_MS }
  const kept = (await hasAll(() => scene.received(), expected)) ? 1 : 0
  const { p50, p99 } = await scene.latencies()
  context.log(`${peer}, ${stalled} of ${clients} stalled: p99 ${p99.toFixed(1)} ms`)
  const unread = stalled * published * frameBytes
  const loadBusy = (after.cpuMicros - before.cpuMicros) / 1_000 / ms
  return {
    peer,
    clients,
    stalled,
    perSecond,
    frameBytes,
    p50,
    p99,
    peakRss,
    rssBefore,
    unread,
    loadBusy,
    kept,
  }
}

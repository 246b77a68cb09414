import type { FanoutContext } from './context.ts'
import { hasAll } from './live.ts'
import { Pair } from './pair.ts'
import type { PeerName } from './peers/peer.ts'
import { startRedis } from './redis-process.ts'
import { inRounds, medians } from './rounds.ts'

/** How long messages take to clients of the instance that publishes, and of another. */
export interface TwoInstances {
  readonly peer: PeerName
  readonly clients: number
  readonly perSecond: number
  /** Milliseconds from publishing to delivery. */
  readonly localP50: number
  readonly localP99: number
  readonly remoteP50: number
  readonly remoteP99: number
  readonly loadBusy: number
  /** 1 where everything arrived within 3 seconds after the last message. What did not is in no quantile. */
  readonly complete: number
}

interface Step {
  readonly perSecond: number
  readonly clients: number
}

/** From small to the size of the targets, which not every server holds. */
const STEPS: readonly Step[] = [
  { perSecond: 50, clients: 50 },
  { perSecond: 100, clients: 100 },
  { perSecond: 200, clients: 200 },
  { perSecond: 500, clients: 500 },
]
const QUICK_STEPS: readonly Step[] = [{ perSecond: 20, clients: 20 }]
const PEERS: readonly PeerName[] = ['yoga', 'carillon']
const CATCH_UP_MS = 3_000
const BUDGET_MS = 200_000
/** Of a message without text, so that all peers' frames are near 300 bytes. */
const TEXT_LENGTH = 30

/** Undefined where there is no Redis or no PostgreSQL to run it with. */
export async function measureTwoInstances(
  context: FanoutContext,
): Promise<readonly TwoInstances[] | undefined> {
  const { databaseUrl } = context
  await using redis = await startRedis()
  if (redis === undefined || databaseUrl === undefined) return undefined
  const settings = { databaseUrl, redisUrl: redis.url }
  const steps = context.options.quick ? QUICK_STEPS : STEPS
  const rounds = { runs: context.options.runs, budgetMs: BUDGET_MS }
  const measured = await inRounds(rounds, async () => {
    const rows: TwoInstances[] = []
    for (const step of steps) {
      for (const peer of PEERS) rows.push(await measure(context, { peer, ...settings }, step))
    }
    return rows
  })
  return medians(measured, ({ peer, clients }) => `${peer} ${clients}`)
}

async function measure(
  context: FanoutContext,
  settings: Parameters<Pair['open']>[0],
  { perSecond, clients }: Step,
): Promise<TwoInstances> {
  const { peer } = settings
  const { quick } = context.options
  const ms = quick ? 500 : 3_000
  const warmUpMs = quick ? 200 : 1_000
  await using pair = new Pair()
  await pair.open(settings, clients)
  await pair.publishAtRate({ perSecond, ms: warmUpMs, textLength: TEXT_LENGTH })
  await hasAll(() => pair.received(), {
    messages: (perSecond * warmUpMs) / 1_000,
    withinMs: CATCH_UP_MS,
  })
  await pair.load.ask('restart', { latency: true })
  const before = await pair.load.ask('usage')
  const { published } = await pair.publishAtRate({ perSecond, ms, textLength: TEXT_LENGTH })
  const after = await pair.load.ask('usage')
  const expected = { messages: published, withinMs: CATCH_UP_MS }
  const complete = await hasAll(() => pair.received(), expected)
  const local = await pair.load.ask('latencies', { group: 'local' })
  const remote = await pair.load.ask('latencies', { group: 'remote' })
  context.log(
    `${peer}, ${perSecond} messages/s to ${clients}: p99 ${local.p99.toFixed(1)} ms local, ${remote.p99.toFixed(1)} ms remote`,
  )
  return {
    peer,
    clients,
    perSecond,
    localP50: local.p50,
    localP99: local.p99,
    remoteP50: remote.p50,
    remoteP99: remote.p99,
    loadBusy: (after.cpuMicros - before.cpuMicros) / 1_000 / ms,
    complete: complete ? 1 : 0,
  }
}

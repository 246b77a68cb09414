import { setTimeout as sleep } from 'node:timers/promises'
import { type Remote, startRemote } from '../../fanout/channel.ts'
import { connectPublisher } from '../../publish/socket-publisher.ts'
import { createDatabase } from '../../support/database.ts'
import { largest } from '../../support/extremes.ts'
import type { Part, PartOptions, Table, Target } from '../../support/part.ts'
import { quantile } from '../../support/quantile.ts'
import { SteadyLoad } from '../steady-load.ts'
import { fillWithDue, type Reason } from './fill.ts'
import { type Longest, startSampler } from './sampler.ts'
import type { RemovalOutcome, ServerCommands } from './server.ts'

const PER_SECOND = 1_000
const SOCKETS = 10
/** A removal that takes longer has stopped. */
const REMOVAL_LIMIT_MS = 600_000
const REASONS: readonly Reason[] = ['expired', 'too old']

/** What came of one run. */
interface Measured extends RemovalOutcome {
  readonly reason: Reason
  /** Latencies of publishes before, while, and after messages were removed, in milliseconds. */
  readonly before: readonly number[]
  readonly meanwhile: readonly number[]
  readonly after: readonly number[]
  readonly longest: Longest
}

/** What publishers notice of a large removal in the same topics. */
export const retention: Part = {
  name: 'retention',
  async measure(options) {
    const all: Measured[] = []
    for (const reason of REASONS) all.push(await measureRemoval(reason, options))
    return {
      tables: [latencyTable(all), statementTable(all)],
      targets: all.flatMap(targetsOf),
    }
  },
}

async function measureRemoval(reason: Reason, { quick }: PartOptions): Promise<Measured> {
  const [messages, calmMs] = quick ? [50_000, 2_000] : [1_000_000, 15_000]
  await using database = await createDatabase()
  await using server = startRemote<ServerCommands>('../recovery/retention/server.ts')
  const maxAge = reason === 'too old' ? { maxAge: 3_600 } : {}
  const origin = await server.ask('open', { databaseUrl: database.url, ...maxAge })
  console.error(
    `Filling topics with ${messages.toLocaleString('en-US')} messages that are ${reason} …`,
  )
  await fillWithDue(database, messages, reason)
  const publishers = await Promise.all(
    Array.from({ length: SOCKETS }, () => connectPublisher(origin)),
  )
  await using load = new SteadyLoad(publishers, PER_SECOND)
  await sleep(quick ? 1_000 : 5_000)
  const before = await load.during(sleep(calmMs))
  const sampler = await startSampler(database)
  const removal = untilRemoved(server)
  const meanwhile = await load.during(removal)
  const longest = await sampler.stop()
  const after = await load.during(sleep(calmMs))
  return { reason, before, meanwhile, after, longest, ...(await removal) }
}

async function untilRemoved(server: Remote<ServerCommands>): Promise<RemovalOutcome> {
  await server.ask('begin')
  for (const end = performance.now() + REMOVAL_LIMIT_MS; performance.now() < end; ) {
    const outcome = await server.ask('outcome')
    if (outcome !== undefined) return outcome
    await sleep(100)
  }
  throw new Error('The messages were not removed in time.')
}

function latencyTable(all: readonly Measured[]): Table {
  const rows = all.flatMap(({ reason, before, meanwhile, after }) =>
    Object.entries({ before, meanwhile, after }).map(([when, latencies]) => ({
      removed: reason,
      when,
      publishes: latencies.length,
      'p50 ms': quantile(latencies, 0.5),
      'p99 ms': quantile(latencies, 0.99),
      'longest ms': largest(latencies),
    })),
  )
  return { title: `publishing ${PER_SECOND} messages/s while others are removed`, rows }
}

function statementTable(all: readonly Measured[]): Table {
  const rows = all.map(({ reason, removed, ms, statements, longest }) => ({
    removed: reason,
    messages: removed,
    seconds: ms / 1_000,
    'messages/s': (removed * 1_000) / ms,
    deletes: statements.delete.length,
    'p50 ms': quantile(statements.delete, 0.5),
    'p99 ms': quantile(statements.delete, 0.99),
    'longest ms': longest.delete,
    'tail moves': statements.move.length,
    'longest move ms': longest.move,
  }))
  return { title: 'transactions of the retention', rows }
}

function targetsOf({ reason, before, meanwhile, longest }: Measured): readonly Target[] {
  const ratio = quantile(meanwhile, 0.99) / quantile(before, 0.99)
  return [
    { name: `${reason}: publish p99, times that before`, measured: ratio, atMost: 2 },
    {
      name: `${reason}: longest transaction, ms`,
      measured: Math.max(longest.delete, longest.move),
      atMost: 50,
    },
  ]
}

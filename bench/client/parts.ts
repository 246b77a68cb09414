import { setTimeout as sleep } from 'node:timers/promises'
import { startRemote } from '../fanout/channel.ts'
import { median } from '../fanout/rounds.ts'
import { createDatabase } from '../support/database.ts'
import type { Outcome, Part, PartOptions } from '../support/part.ts'
import { startServer } from '../support/server-process.ts'
import { publishSteadily } from './publisher.ts'
import type { ReaderCommands, ReaderKind, Reading } from './reader.ts'

const KINDS: readonly ReaderKind[] = ['graphql-ws', 'carillon/client']

const PER_SECOND = 5_000
const ROUNDS = 4

/** For information: what ordering, resuming and sharing a subscription cost beside a client that does nothing of it. */
const delivery: Part = { name: 'delivery', measure: measureDelivery }

/** In the order in which they run. */
export const PARTS: readonly Part[] = [delivery]

interface Sample extends Reading {
  readonly kind: ReaderKind
  readonly perSecond: number
}

/** Rounds take turns, each with a reader in a new process. */
async function measureDelivery({ quick, runs, seconds }: PartOptions): Promise<Outcome> {
  const rounds = Math.ceil(runs ?? (quick ? 1 : ROUNDS))
  const measureMs = 1_000 * (seconds ?? (quick ? 1 : 5))
  await using database = await createDatabase()
  await using server = await startServer({ environment: { DATABASE_URL: database.url } })
  const url = `${server.origin}/graphql`
  const samples: Sample[] = []
  for (let round = 0; round < rounds; round++) {
    for (const kind of KINDS) {
      samples.push(await measureReader({ kind, url, topic: `bench:${round}:${kind}` }, measureMs))
    }
  }
  return outcomeOf(samples)
}

async function measureReader(
  { kind, url, topic }: { kind: ReaderKind; url: string; topic: string },
  measureMs: number,
): Promise<Sample> {
  await using reader = startRemote<ReaderCommands>('../client/reader.ts')
  await reader.ask('subscribe', { kind, url, topic: topic.replace('/', '-') })
  const publishing = publishSteadily({ url, topic: topic.replace('/', '-'), perSecond: PER_SECOND })
  try {
    while (!(await reader.ask('hasBegun'))) await sleep(20)
    await sleep(WARM_UP_MS)
    await reader.ask('look')
    await sleep(measureMs)
    const reading = await reader.ask('look')
    return { ...reading, kind, perSecond: (reading.messages * 1_000) / measureMs }
  } finally {
    await publishing.stop()
  }
}

/** Until what is called often is compiled, in milliseconds. */
const WARM_UP_MS = 2_000

function outcomeOf(samples: readonly Sample[]): Outcome {
  const of = (kind: ReaderKind, figure: (sample: Sample) => number) =>
    median(samples.filter((sample) => sample.kind === kind).map(figure))
  const micros = ({ cpuMicros, messages }: Sample) => cpuMicros / messages
  const bare = of('graphql-ws', micros)
  const rows = KINDS.map((kind) => ({
    client: kind,
    'messages/s': Math.round(of(kind, ({ perSecond }) => perSecond)),
    'CPU µs/message': of(kind, micros),
    'times graphql-ws': of(kind, micros) / bare,
    'heap MB': of(kind, ({ heapMegabytes }) => heapMegabytes),
  }))
  const failures = samples
    .filter(({ isInOrder }) => !isInOrder)
    .map(({ kind }) => `${kind} did not get every message once and in order`)
  return {
    tables: [{ title: `${PER_SECOND} messages a second to one client`, rows }],
    targets: [],
    failures,
  }
}

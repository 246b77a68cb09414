import { type Carillon, createCarillon } from 'carillon'
import { createDatabase, type ThrowawayDatabase } from '../../support/database.ts'
import { type Measured, measure } from '../../support/load.ts'
import type { Part } from '../../support/part.ts'
import { ownCpuMicros } from '../../support/process-usage.ts'
import type { Cell } from '../../support/table.ts'
import { fill, PATTERN, topicOf } from './fill.ts'

type Row = Readonly<Record<string, Cell>>

interface Backlog {
  readonly topics: number
  readonly batchSize: number
  readonly messages: number
}

/** Acks go to as many topics as publishes do in the bench of publishing. */
const ACKED_TOPICS = 8

/** How fast a consumer works a backlog off, and acknowledgements are written. */
export const consume: Part = {
  name: 'consume',
  async measure({ quick }) {
    await using database = await createDatabase()
    await using carillon = await createCarillon({ databaseUrl: database.url })
    const many = quick ? 10_000 : 200_000
    const few = quick ? 1_000 : 10_000
    const backlogs: readonly Backlog[] = [
      { topics: 1, batchSize: 100, messages: many },
      { topics: 16, batchSize: 100, messages: many },
      { topics: 1, batchSize: 1, messages: few },
      { topics: 16, batchSize: 1, messages: few },
    ]
    await workOff(carillon, database, { topics: 1, batchSize: 100, messages: few }) // warms up
    const handled: Row[] = []
    for (const backlog of backlogs) handled.push(await workOff(carillon, database, backlog))
    const acked: Row[] = []
    for (const atOnce of [1, 256]) {
      acked.push(await measureAcks(carillon, database, { atOnce, quick }))
    }
    return {
      tables: [
        { title: 'a backlog through a handler that does nothing, to the last ack', rows: handled },
        { title: `acknowledgements in ${ACKED_TOPICS} topics`, rows: acked },
      ],
      targets: [],
    }
  },
}

async function measureAcks(
  carillon: Carillon,
  database: ThrowawayDatabase,
  { atOnce, quick }: { readonly atOnce: number; readonly quick: boolean },
): Promise<Row> {
  await fill(database, ACKED_TOPICS, ACKED_TOPICS)
  await database.rows('UPDATE carillon.topics SET head = 1000000000')
  const duration = quick
    ? { warmUpMs: 500, measureMs: 1_500 }
    : { warmUpMs: 2_000, measureMs: 6_000 }
  return rowOf(atOnce, await measure(ackLoad(carillon, atOnce), duration))
}

/** Everything that is there, from the start of the consumer until it has stopped. */
async function workOff(
  carillon: Carillon,
  database: ThrowawayDatabase,
  { topics, batchSize, messages }: Backlog,
): Promise<Row> {
  await fill(database, topics, messages)
  const total = Math.ceil(messages / topics) * topics
  let handled = 0
  let finish = () => {}
  const finished = new Promise<void>((resolve) => {
    finish = resolve
  })
  const [start, cpuAtStart] = [performance.now(), ownCpuMicros()]
  const consumption = await carillon.consume({
    topics: [PATTERN],
    consumer: 'bench',
    batchSize,
    concurrency: 16,
    handler: async () => {
      if (++handled === total) finish()
    },
  })
  await finished
  await consumption.stop()
  const seconds = (performance.now() - start) / 1_000
  return {
    topics,
    batchSize,
    messages: total,
    'messages/s': total / seconds,
    'CPU µs/message': (ownCpuMicros() - cpuAtStart) / total,
  }
}

/** Each acknowledges the next message once the last one is acknowledged. */
function ackLoad(carillon: Carillon, atOnce: number) {
  const sequences = Array.from({ length: atOnce }, () => 0)
  return {
    publishers: atOnce,
    cpuMicros: ownCpuMicros,
    publish(number: number) {
      const sequence = (sequences[number] ?? 0) + 1
      sequences[number] = sequence
      const topic = topicOf(number % ACKED_TOPICS)
      return carillon.ack({ topic, consumer: `bench:${number}`, sequence })
    },
  }
}

function rowOf(atOnce: number, { perSecond, cpuMicrosPerMessage, p50, p99 }: Measured): Row {
  return {
    'at once': atOnce,
    'acks/s': perSecond,
    'CPU µs/ack': cpuMicrosPerMessage,
    'p50 ms': p50,
    'p99 ms': p99,
  }
}

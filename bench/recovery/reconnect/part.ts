import { startRemote } from '../../fanout/channel.ts'
import type { Endpoint } from '../../fanout/client.ts'
import { hasAll, untilLive } from '../../fanout/live.ts'
import type { LoadCommands } from '../../fanout/load.ts'
import type { ServerCommands } from '../../fanout/server.ts'
import { createDatabase, type ThrowawayDatabase } from '../../support/database.ts'
import type { Part } from '../part.ts'

/** Who comes back, and who stayed. */
interface Size {
  readonly returning: number
  readonly topics: number
  /** Messages that each has missed. */
  readonly behind: number
  readonly staying: number
}

const FULL: Size = { returning: 2_000, topics: 20, behind: 1_000, staying: 500 }
const QUICK: Size = { returning: 100, topics: 5, behind: 100, staying: 20 }

/** Of a message, so that frames are near 300 bytes. */
const TEXT_LENGTH = 30
const PER_SECOND = 50
const CALM_MS = 4_000
const BATCH = 100
const STAYED = 'stayed'
const LIVE_TOPIC = 'live'

/** Many come back at once, each far behind, while others go on listening. */
export const reconnect: Part = {
  name: 'reconnect',
  async measure({ quick }) {
    const size = quick ? QUICK : FULL
    await using database = await createDatabase()
    await using server = startRemote<ServerCommands>('./server.ts')
    await using load = startRemote<LoadCommands>('./load.ts')
    await using others = startRemote<LoadCommands>('./load.ts')
    const endpoint = await server.ask('open', { peer: 'carillon', databaseUrl: database.url })
    const cursors = await fill({ server, database, size })

    await others.ask('connect', { ...endpoint, ...staying(size) })
    await others.ask('restart', { latency: false })
    const received = () => others.ask('received', { group: STAYED })
    const probe = { topic: LIVE_TOPIC, count: 1, textLength: TEXT_LENGTH }
    await untilLive(() => server.ask('publish', probe), received)
    const beginning = await queriesOf(database)
    const calm = await latenciesDuring({ server, others }, async () => undefined)
    const before = await queriesOf(database)
    let storm = { connectMs: 0, lastMs: 0 }
    const stormy = await latenciesDuring({ server, others }, async () => {
      storm = await comeBack({ load, endpoint, cursors, size })
    })
    // What publishing and comparing heads takes is in the calm as well.
    const queries = Math.max(0, (await queriesOf(database)) - before - (before - beginning))
    const { returning, behind, topics, staying: stayed } = size
    return {
      tables: [
        {
          title: `${returning} come back, each ${behind} messages behind on one of ${topics} topics`,
          rows: [
            {
              'connected after ms': storm.connectMs,
              'the last is live after ms': storm.lastMs,
              'messages/s': (returning * behind) / (storm.lastMs / 1_000),
              'queries a client': queries / returning,
            },
          ],
        },
        {
          title: `${stayed} that stayed get ${PER_SECOND} messages/s`,
          rows: [
            { when: 'before', 'p50 ms': calm.p50, 'p99 ms': calm.p99 },
            { when: 'meanwhile', 'p50 ms': stormy.p50, 'p99 ms': stormy.p99 },
          ],
        },
      ],
      targets: [
        { name: 'queries a client', measured: queries / returning, atMost: 0.5 },
        {
          name: 'p99 of those who stayed: times that before',
          measured: stormy.p99 / calm.p99,
          atMost: 2,
        },
      ],
    }
  },
}

type Server = ReturnType<typeof startRemote<ServerCommands>>
type Load = ReturnType<typeof startRemote<LoadCommands>>

function staying({ staying: clients }: Size) {
  return { group: STAYED, topic: LIVE_TOPIC, clients, sets: 1 }
}

/** Answers a cursor of each topic that stands before all of its messages but one. */
async function fill({
  server,
  database,
  size: { topics, behind },
}: {
  readonly server: Server
  readonly database: ThrowawayDatabase
  readonly size: Size
}): Promise<readonly { readonly topic: string; readonly cursor: string }[]> {
  const names = Array.from({ length: topics }, (_, n) => `behind:${n}`)
  for (const topic of names) {
    await server.ask('publish', { topic, count: 1, textLength: TEXT_LENGTH })
    for (let left = behind; left > 0; left -= BATCH) {
      await server.ask('publish', { topic, count: Math.min(BATCH, left), textLength: TEXT_LENGTH })
    }
  }
  const { encodeCursor } = await import('../../../src/core/cursor.ts')
  const rows = await database.rows(
    'SELECT name, epoch FROM carillon.topics WHERE name = ANY ($1)',
    [names],
  )
  return rows.map(({ name, epoch }) => {
    const place = { topic: String(name), epoch: String(epoch), sequence: 1 }
    return { topic: place.topic, cursor: encodeCursor(place as never) }
  })
}

async function comeBack({
  load,
  endpoint,
  cursors,
  size: { returning, topics, behind },
}: {
  readonly load: Load
  readonly endpoint: Endpoint
  readonly cursors: readonly { readonly topic: string; readonly cursor: string }[]
  readonly size: Size
}) {
  const clients = returning / topics
  const start = performance.now()
  await Promise.all(
    cursors.map(({ topic, cursor: after }) =>
      load.ask('connect', { group: topic, ...endpoint, topic, after, clients, sets: 1 }),
    ),
  )
  const connectMs = performance.now() - start
  await Promise.all(
    cursors.map(({ topic: group }) => load.ask('untilFrames', { group, frames: clients * behind })),
  )
  return { connectMs, lastMs: performance.now() - start }
}

/** Publishes to those who stayed, at least for a while, and until the work is done. */
async function latenciesDuring(
  { server, others }: { readonly server: Server; readonly others: Load },
  work: () => Promise<void>,
) {
  await others.ask('restart', { latency: true })
  const rate = { topic: LIVE_TOPIC, perSecond: PER_SECOND, ms: CALM_MS, textLength: TEXT_LENGTH }
  const [{ published }] = await Promise.all([server.ask('publishAtRate', rate), work()])
  const received = () => others.ask('received', { group: STAYED })
  await hasAll(received, { messages: published, withinMs: 10_000 })
  return { published, ...(await others.ask('latencies', { group: STAYED })) }
}

/** Each is a transaction of its own; the server writes its counts down about once a second. */
async function queriesOf(database: ThrowawayDatabase): Promise<number> {
  await new Promise((resolve) => setTimeout(resolve, 1_500))
  const [row] = await database.rows(
    'SELECT xact_commit::int AS count FROM pg_stat_database WHERE datname = current_database()',
  )
  return Number(row?.count)
}

import { setTimeout as delay } from 'node:timers/promises'
import { createClient } from 'graphql-ws'
import { WebSocket } from 'ws'
import { execute } from './api.ts'
import type { Seen } from './history.ts'
import { judge, type Violation } from './judge.ts'
import { Publisher } from './publisher.ts'
import { Random } from './random.ts'
import { readLog } from './read-log.ts'
import { createWorld } from './world.ts'

const TOPIC = 'chaos:purged'
const BEFORE = 30
const AFTER = 60
const PURGE = 'mutation ($topic: TopicName!) { purgeTopic(topic: $topic) { epoch } }'

const QUERY = `subscription ($topics: [TopicPattern!]!, $after: [Cursor!], $last: Int) {
  messages(topics: $topics, after: $after, last: $last) { id topic sequence cursor payload }
}`

/**
 * A subscriber is away while its topic is purged, and comes back with its cursor: it has to be told, and gets what
 * was published since by asking for all that is kept.
 */
export async function checkPurge(build: string): Promise<readonly Violation[]> {
  await using world = await createWorld(build, 1)
  const port = world.instances[0]?.port ?? 0
  const publisher = new Publisher({
    ...{ name: 'publisher', topics: [TOPIC], ports: [port], random: new Random(1), pauseMs: 0 },
    signal: AbortSignal.timeout(60_000),
  })
  for (let n = 0; n < BEFORE; n++) await publisher.publish(TOPIC)
  const cursor = (await read(port, { last: 1 })).cursor
  await execute(port, PURGE, { topic: TOPIC })
  publisher.acknowledged.length = 0
  for (let n = 0; n < AFTER; n++) await publisher.publish(TOPIC)
  const { seen } = await read(port, { after: [cursor ?? ''] })
  const { acknowledged } = publisher
  const start: Seen = { ...beginning(acknowledged[0]?.id ?? ''), sequence: 0 }
  const name = 'one that was away'
  return judge({
    acknowledged,
    subscribers: [
      // As one who has seen all up to the beginning: what it misses of the new epoch shows as lost.
      { name, kind: 'cursor', topics: [TOPIC], seen: [start, ...seen], failures: [] },
    ],
    log: await readLog(port, [TOPIC]),
  })
}

function beginning(id: string): Seen {
  return {
    id: `before ${id}`,
    topic: TOPIC,
    sequence: 0,
    payload: '',
    resumed: false,
    connection: 1,
    ackedBefore: 0,
    at: 0,
  }
}

interface Read {
  readonly seen: readonly Seen[]
  readonly cursor: string | undefined
}

/** What comes within a moment; where the cursor has expired, all that is kept. */
async function read(
  port: number,
  start: { readonly after?: readonly string[]; readonly last?: number },
): Promise<Read> {
  const seen: Seen[] = []
  let cursor: string | undefined
  const client = createClient({
    url: `ws://127.0.0.1:${port}/graphql`,
    webSocketImpl: WebSocket,
    retryAttempts: 0,
  })
  let isExpired = false
  client.subscribe<{ messages: Seen & { cursor: string } }>(
    { query: QUERY, variables: { topics: [TOPIC], ...start } },
    {
      next: ({ data }) => {
        if (data == null) return
        cursor = data.messages.cursor
        seen.push({ ...data.messages, resumed: false, connection: 1, ackedBefore: 0, at: 0 })
      },
      error: (error) => {
        isExpired = JSON.stringify(error).includes('CURSOR_EXPIRED')
      },
      complete: () => {},
    },
  )
  for (let waited = 0; waited < 3_000 && !isExpired; waited += 50) await delay(50)
  await client.dispose()
  return isExpired ? read(port, { last: 1_000 }) : { seen, cursor }
}

import { setTimeout as delay } from 'node:timers/promises'
import { type Client, createClient } from 'graphql-ws'
import { describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { startServer } from '../support/carillon.ts'
import { CLIENTS } from '../support/client-libraries.ts'
import { openTcpProxy } from '../support/tcp-proxy.ts'

/** What a subscriber was shown. */
interface Seen {
  readonly sequence: number
  readonly resumed: boolean
}

function clientOf(port: number, clientId: string): Client {
  return createClient({
    url: `ws://127.0.0.1:${port}/graphql`,
    webSocketImpl: WebSocket,
    connectionParams: { clientId },
    lazy: true,
    retryAttempts: Number.POSITIVE_INFINITY,
    retryWait: () => delay(5),
    shouldRetry: () => true,
  })
}

const CUTS = 100

describe.each(CLIENTS)('%s, whose connection is cut in mid-stream', (name, listen) => {
  test(`misses nothing in ${CUTS} cuts, and knows what may be a repeat`, {
    timeout: 120_000,
  }, async () => {
    await using server = await startServer()
    await using proxy = await openTcpProxy(Number(new URL(server.url).port))
    const topic = `chat:${name.replaceAll(' ', '-')}`
    const seen: Seen[] = []
    const client = clientOf(proxy.port, 'tab-1')
    listen(
      client,
      `subscription { messages(topics: "${topic}") { id sequence payload } }`,
      ({ data, extensions }) => {
        const { sequence } = (data as { messages: { sequence: number } }).messages
        const carillon = extensions?.carillon as { resumed?: boolean } | undefined
        seen.push({ sequence, resumed: carillon?.resumed === true })
      },
    )
    const publish = () => server.carillon.publish({ topic, payload: 'hi' })
    while (seen.length === 0) await publish()
    for (let cut = 0; cut < CUTS; cut++) {
      const connections = proxy.accepted
      for (let n = 0; n < 1 + (cut % 7); n++) await publish()
      proxy.cut()
      for (let n = 0; n < cut % 4; n++) await publish()
      while (proxy.accepted === connections) await delay(1)
    }
    const last = (await publish()).message.sequence ?? 0
    while (!seen.some(({ sequence }) => sequence === last)) await delay(5)
    const first = seen[0]?.sequence ?? 0
    expect([...new Set(seen.map(({ sequence }) => sequence))]).toEqual(
      Array.from({ length: last - first + 1 }, (_, n) => first + n),
    )
    expect(unmarkedRepeats(seen)).toEqual([])
    await client.dispose()
  })
})

/** What came twice without a mark. */
function unmarkedRepeats(seen: readonly Seen[]): readonly Seen[] {
  const known = new Set<number>()
  return seen.filter((one) => {
    const isRepeat = known.has(one.sequence)
    known.add(one.sequence)
    return isRepeat && !one.resumed
  })
}

import { randomUUID } from 'node:crypto'
import { cpuMicrosOf } from '../support/process-usage.ts'
import type { ServerProcess } from '../support/server-process.ts'
import type { PublishCase } from './case.ts'
import { payloadOf, topicOf } from './sample.ts'
import { connectPublisher, type SocketPublisher } from './socket-publisher.ts'

export const CONNECTIONS = 50
export const IN_FLIGHT = 8

/** Connections to a server, closed afterwards. */
export interface Sockets extends AsyncDisposable {
  readonly publishers: readonly SocketPublisher[]
}

export async function connectSockets({ origin }: ServerProcess): Promise<Sockets> {
  const connecting = Array.from({ length: CONNECTIONS }, () => connectPublisher(origin))
  const publishers = await Promise.all(connecting)
  return {
    publishers,
    async [Symbol.asyncDispose]() {
      await Promise.all(publishers.map((publisher) => publisher[Symbol.asyncDispose]()))
    },
  }
}

/** `publish` mutations, with several in flight on each connection. */
export function graphqlCase(
  { pid }: ServerProcess,
  { publishers }: Sockets,
  { keys }: { readonly keys: boolean },
): PublishCase {
  let number = 0
  return {
    name: keys ? 'GraphQL over WebSocket, idempotency keys' : 'GraphQL over WebSocket',
    load: {
      publishers: publishers.length * IN_FLIGHT,
      cpuMicros: () => cpuMicrosOf(pid),
      publish: async (index) =>
        publishers[index % publishers.length]?.publish({
          topic: topicOf(index),
          payload: payloadOf(number++),
          ...(keys ? { idempotencyKey: randomUUID() } : {}),
        }),
    },
  }
}

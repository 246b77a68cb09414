import { WebSocket } from 'ws'
import { type CarillonClient, type ClientOptions, createClient } from '../../src/client/index.ts'

/** A client that is closed with its test, and quick to connect again. */
export function openClient(url: string, options: Partial<ClientOptions> = {}): CarillonClient {
  return createClient({
    url,
    webSocketImpl: WebSocket,
    backoff: { baseMs: 5, maxMs: 50 },
    timeout: 20_000,
    ...options,
  })
}

/** What a client tells of its state, and why. */
export function watchStates(client: CarillonClient): readonly string[] {
  const states: string[] = []
  client.onState(({ state, reason }) => {
    states.push(reason === undefined ? state : `${state}: ${reason.code}`)
  })
  return states
}

export function upTo(last: number, first = 1): readonly number[] {
  return Array.from({ length: last - first + 1 }, (_, n) => first + n)
}

/** Enough for what takes a server some turns. */
export const SOON = { timeout: 15_000, interval: 10 }

/** A class of sockets, and the operations that were sent over them. */
export function recordSockets() {
  const sent: Sent[] = []
  class RecordingWebSocket extends WebSocket {
    override send(text: string): void {
      sent.push(JSON.parse(text) as Sent)
      super.send(text)
    }
  }
  return {
    webSocketImpl: RecordingWebSocket,
    /** The variables of each time that an operation was sent. */
    asked: (name: string) =>
      sent.flatMap(({ payload }) =>
        payload?.query?.includes(` ${name}(`) === true ? [payload.variables ?? {}] : [],
      ),
    /** How many operations the client has ended. */
    completed: () => sent.filter(({ type }) => type === 'complete').length,
  }
}

interface Sent {
  readonly type: string
  readonly payload?: { readonly query?: string; readonly variables?: Record<string, unknown> }
}

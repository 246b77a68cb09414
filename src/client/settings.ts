import type { ClientOptions } from './client-options.ts'
import { CarillonError } from './error.ts'
import type { WebSocketClass } from './socket.ts'
import { uniqueId } from './unique-id.ts'
import { socketUrl } from './url.ts'

/** The options of a client, with what holds where they say nothing. */
export type Settings = ReturnType<typeof settingsOf>

/** @throws TypeError where the address is none, CarillonError INVALID_INPUT where there is no class of WebSockets */
export function settingsOf(options: ClientOptions) {
  return {
    ...options,
    url: socketUrl(options.url),
    webSocketImpl: options.webSocketImpl ?? platformWebSocket(),
    clientId: options.clientId ?? uniqueId(),
    // biome-ignore lint/suspicious/noConsole: where the application does not take errors, they have to be seen
    report: options.onError ?? console.error,
    timeout: options.timeout ?? 10_000,
    connectTimeout: options.connectTimeout ?? 10_000,
    maxQueuedPublishes: options.maxQueuedPublishes ?? 10_000,
    maxWaitingMessages: options.maxWaitingMessages ?? 1_000,
    keepAlive: options.keepAlive ?? 10_000,
    keepAliveTimeout: options.keepAliveTimeout ?? 5_000,
  }
}

function platformWebSocket(): WebSocketClass {
  const { WebSocket } = globalThis as { WebSocket?: WebSocketClass }
  if (WebSocket) return WebSocket
  throw new CarillonError('INVALID_INPUT', 'There is no WebSocket: pass webSocketImpl.')
}

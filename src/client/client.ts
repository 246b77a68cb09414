import { Caller } from './caller.ts'
import type { ClientOptions } from './client-options.ts'
import { Connector } from './connector.ts'
import type { Context } from './context.ts'
import { CarillonError } from './error.ts'
import { Feeds } from './feeds.ts'
import type { ReportFault } from './listeners.ts'
import { Publisher } from './publisher.ts'
import { recoverer } from './recover.ts'
import type { WebSocketClass } from './socket.ts'
import type { ConnectionState, StateChange } from './state.ts'
import { Topic, type TopicContext } from './topic.ts'
import { uniqueId } from './unique-id.ts'
import { socketUrl } from './url.ts'

/** A client of one Carillon server, or of several instances behind one address. */
export class CarillonClient {
  /** How this device or tab is called. */
  readonly clientId: string
  readonly #context: TopicContext

  /** @throws TypeError where the address is none, CarillonError INVALID_INPUT where there is no class of WebSockets */
  constructor(options: ClientOptions) {
    const { url, token, connectionParams, clientId = uniqueId() } = options
    const {
      webSocketImpl = platformWebSocket(),
      backoff = {},
      onError: report = logError,
    } = options
    const { connectTimeout = 10_000, keepAlive = 10_000, keepAliveTimeout = 5_000 } = options
    const { timeout = 10_000, maxQueuedPublishes = 10_000, maxWaitingMessages = 1_000 } = options
    const connector = new Connector({
      url: socketUrl(url),
      webSocketImpl,
      token: token === undefined ? undefined : async () => resolved(token),
      params: () => ({ clientId, ...resolved(connectionParams) }),
      connectTimeout,
      keepAlive,
      keepAliveTimeout,
      backoff,
      report,
    })
    const bounds = { timeout, maxQueuedPublishes, maxWaitingMessages }
    const recover = recoverer(connector, backoff)
    const context: Context = { connector, recover, report, ...bounds }
    const caller = new Caller(context)
    const publisher = new Publisher(context)
    this.clientId = clientId
    this.#context = { ...context, caller, publisher, feeds: new Feeds(context) }
  }

  /** How it stands to the server. It connects when it is asked for something first, and then stays connected. */
  get state(): ConnectionState {
    return this.#context.connector.state
  }

  /** Why the last connection, or the last try, failed. Undefined while all is well, and after `close()`. */
  get reason(): CarillonError | undefined {
    return this.#context.connector.reason
  }

  /** Told of each change of the state. Answers how to be told no more. */
  onState(listener: (change: StateChange) => void): () => void {
    return this.#context.connector.stateChanges.add(listener)
  }

  /** Connects without being asked for anything. Idempotent. */
  connect(): void {
    this.#context.connector.start()
  }

  /**
   * A topic. `T` is what its payloads are: nothing checks it here; a server can.
   * @throws CarillonError INVALID_TOPIC_NAME where it is not 1 to 128 characters out of `A-Z a-z 0-9 _ - : .`
   */
  topic<T = unknown>(name: string): Topic<T> {
    if (!/^[\w\-:.]{1,128}$/.test(name)) throw new CarillonError('INVALID_TOPIC_NAME')
    return new Topic<T>(name, this.#context)
  }

  /**
   * Ends everything, for good: subscriptions end, the client leaves where it is present, and calls that have no answer reject with
   * NOT_CONNECTED. Idempotent.
   */
  async close(): Promise<void> {
    this.#context.connector.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}

/**
 * A client of the server at `url`.
 * @throws TypeError where the address is none, CarillonError INVALID_INPUT where there is no class of WebSockets
 */
export function createClient(options: ClientOptions): CarillonClient {
  return new CarillonClient(options)
}

function resolved<T>(value: T | (() => T)): T {
  return typeof value === 'function' ? (value as () => T)() : value
}

function platformWebSocket(): WebSocketClass {
  const { WebSocket } = globalThis as { WebSocket?: WebSocketClass }
  if (WebSocket !== undefined) return WebSocket
  throw new CarillonError('INVALID_INPUT', 'Pass a `webSocketImpl`: there is no WebSocket here.')
}

const logError: ReportFault = (error) => {
  // biome-ignore lint/suspicious/noConsole: where the application does not take errors, they have to be seen
  console.error(error)
}

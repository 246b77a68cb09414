import { Caller } from './caller.ts'
import { type ClientOptions, DEFAULT_OPTIONS } from './client-options.ts'
import { Connector } from './connector.ts'
import { CarillonError } from './error.ts'
import { Feeds } from './feeds.ts'
import type { ReportFault } from './listeners.ts'
import { Publisher } from './publisher.ts'
import type { WebSocketClass } from './socket.ts'
import type { ConnectionState, StateChange } from './state.ts'
import { Topic, type TopicParts } from './topic.ts'
import { uniqueId } from './unique-id.ts'
import { socketUrl } from './url.ts'

/** A client of one Carillon server, or of several instances behind one address. */
export class CarillonClient {
  /** How this device or tab is called. */
  readonly clientId: string
  readonly #connector: Connector
  readonly #parts: TopicParts

  /** @throws CarillonError INVALID_INPUT where the address is none, or there is no class of WebSockets */
  constructor(options: ClientOptions) {
    const { backoff = {}, onError: report = logError, ...given } = options
    const bounds = { ...DEFAULT_OPTIONS, ...definedOf(given) }
    const { timeout: timeoutMs, maxQueuedPublishes: maxQueued } = bounds
    this.clientId = options.clientId ?? uniqueId()
    const connector = new Connector({
      url: socketUrl(options.url),
      webSocketImpl: options.webSocketImpl ?? platformWebSocket(),
      token: tokenSource(options.token),
      params: () => ({ clientId: this.clientId, ...paramsOf(options.connectionParams) }),
      connectTimeoutMs: bounds.connectTimeout,
      keepAliveMs: bounds.keepAlive,
      keepAliveTimeoutMs: bounds.keepAliveTimeout,
      backoff,
      report,
    })
    const caller = new Caller(connector, timeoutMs, backoff)
    this.#connector = connector
    this.#parts = {
      connector,
      caller,
      publisher: new Publisher(connector, caller, { timeoutMs, maxQueued }),
      feeds: new Feeds(connector, backoff),
      maxWaiting: bounds.maxWaitingMessages,
      clientId: this.clientId,
      presence: { connector, backoff, timeoutMs, report },
      report,
    }
  }

  /** How it stands to the server. It connects when it is asked for something first, and then stays connected. */
  get state(): ConnectionState {
    return this.#connector.state
  }

  /** Why the last connection, or the last try, failed. Undefined while all is well, and after `close()`. */
  get reason(): CarillonError | undefined {
    return this.#connector.reason
  }

  /** Told of each change of the state. Answers how to be told no more. */
  onState(listener: (change: StateChange) => void): () => void {
    return this.#connector.onState(listener)
  }

  /** Connects without being asked for anything. Idempotent. */
  connect(): void {
    this.#connector.start()
  }

  /** A topic. `T` is what its payloads are: nothing checks it here; a server can. */
  topic<T = unknown>(name: string): Topic<T> {
    return new Topic<T>(name, this.#parts)
  }

  /**
   * Ends everything, for good: subscriptions end, the client leaves where it is present, and calls that have no answer reject with
   * NOT_CONNECTED. Idempotent.
   */
  async close(): Promise<void> {
    this.#connector.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}

/**
 * A client of the server at `url`.
 * @throws CarillonError INVALID_INPUT where the address is none, or there is no class of WebSockets
 */
export function createClient(options: ClientOptions): CarillonClient {
  return new CarillonClient(options)
}

function tokenSource(token: ClientOptions['token']): (() => Promise<string>) | undefined {
  if (token === undefined) return undefined
  return async () => (typeof token === 'function' ? token() : token)
}

function paramsOf(params: ClientOptions['connectionParams']): Record<string, unknown> | undefined {
  return typeof params === 'function' ? params() : params
}

/** Without what is there and undefined. */
function definedOf<T extends object>(options: T): { [Key in keyof T]: Exclude<T[Key], undefined> } {
  const defined = Object.entries(options).filter(([, value]) => value !== undefined)
  return Object.fromEntries(defined) as { [Key in keyof T]: Exclude<T[Key], undefined> }
}

function platformWebSocket(): WebSocketClass {
  const { WebSocket } = globalThis as { WebSocket?: WebSocketClass }
  if (WebSocket !== undefined) return WebSocket
  const text = 'There is no WebSocket here: pass that of the package ws as `webSocketImpl`.'
  throw new CarillonError('INVALID_INPUT', text)
}

const logError: ReportFault = (error) => {
  // biome-ignore lint/suspicious/noConsole: where the application does not take errors, they have to be seen
  console.error(error)
}

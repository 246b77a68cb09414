import { caller } from './call.ts'
import type { ClientOptions } from './client-options.ts'
import { Connector } from './connector.ts'
import type { Context } from './context.ts'
import { CarillonError } from './error.ts'
import { feeds } from './feeds.ts'
import { publisher } from './publisher.ts'
import { settingsOf } from './settings.ts'
import type { ConnectionState, StateChange } from './state.ts'
import { Topic, type TopicContext } from './topic.ts'

/** A client of one Carillon server, or of several instances behind one address. */
export class CarillonClient {
  /** How this device or tab is called. */
  readonly clientId: string
  readonly #context: TopicContext

  /** @throws TypeError where the address is none, CarillonError INVALID_INPUT where there is no class of WebSockets */
  constructor(options: ClientOptions) {
    const settings = settingsOf(options)
    const context: Context = { ...settings, connector: new Connector(settings) }
    this.clientId = settings.clientId
    this.#context = {
      ...context,
      call: caller(context),
      publish: publisher(context),
      join: feeds(context),
    }
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
    if (!/^[\w:.-]{1,128}$/.test(name)) throw new CarillonError('INVALID_TOPIC_NAME')
    return new Topic<T>(name, this.#context)
  }

  /**
   * Ends everything, for good: subscriptions end, the client leaves where it is present, and calls that have no answer reject with
   * NOT_CONNECTED. Idempotent.
   */
  async close(): Promise<void> {
    this.#context.connector.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

/**
 * A client of the server at `url`.
 * @throws TypeError where the address is none, CarillonError INVALID_INPUT where there is no class of WebSockets
 */
export function createClient(options: ClientOptions): CarillonClient {
  return new CarillonClient(options)
}

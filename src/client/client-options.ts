import type { BackoffOptions } from './backoff.ts'
import type { WebSocketClass } from './socket.ts'

export interface ClientOptions {
  /** Where GraphQL is: http, https, ws or wss; in a browser also a path of the page's own host, such as `/graphql`. */
  readonly url: string
  /**
   * What the client shows of itself: a JSON Web Token or an API key. A function is asked before each connection, and for a fresh one before
   * a token that says when it runs out (`exp`) does. Default: nothing, for servers in open mode.
   */
  readonly token?: string | (() => string | Promise<string>) | undefined
  /** How this device or tab is called, 1 to 128 characters. Default: a random one for each client. */
  readonly clientId?: string | undefined
  /** What else goes into `connection_init`, such as `userId` in open mode. Default: nothing. */
  readonly connectionParams?: Record<string, unknown> | (() => Record<string, unknown>) | undefined
  /** Default: `WebSocket` of the platform. In Node before 22: that of the package `ws`. */
  readonly webSocketImpl?: WebSocketClass | undefined
  /** How long a call may take in all, waiting for a connection and trying again included, in milliseconds. Default 10000. */
  readonly timeout?: number | undefined
  /** Publishes that may wait for their answers; one more is refused. Default 10000. */
  readonly maxQueuedPublishes?: number | undefined
  /** Messages that may wait for one slow handler; those over it are read from history. Default 1000. */
  readonly maxWaitingMessages?: number | undefined
  /** Pauses before it connects again: random, up to a bound that doubles from `baseMs` to `maxMs`. Default 250 and 20000. */
  readonly backoff?: BackoffOptions | undefined
  /** How long making a connection may take, in milliseconds. Default 10000. */
  readonly connectTimeout?: number | undefined
  /** A connection that has been silent for so long is asked for a sign of life, in milliseconds. Default 10000. */
  readonly keepAlive?: number | undefined
  /** How long it has for that until it is given up, in milliseconds. Default 5000. */
  readonly keepAliveTimeout?: number | undefined
  /**
   * Told of what handlers and listeners throw, of gaps that no `onGap` is told of, and of subscriptions that end by themselves without an
   * `onError`. Default: `console.error`.
   */
  readonly onError?: ((error: unknown) => void) | undefined
}

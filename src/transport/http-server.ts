import { createServer, type RequestListener, type Server } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { TlsOptions } from 'node:tls'

/** What one connection may take of a server of our own. */
export interface HttpBounds {
  /** How long the headers of a request may take, in milliseconds; also the first ones of a connection. */
  readonly headersTimeoutMs: number
  /** How long a whole request may take, in milliseconds. Answers may take as long as they like. */
  readonly requestTimeoutMs: number
  /** How long a connection is kept for another request, in milliseconds. */
  readonly keepAliveTimeoutMs: number
  /** All headers of a request, in bytes. */
  readonly headerBytes: number
  /** Headers of a request. */
  readonly headers: number
}

export const DEFAULT_HTTP_BOUNDS: HttpBounds = {
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 30_000,
  keepAliveTimeoutMs: 65_000, // proxies keep theirs for 60 seconds, and answer 502 where ours ends first
  headerBytes: 16 * 1024,
  headers: 100,
}

/** How often connections are looked through for those that take too long, in milliseconds; or sooner. */
const CHECK_INTERVAL_MS = 2_000

/** Makes a server, over TLS where there are options for it. */
export function createHttpServer(
  listener: RequestListener,
  bounds: HttpBounds = DEFAULT_HTTP_BOUNDS,
  tls?: TlsOptions,
): Server {
  const options = {
    headersTimeout: bounds.headersTimeoutMs,
    requestTimeout: bounds.requestTimeoutMs,
    keepAliveTimeout: bounds.keepAliveTimeoutMs,
    connectionsCheckingInterval: Math.min(CHECK_INTERVAL_MS, bounds.headersTimeoutMs),
    maxHeaderSize: bounds.headerBytes,
  }
  const counting: RequestListener = (request, response) => {
    // Node would drop what is too many without a word: `maxHeadersCount`.
    if (request.rawHeaders.length <= 2 * bounds.headers) return listener(request, response)
    response.writeHead(431, { connection: 'close' }).end()
  }
  if (tls === undefined) return createServer(options, counting)
  const handshakeTimeout = bounds.headersTimeoutMs
  return createTlsServer({ handshakeTimeout, ...tls, ...options }, counting)
}

import {
  type CarillonClient,
  type CarillonError,
  createClient,
  type StateChange,
} from '../client/index.ts'
import { ConnectionWatch } from './connection-watch.ts'
import { Failure } from './failure.ts'
import { failureOf } from './failure-of.ts'
import { finalRefusal } from './reason.ts'
import { Sockets } from './sockets.ts'
import { listenForStop, type Stop, stopped } from './stop.ts'
import { BACKOFF, readTarget, type Target, type TargetValues } from './target.ts'

/** What a command has to talk to a server with. */
export interface Session {
  readonly client: CarillonClient
  readonly target: Target
  readonly watch: ConnectionWatch
  readonly sockets: Sockets
  /** Aborted where the command has to end before its work is done. */
  readonly signal: AbortSignal
}

/**
 * Runs a command that talks to a server, and closes the connection behind it.
 * @throws UsageError, Failure, Interrupted
 */
export async function withSession(
  values: TargetValues,
  work: (session: Session) => Promise<void>,
): Promise<void> {
  const target = readTarget(values, process.env)
  using stop = listenForStop()
  const sockets = new Sockets()
  const watch = new ConnectionWatch(target)
  const client = clientOf(target, sockets, stop)
  client.onState((change) => follow(change, target, { watch, stop }))
  const { signal } = stop
  try {
    await Promise.race([work({ client, target, watch, sockets, signal }), stopped(signal)])
  } catch (error) {
    throw signal.aborted ? signal.reason : failureOf(error, target, client.reason)
  } finally {
    await client.close()
    await sockets.close()
  }
}

function clientOf(target: Target, sockets: Sockets, stop: Stop): CarillonClient {
  const { url, token, userId, timeoutMs } = target
  const client: CarillonClient = createClient({
    url,
    token,
    connectionParams: userId === undefined ? {} : { userId },
    webSocketImpl: sockets.implementation,
    timeout: timeoutMs,
    backoff: BACKOFF,
    // Nothing ends by itself here but because the server refuses it.
    onError: (error) => stop.now(asError(failureOf(error, target, client.reason))),
  })
  return client
}

function follow({ state, reason }: StateChange, target: Target, { watch, stop }: Followed): void {
  const refusal = finalRefusal(reason)
  if (refusal !== undefined) {
    stop.now(new Failure(`There is no Carillon at ${target.address}: ${refusal.message}.`))
  } else if (state === 'closed' && reason !== undefined) {
    stop.now(asError(failureOf(reason, target, reason)))
  } else if (state === 'live') watch.connected()
  else if (state === 'offline' && isOfNetwork(reason)) watch.lost(reason)
}

interface Followed {
  readonly watch: ConnectionWatch
  readonly stop: Stop
}

/** What the server says against this client is told in the end, and not while it is tried again. */
function isOfNetwork(reason: CarillonError | undefined): boolean {
  return reason?.retryable === true
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error))
}

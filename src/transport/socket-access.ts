import type { Access } from '../access/access.ts'
import type { Authenticator } from '../access/authenticator.ts'
import { socketCredentials } from '../access/credentials.ts'
import type { InFlight } from '../access/in-flight.ts'
import type { LimitName } from '../access/limits.ts'
import { LiveAccess } from '../access/live-access.ts'
import type { Viewer } from '../access/viewer.ts'
import type { ReportError } from '../graphql/errors.ts'
import type { Operations } from '../operations/operations.ts'
import { CLOSE_CODES } from '../protocol/close-codes.ts'
import { CarillonError, ERRORS } from '../protocol/errors.ts'
import type { ResumableConnection } from '../resume/resumable-connection.ts'
import type { Resumptions } from '../resume/resumptions.ts'
import { type Connection, closeConnection } from './connection.ts'

export interface SocketAccessParts {
  readonly access: Access
  readonly authenticator: Authenticator
  readonly operations: Operations
  readonly resumptions: Resumptions
  /** Connections and streams by user; undefined where users are not told apart. */
  readonly perUser: InFlight | undefined
  /** How long a connection whose credentials have run out stays open for fresh ones, in milliseconds. */
  readonly renewalMs: number
  readonly report: ReportError
  /** Told the name of a limit that refused something. */
  readonly onLimit: (limit: LimitName) => void
}

/** How long what ends with its credentials has to say so before the connection is closed, in milliseconds. */
const LAST_WORDS_MS = 100

/** Whose WebSockets these are: lets clients in, renews what they may do, and closes those that may not stay. */
export class SocketAccess {
  readonly #parts: SocketAccessParts

  constructor(parts: SocketAccessParts) {
    this.#parts = parts
  }

  /** Finds out who a client is; answers whether it is let in. One that is not is closed. */
  async connect(
    connection: Connection,
    params: Record<string, unknown> | undefined,
  ): Promise<boolean> {
    const { authenticator, operations, perUser } = this.#parts
    try {
      const credentials = socketCredentials(connection.headers, params)
      const viewer = await authenticator.authenticate(credentials)
      operations.ensureValid(viewer)
      if (connection.isLost) return false
      perUser?.acquire(viewer.userId)
      connection.credentials = credentials
      connection.reader.allow(undefined)
      connection.live = this.#openAccess(connection, viewer)
      connection.resume = this.#openResumable(connection, viewer)
      return true
    } catch (error) {
      if (!(error instanceof CarillonError)) throw error
      this.refuse(connection, error)
      return false
    }
  }

  /** @throws CarillonError UNAUTHENTICATED, INVALID_INPUT */
  async renew({ live, credentials }: Connection, token: string | undefined): Promise<Viewer> {
    if (live === undefined || credentials === undefined) throw new CarillonError('UNAUTHENTICATED')
    const connectionParams = { ...credentials.connectionParams, token }
    await live.renew(
      await this.#parts.authenticator.authenticate({ ...credentials, token, connectionParams }),
    )
    return live.viewer
  }

  /** Closes a connection with the code and the text of an error. */
  refuse(connection: Connection, error: CarillonError): void {
    if (error.limit !== undefined) this.#parts.onLimit(error.limit as LimitName) // one of ours
    if (error.cause !== undefined) this.#parts.report(error)
    closeConnection(connection, ERRORS[error.code].closeCode, reasonOf(error))
  }

  /** Lets go of a client that is gone. */
  forget({ live }: Connection): void {
    if (live === undefined) return
    live.close()
    this.#parts.perUser?.release(live.viewer.userId)
  }

  /** Credentials that run out leave the connection open for a while; without fresh ones, its client comes back. */
  #openAccess(connection: Connection, viewer: Viewer): LiveAccess {
    const { access, renewalMs } = this.#parts
    const { outbox } = connection
    return new LiveAccess(viewer, {
      access,
      graceMs: renewalMs,
      onExpired: () => outbox.rest(),
      onRenewed: () => outbox.wake(),
      onEnded: (error) => {
        // What its subscriptions end with is sent before.
        const close = () => closeConnection(connection, CLOSE_CODES.FORBIDDEN, reasonOf(error))
        setTimeout(close, LAST_WORDS_MS).unref()
      },
    })
  }

  /** A client that does not name itself cannot be known again. */
  #openResumable(
    { outbox }: Connection,
    { userId, clientId }: Viewer,
  ): ResumableConnection | undefined {
    if (clientId === null) return undefined
    return this.#parts.resumptions.open({
      userId,
      clientId,
      // Its Pong proves the results before it: it must not overtake any.
      ping: (payload) => outbox.sendInOrder(JSON.stringify({ type: 'ping', payload })),
    })
  }
}

function reasonOf({ code, message }: CarillonError): string {
  return `${code}: ${message}`
}

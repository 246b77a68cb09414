import { backoffMs } from './backoff.ts'
import { type Loss, lossOf } from './close.ts'
import { Connection } from './connection.ts'
import { defer } from './deferred.ts'
import { DOCUMENTS } from './documents.ts'
import { CarillonError, carillonError } from './error.ts'
import { Listeners } from './listeners.ts'
import { runOnce } from './run-once.ts'
import type { Settings } from './settings.ts'
import type { ConnectionState, StateChange } from './state.ts'
import { after, deadlineIn, within } from './timing.ts'
import { renewalInMs } from './token.ts'
import { onWake } from './wake.ts'

/** After so many refusals in a row, each with credentials asked for anew, the next one would be refused as well. */
const MAX_REFUSALS = 3

/** A connection that lived for so long, in milliseconds, was a good one: the next pause is short again. */
const STABLE_MS = 5_000

/** Keeps a client connected: one connection at a time, a new one whenever it is lost. */
export class Connector {
  readonly stateChanges: Listeners<[StateChange]>
  /** Told of each connection, when it is open; and once of none, when there will be no other. */
  readonly connections: Listeners<[Connection | undefined]>
  state: ConnectionState = 'offline'
  /** Why the last connection or try failed; undefined while all is well, and after `close()`. */
  reason: CarillonError | undefined
  /** Why it is closed; undefined while it is not. */
  end: CarillonError | undefined
  /** The one that is open; undefined while there is none. */
  connection: Connection | undefined
  /** Whether there has been a connection. */
  wasConnected = false
  readonly #settings: Settings
  /** Who still gets what was missed. */
  readonly #behind = new Set<unknown>()
  /** Which may not be open yet, or no longer. */
  #newest: Connection | undefined
  #next = defer<Connection>()
  #failures = 0
  #refusals = 0
  #goOn = () => {}
  #stopWaking: (() => void) | undefined
  #cancelRenewal = () => {}
  #renewing: Promise<boolean> | undefined

  constructor(settings: Settings) {
    this.#settings = settings
    this.stateChanges = new Listeners(settings.report)
    this.connections = new Listeners(settings.report)
  }

  /** Connects, and stays connected. Idempotent. */
  start(): void {
    if (this.#stopWaking || this.end) return
    this.#stopWaking = onWake(() => {
      this.#goOn()
      this.connection?.probe()
    })
    void this.#run()
  }

  /**
   * The connection, once there is one.
   * @throws CarillonError NOT_CONNECTED where there is none in time, or will be none
   */
  async ready(deadline: number): Promise<Connection> {
    if (this.end) throw this.end
    this.start()
    return this.connection ?? within(deadline, 'NOT_CONNECTED', this.#next.promise)
  }

  /** While somebody gets what was missed, the state is `resuming`. */
  markBehind(who: unknown): void {
    if (this.state !== 'live') this.#behind.add(who)
  }

  markCaughtUp(who: unknown): void {
    if (this.#behind.delete(who)) this.#settle()
  }

  /** Brings a fresh token over the open connection; answers whether the server took it. */
  renew(): Promise<boolean> {
    this.#renewing ??= this.#renew().finally(() => {
      this.#renewing = undefined
    })
    return this.#renewing
  }

  async #run(): Promise<void> {
    while (!this.end) {
      this.#enter(this.wasConnected ? 'resuming' : 'connecting')
      const { error, isFatal } = await this.#connectOnce().catch(lossOf)
      if (this.end) return
      if (isFatal || this.#isRefused(error)) return this.close(error)
      const pauseMs = backoffMs(this.#failures++, this.#settings.backoff)
      this.reason = error
      this.#enter('offline', pauseMs)
      const paused = defer<void>()
      const cancel = after(pauseMs, paused.resolve)
      this.#goOn = paused.resolve
      await paused.promise
      cancel()
    }
  }

  /** Resolves when the connection, or the try, is over; rejects with what the function for tokens throws. */
  async #connectOnce(): Promise<Loss> {
    const { clientId, connectionParams } = this.#settings
    const token = await this.#fresh()
    const lost = defer<Loss>()
    let openedAt = Number.POSITIVE_INFINITY
    const connection = new Connection(this.#settings, {
      connectionParams: { clientId, ...resolved(connectionParams), token },
      onOpen: () => {
        openedAt = performance.now()
        this.#open(connection, token)
      },
      onLost: (loss) => {
        this.connection = undefined
        this.#cancelRenewal()
        if (performance.now() - openedAt > STABLE_MS) this.#failures = 0
        lost.resolve(loss)
      },
    })
    this.#newest = connection
    if (this.end) connection.close()
    return lost.promise
  }

  #open(connection: Connection, token: string | undefined): void {
    this.connection = connection
    this.#next.resolve(connection)
    this.#next = defer()
    this.#refusals = 0
    this.reason = undefined
    this.#behind.clear()
    this.#scheduleRenewal(token)
    this.connections.tell(connection)
    this.wasConnected = true
    this.#settle()
  }

  #isRefused({ code }: CarillonError): boolean {
    const isRefusal = code === 'UNAUTHENTICATED' || code === 'PERMISSION_DENIED'
    return isRefusal && ++this.#refusals >= MAX_REFUSALS
  }

  #settle(): void {
    if (this.connection && this.#behind.size === 0) this.#enter('live')
  }

  #enter(state: ConnectionState, retryInMs?: number): void {
    const previous = this.state
    this.state = state
    if (previous === state) return
    this.stateChanges.tell({ state, previous, reason: this.reason, retryInMs })
  }

  /** For good; for a reason, if it was not wished for. Idempotent. */
  close(reason?: CarillonError): void {
    if (this.end) return
    this.end =
      reason ?? new CarillonError('NOT_CONNECTED', 'The client is closed.', { retryable: false })
    this.reason = reason
    this.#stopWaking?.()
    this.#cancelRenewal()
    this.#goOn()
    this.connections.tell(undefined)
    this.#newest?.close()
    this.#next.reject(this.end)
    this.#enter('closed')
  }

  #scheduleRenewal(token: string | undefined): void {
    const waitMs = renewalInMs(token)
    if (!waitMs) return
    this.#cancelRenewal = after(waitMs, async () => {
      // The old one still holds for a while: there is time for another try.
      if (!(await this.renew()) && this.connection) this.#scheduleRenewal(token)
    })
  }

  /** A token; who is asked for it may take no longer than a connection. */
  #fresh(): Promise<string | undefined> {
    const { token, connectTimeout } = this.#settings
    const asked = (async () => resolved(token))()
    return within(deadlineIn(connectTimeout), 'NETWORK_ERROR', asked)
  }

  async #renew(): Promise<boolean> {
    const { token: ask, connectTimeout } = this.#settings
    const { connection } = this
    if (!ask || !connection) return false
    try {
      const token = await this.#fresh()
      const deadline = deadlineIn(connectTimeout)
      await runOnce(connection, DOCUMENTS.refreshToken, { token }, deadline)
      this.#cancelRenewal()
      if (connection === this.connection) this.#scheduleRenewal(token)
      return true
    } catch (error) {
      if (carillonError(error).code === 'UNAUTHENTICATED') connection.abandon(error)
      return false
    }
  }
}

function resolved<T>(value: T | (() => T)): T {
  return typeof value === 'function' ? (value as () => T)() : value
}

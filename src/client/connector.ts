import { type BackoffOptions, backoffMs } from './backoff.ts'
import { type Loss, lossOf } from './close.ts'
import { Connection, type ConnectionOptions } from './connection.ts'
import { type Deferred, defer } from './deferred.ts'
import { DOCUMENTS } from './documents.ts'
import { CarillonError, carillonError } from './error.ts'
import { Listeners, type ReportFault } from './listeners.ts'
import { runOnce } from './run-once.ts'
import type { ConnectionState, StateChange } from './state.ts'
import { after, deadlineIn, type Limits, pause, within } from './timing.ts'
import { renewalInMs } from './token.ts'
import { onWake } from './wake.ts'

export interface ConnectorOptions extends Omit<ConnectionOptions, 'params'> {
  /** Asked before each connection, and for fresh tokens. Undefined where there are none. */
  readonly token: (() => Promise<string>) | undefined
  /** Of `connection_init`, besides the token. */
  readonly params: () => Record<string, unknown>
  readonly backoff: BackoffOptions
  readonly report: ReportFault
}

/** After so many refusals in a row, each with credentials asked for anew, the next one would be refused as well. */
const MAX_REFUSALS = 3

/** A connection that lived for so long, in milliseconds, was a good one: the next pause is short again. */
const STABLE_MS = 5_000

/** Keeps a client connected: one connection at a time, a new one whenever it is lost. */
export class Connector {
  readonly #options: ConnectorOptions
  readonly #onState: Listeners<[StateChange]>
  readonly #onConnected: Listeners<[Connection]>
  readonly #onClosed: Listeners<[CarillonError]>
  /** Who still gets what was missed. */
  readonly #behind = new Set<unknown>()
  #state: ConnectionState = 'offline'
  #reason: CarillonError | undefined
  #connection: Connection | undefined
  #opening: Connection | undefined
  #next: Deferred<Connection> = openDeferred()
  #end: CarillonError | undefined
  #wasConnected = false
  #isStarted = false
  #failures = 0
  #refusals = 0
  #waking = new AbortController()
  #stopWaking = () => {}
  #cancelRenewal = () => {}
  #renewing: Promise<boolean> | undefined

  constructor(options: ConnectorOptions) {
    this.#options = options
    this.#onState = new Listeners(options.report)
    this.#onConnected = new Listeners(options.report)
    this.#onClosed = new Listeners(options.report)
  }

  get state(): ConnectionState {
    return this.#state
  }

  /** Why the last connection or try failed; undefined while all is well, and after `close()`. */
  get reason(): CarillonError | undefined {
    return this.#reason
  }

  /** The one that is open; undefined while there is none. */
  get connection(): Connection | undefined {
    return this.#connection?.isLost === false ? this.#connection : undefined
  }

  /** Whether there has been a connection. */
  get wasConnected(): boolean {
    return this.#wasConnected
  }

  /** Why it is closed; undefined while it is not. */
  get end(): CarillonError | undefined {
    return this.#end
  }

  onState(listener: (change: StateChange) => void): () => void {
    return this.#onState.add(listener)
  }

  /** Told of each connection, when it is open. */
  onConnected(listener: (connection: Connection) => void): () => void {
    return this.#onConnected.add(listener)
  }

  /** Told once, when there will be no other connection. */
  onClosed(listener: (error: CarillonError) => void): () => void {
    return this.#onClosed.add(listener)
  }

  /** Connects, and stays connected. Idempotent. */
  start(): void {
    if (this.#isStarted || this.#end !== undefined) return
    this.#isStarted = true
    this.#stopWaking = onWake(() => this.#wake())
    void this.#run()
  }

  /**
   * The connection, once there is one.
   * @throws CarillonError NOT_CONNECTED where there is none in time, or will be none
   */
  ready(limits: Limits): Promise<Connection> {
    if (this.#end !== undefined) return Promise.reject(this.#end)
    this.start()
    const { connection } = this
    if (connection !== undefined) return Promise.resolve(connection)
    return within(limits, () => this.#notConnected(), this.#next.promise)
  }

  /** While somebody gets what was missed, the state is `resuming`. */
  markBehind(who: unknown): void {
    if (this.#state !== 'live') this.#behind.add(who)
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

  /** For good. Idempotent. */
  close(): void {
    this.#finish(new CarillonError('NOT_CONNECTED', 'The client is closed.', { retryable: false }))
  }

  async #run(): Promise<void> {
    while (this.#end === undefined) {
      this.#enter(this.#wasConnected ? 'resuming' : 'connecting')
      const loss = await this.#connectOnce()
      if (this.#end !== undefined) return
      if (this.#isOver(loss)) return this.#finish(loss.error, loss.error)
      const retryInMs = Math.max(
        loss.error.retryAfterMs ?? 0,
        backoffMs(this.#failures++, this.#options.backoff),
      )
      this.#reason = loss.error
      this.#enter('offline', retryInMs)
      this.#waking = new AbortController()
      await pause(retryInMs, this.#waking.signal)
    }
  }

  /** Resolves when the connection, or the try, is over. */
  async #connectOnce(): Promise<Loss> {
    try {
      const token = await this.#options.token?.()
      if (this.#end !== undefined) return lossOf(this.#end)
      const params = { ...this.#options.params(), ...(token === undefined ? {} : { token }) }
      const connection = new Connection({ ...this.#options, params })
      this.#opening = connection
      if (await connection.opened()) this.#open(connection, token)
      const openedAt = performance.now()
      const loss = await connection.lost()
      if (this.#connection === connection && performance.now() - openedAt > STABLE_MS) {
        this.#failures = 0
      }
      this.#drop(connection)
      return loss
    } catch (cause) {
      return { error: tokenError(cause), isFatal: false }
    }
  }

  #open(connection: Connection, token: string | undefined): void {
    this.#connection = connection
    this.#refusals = 0
    this.#reason = undefined
    this.#behind.clear()
    const next = this.#next
    this.#next = openDeferred()
    if (token !== undefined) this.#scheduleRenewal(token)
    this.#onConnected.tell(connection)
    next.resolve(connection)
    this.#wasConnected = true
    this.#settle()
  }

  #drop(connection: Connection): void {
    this.#cancelRenewal()
    if (this.#connection === connection) this.#connection = undefined
  }

  #isOver({ error, isFatal }: Loss): boolean {
    if (error.code !== 'UNAUTHENTICATED' && error.code !== 'PERMISSION_DENIED') return isFatal
    this.#refusals++
    return isFatal || this.#refusals >= MAX_REFUSALS
  }

  #settle(): void {
    if (this.#connection !== undefined && this.#behind.size === 0) this.#enter('live')
  }

  #enter(state: ConnectionState, retryInMs?: number): void {
    const previous = this.#state
    if (previous === state && state !== 'offline') return
    this.#state = state
    this.#onState.tell({ state, previous, reason: this.#reason, retryInMs })
  }

  #finish(error: CarillonError, reason?: CarillonError): void {
    if (this.#end !== undefined) return
    this.#end = error
    this.#reason = reason
    this.#stopWaking()
    this.#cancelRenewal()
    this.#waking.abort()
    this.#onClosed.tell(error)
    this.#opening?.close()
    this.#connection = undefined
    this.#next.reject(error)
    this.#enter('closed')
  }

  #wake(): void {
    this.#waking.abort()
    this.#connection?.probe()
  }

  #notConnected(): CarillonError {
    const cause = this.#reason
    return new CarillonError('NOT_CONNECTED', undefined, cause === undefined ? {} : { cause })
  }

  #scheduleRenewal(token: string): void {
    const waitMs = renewalInMs(token)
    if (waitMs === undefined) return
    this.#cancelRenewal = after(waitMs, () => {
      void this.renew().then((isRenewed) => {
        // The old one still holds for a while: there is time for another try.
        if (!isRenewed && this.#connection !== undefined) this.#scheduleRenewal(token)
      })
    })
  }

  async #renew(): Promise<boolean> {
    const { token: fresh } = this.#options
    const connection = this.#connection
    if (fresh === undefined || connection === undefined) return false
    try {
      const token = await fresh()
      const limits: Limits = { deadline: deadlineIn(this.#options.connectTimeoutMs) }
      await runOnce(connection, DOCUMENTS.refreshToken, { token }, limits)
      this.#cancelRenewal()
      if (connection === this.#connection) this.#scheduleRenewal(token)
      return true
    } catch (error) {
      if (carillonError(error).code === 'UNAUTHENTICATED') connection.abandon(error)
      return false
    }
  }
}

/** Nobody may wait for it. */
function openDeferred(): Deferred<Connection> {
  const deferred = defer<Connection>()
  deferred.promise.catch(() => {})
  return deferred
}

/** What the application's function threw: without a token there is no connection. */
function tokenError(cause: unknown): CarillonError {
  if (cause instanceof CarillonError) return cause
  return new CarillonError('NETWORK_ERROR', 'There is no token: the function threw.', { cause })
}

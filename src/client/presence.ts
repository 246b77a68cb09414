import { applyPresence, type PresenceEventType, type Present } from '../protocol/presence.ts'
import { type BackoffOptions, backoffMs } from './backoff.ts'
import { type Connection, operationId, type Result } from './connection.ts'
import type { Connector } from './connector.ts'
import { type Deferred, defer } from './deferred.ts'
import { DOCUMENTS } from './documents.ts'
import { CarillonError, carillonError, serverError } from './error.ts'
import { Listeners, type ReportFault } from './listeners.ts'
import { runOnce } from './run-once.ts'
import { after, deadlineIn, type Limits, pause, within } from './timing.ts'

/** One user in a topic, however many clients they have open. */
export interface PresenceMember<State = unknown> {
  readonly userId: string
  readonly clientIds: readonly string[]
  /** What that client of the user says which said something last; null for nothing. */
  readonly state: State | null
  /** ISO 8601, in UTC: since when the user has been there. */
  readonly joinedAt: string
  /** ISO 8601, in UTC: when the user last entered, or said a state. */
  readonly lastSeenAt: string
}

/** What changed: everyone for SYNC, else those who came, changed or went. */
export interface PresenceChange<State = unknown> {
  readonly type: PresenceEventType
  readonly members: readonly PresenceMember<State>[]
}

export interface PresenceParts {
  readonly topic: string
  readonly connector: Connector
  readonly backoff: BackoffOptions
  /** How long a state may take to be said, in milliseconds. */
  readonly timeoutMs: number
  readonly report: ReportFault
}

/** Who is in a topic, kept up to date. While there is no connection, they are those who were there last. */
export class PresenceView<State = unknown> {
  protected readonly parts: PresenceParts
  readonly #onChange: Listeners<[readonly PresenceMember<State>[], PresenceChange<State>]>
  readonly #stopListening: readonly (() => void)[]
  readonly #id = operationId()
  #present: Present<PresenceMember<State>> = new Map()
  #members: readonly PresenceMember<State>[] = []
  #stop = () => {}
  #cancelRetry = () => {}
  #failures = 0
  #isOver = false

  constructor(parts: PresenceParts) {
    const { connector, report } = parts
    this.parts = parts
    this.#onChange = new Listeners(report)
    this.#stopListening = [
      connector.onConnected((connection) => this.#open(connection)),
      connector.onClosed(() => this.leave()),
    ]
    connector.start()
    queueMicrotask(() => this.#reopen()) // when it is made
  }

  /** Everyone who is there; another array after each change. Empty until the first SYNC has come. */
  get members(): readonly PresenceMember<State>[] {
    return this.#members
  }

  /** Told of everyone who is there, and of what changed. Answers how to be told no more. */
  onChange(
    listener: (members: readonly PresenceMember<State>[], change: PresenceChange<State>) => void,
  ): () => void {
    return this.#onChange.add(listener)
  }

  /** Watches no more, and is there no more. Doing it twice does nothing. */
  leave(): void {
    if (this.#isOver) return
    this.#isOver = true
    for (const stop of this.#stopListening) stop()
    this.#cancelRetry()
    this.#stop()
    this.onLost(new CarillonError('NOT_CONNECTED', 'The topic was left.', { retryable: false }))
  }

  [Symbol.dispose](): void {
    this.leave()
  }

  /** As whom to be there; undefined for only watching. */
  protected entrance(): { readonly state: unknown } | undefined {
    return undefined
  }

  /** The server says who is there, this client included if it has entered. */
  protected onSync(_connection: Connection): void {}

  /** It is not there for the moment; for good where there is an error. */
  protected onLost(_error?: CarillonError): void {}

  #reopen(): void {
    const { connection } = this.parts.connector
    this.#stop()
    if (connection !== undefined && !this.#isOver) this.#open(connection)
  }

  #open(connection: Connection): void {
    this.#cancelRetry()
    this.#stop()
    this.onLost()
    const variables = { topics: [this.parts.topic], enter: this.entrance() }
    this.#stop = connection.run(
      { query: DOCUMENTS.presence, variables, id: this.#id },
      {
        next: (result) => this.#take(result, connection),
        error: (errors) => this.#refused(serverError(errors)),
        complete: () => this.#retry(backoffMs(this.#failures++, this.parts.backoff)),
        lost: () => this.onLost(),
      },
    )
  }

  #take({ data, errors }: Result, connection: Connection): void {
    if (errors !== undefined || data == null) this.#refused(serverError(errors))
    else this.#apply(data.presence as PresenceChange<State>, connection) // as the document says
  }

  #apply(change: PresenceChange<State>, connection: Connection): void {
    this.#failures = 0
    this.#present = applyPresence(this.#present, change)
    this.#members = [...this.#present.values()]
    if (change.type === 'SYNC') this.onSync(connection)
    this.#onChange.tell(this.#members, change)
  }

  #refused(error: CarillonError): void {
    const { connector, backoff, report } = this.parts
    const failures = this.#failures++
    this.#stop()
    if (error.code === 'UNAUTHENTICATED' && failures === 0) {
      void connector.renew().then((isRenewed) => isRenewed && this.#retry(0))
    } else if (error.retryable) this.#retry(error.retryAfterMs ?? backoffMs(failures, backoff))
    else {
      this.leave()
      report(error)
    }
  }

  #retry(waitMs: number): void {
    this.#cancelRetry()
    this.#cancelRetry = after(waitMs, () => this.#reopen())
  }
}

/** This client, in a topic: there for as long as it does not leave, through every lost connection. */
export class PresenceEntry<State = unknown> extends PresenceView<State> {
  #state: State | undefined
  /** Counts the states; `#said` is the newest one that the server has. */
  #version = 0
  #said = 0
  /** The version that it enters with. */
  #entering = 0
  /** Resolves when it is there. */
  #entered = openDeferred()
  #isIn = false
  #saying: Promise<void> | undefined

  constructor(parts: PresenceParts, state: State | undefined) {
    super(parts)
    this.#state = state
  }

  /** What this client says. */
  get state(): State | undefined {
    return this.#state
  }

  /**
   * Says another state. Resolves once the server has it, or a later one. Without a connection it is said upon the next one, also
   * where this rejects.
   * @throws CarillonError NOT_CONNECTED, ACK_TIMEOUT, PAYLOAD_TOO_LARGE, PERMISSION_DENIED
   */
  update(state: State): Promise<void> {
    this.#state = state
    this.#version++
    this.#saying ??= this.#say().finally(() => {
      this.#saying = undefined
    })
    return this.#saying
  }

  protected override entrance(): { readonly state: unknown } {
    this.#entering = this.#version
    return { state: this.#state ?? null }
  }

  protected override onSync(connection: Connection): void {
    this.#said = Math.max(this.#said, this.#entering)
    this.#isIn = true
    this.#entered.resolve(connection)
  }

  protected override onLost(error?: CarillonError): void {
    if (error !== undefined) this.#entered.reject(error)
    else if (this.#isIn) this.#entered = openDeferred()
    this.#isIn = false
  }

  async #say(): Promise<void> {
    const { timeoutMs, backoff, connector, topic } = this.parts
    const limits: Limits = { deadline: deadlineIn(timeoutMs) }
    for (let failures = 0; this.#said !== this.#version; ) {
      const version = this.#version
      try {
        const connection = await within(
          limits,
          () => new CarillonError('NOT_CONNECTED'),
          this.#entered.promise,
        )
        if (this.#said === this.#version) return
        const variables = { topic, state: this.#state ?? null }
        await runOnce(connection, DOCUMENTS.updatePresence, variables, limits)
        this.#said = Math.max(this.#said, version)
      } catch (thrown) {
        const error = carillonError(thrown)
        if (connector.end !== undefined || !error.retryable || performance.now() > limits.deadline)
          throw error
        await pause(error.retryAfterMs ?? backoffMs(failures++, backoff))
      }
    }
  }
}

/** Nobody may wait for it. */
function openDeferred(): Deferred<Connection> {
  const deferred = defer<Connection>()
  deferred.promise.catch(() => {})
  return deferred
}

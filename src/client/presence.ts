import { applyPresence, type PresenceEventType, type Present } from '../protocol/presence.ts'
import type { Connection } from './connection.ts'
import type { Context } from './context.ts'
import { defer } from './deferred.ts'
import { DOCUMENTS } from './documents.ts'
import { CarillonError, carillonError } from './error.ts'
import { Listeners } from './listeners.ts'
import { runOnce } from './run-once.ts'
import { StandingOperation } from './standing-operation.ts'
import { deadlineIn, within } from './timing.ts'

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

export type PresenceListener<State> = (
  members: readonly PresenceMember<State>[],
  change: PresenceChange<State>,
) => void

/** Who is in a topic, kept up to date. While there is no connection, they are those who were there last. */
export interface PresenceView<State = unknown> extends Disposable {
  /** Everyone who is there; another array after each change. Empty until the first SYNC has come. */
  readonly members: readonly PresenceMember<State>[]
  /** Told of everyone who is there, and of what changed. Answers how to be told no more. */
  onChange(listener: PresenceListener<State>): () => void
  /** Watches no more, and is there no more. Doing it twice does nothing. */
  leave(): void
}

/** This client, in a topic: there for as long as it does not leave, through every lost connection. */
export interface PresenceEntry<State = unknown> extends PresenceView<State> {
  /** What this client says. */
  readonly state: State | undefined
  /**
   * Says another state. Resolves once the server has it, or a later one. Without a connection it is said upon the next one, also
   * where this rejects.
   * @throws CarillonError NOT_CONNECTED, ACK_TIMEOUT, PAYLOAD_TOO_LARGE, PERMISSION_DENIED, …
   */
  update(state: State): Promise<void>
}

export interface PresenceOptions {
  /**
   * Told of what ends it by itself, such as PERMISSION_DENIED: nobody is told of changes any more, and this client is not there. Default:
   * what reports errors of the client.
   */
  readonly onError?: ((error: CarillonError) => void) | undefined
}

/** A subscription to who is in a topic, with which this client may be there itself. */
export class Presence<State> implements PresenceEntry<State> {
  state: State | undefined
  members: readonly PresenceMember<State>[] = []
  readonly #topic: string
  readonly #timeout: number
  readonly #operation: StandingOperation
  readonly #listeners: Listeners<Parameters<PresenceListener<State>>>
  #present: Present<PresenceMember<State>> = new Map()
  /** Resolves when everyone is known, this client included if it has entered. */
  #synced = defer<Connection>()
  #isSynced = false
  #said: Promise<void> = Promise.resolve()

  /** @param entered with which state to be there; undefined for only watching */
  constructor(
    topic: string,
    entered: { readonly state: State | undefined } | undefined,
    context: Context,
    { onError = context.report }: PresenceOptions = {},
  ) {
    this.state = entered?.state
    this.#topic = topic
    this.#timeout = context.timeout
    this.#listeners = new Listeners(context.report)
    this.#operation = new StandingOperation(context, {
      query: DOCUMENTS.presence,
      variables: () => ({ topics: [topic], enter: entered && { state: this.state ?? null } }),
      next: ({ presence }, connection) =>
        this.#apply(presence as PresenceChange<State>, connection), // as the document says
      lost: () => this.#lose(),
      end: (error) => {
        this.leave()
        if (error) onError(error)
      },
    })
    this.#operation.start()
  }

  onChange(listener: PresenceListener<State>): () => void {
    return this.#listeners.add(listener)
  }

  /** One after the other, so that the last one stays. */
  update(state: State): Promise<void> {
    this.state = state
    const deadline = deadlineIn(this.#timeout)
    const say = () => this.#say(deadline)
    this.#said = this.#said.then(say, say) // who said what came before is told of its failure
    return within(deadline, 'NOT_CONNECTED', this.#said)
  }

  leave(): void {
    this.#operation.close()
    this.#lose()
    this.#synced.reject(new CarillonError('NOT_CONNECTED', undefined, { retryable: false }))
  }

  [Symbol.dispose](): void {
    this.leave()
  }

  #apply(change: PresenceChange<State>, connection: Connection): void {
    this.#present = applyPresence(this.#present, change)
    this.members = [...this.#present.values()]
    this.#isSynced = true // the first event is a SYNC
    this.#synced.resolve(connection)
    this.#listeners.tell(this.members, change)
  }

  #lose(): void {
    if (this.#isSynced) this.#synced = defer()
    this.#isSynced = false
  }

  async #say(deadline: number): Promise<void> {
    const connection = await this.#synced.promise
    if (performance.now() > deadline) return // the entrance has said it
    const said = { topic: this.#topic, state: this.state ?? null }
    try {
      await runOnce(connection, DOCUMENTS.updatePresence, said, deadline)
    } catch (error) {
      if (carillonError(error).code !== 'NETWORK_ERROR') throw error
      await this.#synced.promise // the next entrance says it
    }
  }
}

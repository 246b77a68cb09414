import { backoffMs } from './backoff.ts'
import type { Connection, Result } from './connection.ts'
import type { Context } from './context.ts'
import { type CarillonError, serverError } from './error.ts'
import { after } from './timing.ts'
import { uniqueId } from './unique-id.ts'

export interface StandingParts {
  readonly query: string
  /** Asked for anew each time that it is sent. */
  readonly variables: () => Record<string, unknown>
  readonly onData: (data: Record<string, unknown>, connection: Connection) => void
  /** It is not on the server for the moment, and will be again. */
  readonly onLost: () => void
  /** It will never be again: the server refuses it, or the client is closed; then, if that was wished for, without an error. */
  readonly onEnd: (error: CarillonError | undefined) => void
}

/** A subscription of GraphQL that outlives connections: sent again on each, and where the server has ended it for the moment. */
export class StandingOperation {
  readonly #context: Context
  readonly #parts: StandingParts
  readonly #stopListening: readonly (() => void)[]
  #id = uniqueId()
  #failures = 0
  #hasRenewed = false
  #stop = () => {}
  #cancelRetry = () => {}

  constructor(context: Context, parts: StandingParts) {
    const { connector } = context
    this.#context = context
    this.#parts = parts
    this.#stopListening = [
      connector.connections.add((connection) => this.#send(connection)),
      connector.closes.add((error) => {
        this.close()
        parts.onEnd(connector.reason && error)
      }),
    ]
  }

  start(): void {
    this.#context.connector.start()
    this.#resend()
  }

  /** With other variables, as another one. */
  restart(): void {
    this.#id = uniqueId()
    this.#resend()
  }

  close(): void {
    for (const stop of this.#stopListening) stop()
    this.#cancelRetry()
    this.#stop()
  }

  #resend(): void {
    const { connection } = this.#context.connector
    if (connection !== undefined) this.#send(connection)
  }

  #send(connection: Connection): void {
    const { query, variables, onLost } = this.#parts
    this.#cancelRetry()
    this.#stop()
    onLost()
    this.#stop = connection.run(
      { query, variables: variables(), id: this.#id },
      {
        next: (result) => this.#take(result, connection),
        error: (errors) => this.#refused(serverError(errors)),
        complete: () => this.#retry(),
        lost: onLost,
      },
    )
  }

  #take({ data, errors }: Result, connection: Connection): void {
    if (errors !== undefined || data == null) this.#refused(serverError(errors))
    else {
      this.#failures = 0
      this.#hasRenewed = false
      this.#parts.onData(data, connection)
    }
  }

  #refused(error: CarillonError): void {
    this.#stop()
    if (error.code === 'UNAUTHENTICATED' && !this.#hasRenewed) {
      this.#hasRenewed = true
      // Where the server is about to close the connection, the next one has fresh credentials anyway.
      void this.#context.connector.renew().then((isRenewed) => isRenewed && this.#retry(0))
    } else if (error.retryable) this.#retry(error.retryAfterMs)
    else {
      this.close()
      this.#parts.onEnd(error)
    }
  }

  #retry(waitMs = backoffMs(this.#failures++, this.#context.backoff)): void {
    this.#cancelRetry()
    this.#cancelRetry = after(waitMs, () => this.#resend())
  }
}

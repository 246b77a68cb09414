import type { Connection, Result } from './connection.ts'
import type { Context } from './context.ts'
import { CarillonError, serverError } from './error.ts'
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
  readonly #stopListening: () => void
  #id = uniqueId()
  #failures = 0
  #isClosed = false
  #stop = () => {}

  constructor(context: Context, parts: StandingParts) {
    const { connector } = context
    this.#context = context
    this.#parts = parts
    this.#stopListening = connector.connections.add((connection) => {
      if (connection === undefined) this.#end(connector.reason && connector.end)
      else this.#send(connection)
    })
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
    this.#isClosed = true
    this.#stopListening()
    this.#stop()
  }

  #resend(): void {
    const { connection } = this.#context.connector
    if (connection !== undefined && !this.#isClosed) this.#send(connection)
  }

  #send(connection: Connection): void {
    const { query, variables, onLost } = this.#parts
    this.#stop()
    onLost()
    this.#stop = connection.run(
      { query, variables: variables(), id: this.#id },
      {
        next: (result) => this.#take(result, connection),
        error: (errors) => this.#refused(serverError(errors)),
        complete: () =>
          this.#refused(new CarillonError('SERVICE_UNAVAILABLE', undefined, { retryable: true })),
        lost: onLost,
      },
    )
  }

  #take({ data, errors }: Result, connection: Connection): void {
    if (errors !== undefined || data == null) this.#refused(serverError(errors))
    else {
      this.#failures = 0
      this.#parts.onData(data, connection)
    }
  }

  #refused(error: CarillonError): void {
    this.#stop()
    const failures = this.#failures++
    this.#context.recover(error, failures, Number.POSITIVE_INFINITY).then(
      () => this.#resend(),
      () => {
        // The server is about to close the connection of who is not known; the next one has fresh credentials.
        if (error.code !== 'UNAUTHENTICATED' || failures > 0) this.#end(error)
      },
    )
  }

  #end(error: CarillonError | undefined): void {
    if (this.#isClosed) return
    this.close()
    this.#parts.onEnd(error)
  }
}

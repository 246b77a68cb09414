import type { Connection } from './connection.ts'
import type { Context } from './context.ts'
import type { CarillonError } from './error.ts'
import { recover } from './recover.ts'
import { uniqueId } from './unique-id.ts'

export interface StandingParts {
  readonly query: string
  /** Asked for anew each time that it is sent. */
  readonly variables: () => Record<string, unknown>
  readonly next: (data: Record<string, unknown>, connection: Connection) => void
  /** It is not on the server for the moment, and will be again. */
  readonly lost: () => void
  /** It will never be again: the server refuses it, or the client is closed; then, if that was wished for, without an error. */
  readonly end: (error: CarillonError | undefined) => void
}

/** A subscription of GraphQL that outlives connections: sent again on each, and where the server has ended it for the moment. */
export class StandingOperation {
  readonly #context: Context
  readonly #parts: StandingParts
  readonly #stopListening: () => void
  #id = ''
  #failures = 0
  #isClosed = false
  #stop = () => {}

  constructor(context: Context, parts: StandingParts) {
    const { connector } = context
    this.#context = context
    this.#parts = parts
    this.#stopListening = connector.connections.add((connection) => {
      if (connection) this.#send(connection)
      else this.#end(connector.reason)
    })
  }

  /** Again, too: with other variables, as another one. */
  start(): void {
    const { connector } = this.#context
    this.#id = uniqueId()
    connector.start()
    if (connector.end) queueMicrotask(() => this.#end(connector.reason))
    this.#resend()
  }

  close(): void {
    this.#isClosed = true
    this.#stopListening()
    this.#stop()
  }

  #resend(): void {
    const { connection } = this.#context.connector
    if (connection && !this.#isClosed) this.#send(connection)
  }

  #send(connection: Connection): void {
    const { query, variables, next, lost } = this.#parts
    this.#stop()
    lost()
    this.#stop = connection.run(
      { query, variables: variables(), id: this.#id },
      {
        next: (data) => {
          this.#failures = 0
          next(data, connection)
        },
        error: (error) => this.#recover(error),
        lost,
      },
    )
  }

  #recover(error: CarillonError): void {
    const failures = this.#failures++
    recover(this.#context, error, { failures, deadline: Number.POSITIVE_INFINITY }).then(
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
    this.#parts.end(error)
  }
}

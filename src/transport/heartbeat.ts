import type { WebSocket } from 'ws'
import type { Connection } from './connection.ts'

/** One timer for all sockets: who has not answered since the last beat is gone. */
export class Heartbeat {
  readonly #connections: Iterable<Connection>
  readonly #timer: NodeJS.Timeout
  /** Sockets that have not answered the last beat yet. */
  readonly #silent = new WeakSet<WebSocket>()

  constructor(connections: Iterable<Connection>, intervalMs: number) {
    this.#connections = connections
    this.#timer = setInterval(() => this.#beat(), intervalMs).unref()
  }

  /** Takes note of a sign of life. */
  hear(socket: WebSocket): void {
    this.#silent.delete(socket)
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  #beat(): void {
    for (const { socket, outbox, reader } of this.#connections) {
      // What waits for a slow client stands in front of the ping: the outbox looks after it.
      // Its sign of life may be among what nobody has read yet.
      if (outbox.bytes > 0 || reader.isBehind) this.#silent.delete(socket)
      else if (this.#silent.has(socket)) socket.terminate()
      else {
        this.#silent.add(socket)
        socket.ping()
      }
    }
  }
}

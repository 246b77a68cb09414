import type { ClientRequest, IncomingMessage } from 'node:http'
import { WebSocket } from 'ws'
import type { WebSocketClass } from '../client/index.ts'

/** How long a server may take to say goodbye, in milliseconds. */
const GOODBYE_MS = 1_000

/** How long a server may take to open a socket, in milliseconds. */
const HANDSHAKE_MS = 10_000

/** What graphql-ws closes a socket with that it gives up. */
const TERMINATED = 4499

/** The answer of something that is no GraphQL over WebSocket, or will have none of this client. */
export class UpgradeRefused extends Error {
  readonly status: number

  constructor(status: number) {
    super(`it answers with ${status}`)
    this.status = status
  }
}

/** The sockets of one command: Node 20 has none of its own. They end with the command, and say why they could not be made. */
export class Sockets {
  readonly #open = new Set<WebSocket>()
  #isPaused = false

  /** The class to hand to a client. */
  readonly implementation: WebSocketClass

  constructor() {
    const watch = (socket: WebSocket) => this.#watch(socket)
    this.implementation = class extends WebSocket {
      constructor(url: string | URL, protocols?: string | string[]) {
        super(url, protocols, { handshakeTimeout: HANDSHAKE_MS })
        watch(this)
      }

      // One that was given up has nothing more to say, even where the other side comes back to life.
      override close(code?: number, reason?: string): void {
        super.close(code, reason)
        if (code === TERMINATED) this.terminate()
      }
    }
  }

  get isPaused(): boolean {
    return this.#isPaused
  }

  /** Reads nothing more for the moment: the server finds out, and waits. */
  pause(): void {
    this.#isPaused = true
    for (const socket of this.#open) socket.pause()
  }

  resume(): void {
    this.#isPaused = false
    for (const socket of this.#open) socket.resume()
  }

  async pauseUntil(work: Promise<void>): Promise<void> {
    this.pause()
    await work
    this.resume()
  }

  /** Resolves when all of them are closed; those that take too long are cut. */
  async close(): Promise<void> {
    await Promise.all([...this.#open].map(closeSocket))
  }

  #watch(socket: WebSocket): void {
    this.#open.add(socket)
    socket.once('close', () => this.#open.delete(socket))
    socket.once('open', () => {
      if (this.#isPaused) socket.pause()
    })
    socket.once('unexpected-response', (request: ClientRequest, response: IncomingMessage) => {
      request.destroy(new UpgradeRefused(response.statusCode ?? 0))
    })
  }
}

async function closeSocket(socket: WebSocket): Promise<void> {
  // Not `once` of Node, which rejects with the error of one that was about to be opened.
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()))
  const timer = setTimeout(() => socket.terminate(), GOODBYE_MS)
  socket.on('error', () => {}) // it is over anyway
  socket.resume()
  socket.close(1000)
  await closed
  clearTimeout(timer)
}

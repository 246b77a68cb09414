import { Client, type ClientEvents, type Endpoint } from '../fanout/client.ts'
import { textFrame } from '../fanout/frame-reader.ts'
import type { Caller } from './callers.ts'

const ACK = Buffer.from('"connection_ack"')
const AT_ONCE = 50

interface Waiting {
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

/** Sockets that say who they are, and then nothing. */
export class Connections implements ClientEvents, Disposable {
  readonly #endpoint: Endpoint
  readonly #clients = new Set<Client>()
  readonly #waiting = new Map<Client, Waiting>()
  #lost: string | undefined

  constructor(endpoint: Endpoint) {
    this.#endpoint = endpoint
  }

  /** Resolves once all have been acknowledged; rejects where any has been refused, or lost since. */
  async connect(callers: readonly Caller[]): Promise<void> {
    const left = callers.values()
    const lane = async () => {
      for (const caller of left) await this.#open(caller)
    }
    await Promise.all(Array.from({ length: AT_ONCE }, lane))
    if (this.#lost !== undefined) throw new Error(`A client was lost: ${this.#lost}`)
  }

  onContent(client: Client, buffer: Buffer, start: number, end: number): void {
    const frame = buffer.subarray(start, end)
    if (frame.includes(ACK)) this.#waiting.get(client)?.resolve()
    else this.onLost(client, String(frame))
  }

  onText(): void {}

  onLost(client: Client, reason: string): void {
    this.#lost ??= reason
    this.#waiting.get(client)?.reject(new Error(`A client was lost: ${reason}`))
  }

  [Symbol.dispose](): void {
    for (const client of this.#clients) client.close()
  }

  #open({ connectionParams }: Caller): Promise<void> {
    const client = new Client(this.#endpoint, this)
    this.#clients.add(client)
    return new Promise((resolve, reject) => {
      this.#waiting.set(client, { resolve, reject })
      void client
        .opened()
        .then(() => client.send(textFrame({ type: 'connection_init', payload: connectionParams })))
    })
  }
}

import { randomUUID } from 'node:crypto'
import { largest, smallest } from '../support/extremes.ts'
import { Client, type ClientEvents, type Endpoint } from './client.ts'
import { monotonicMicros, readStamp } from './clock.ts'
import { textFrame } from './frame-reader.ts'
import { Latencies, type LatencySummary } from './latencies.ts'
import { queryOf } from './selection.ts'

export interface Connecting extends Endpoint {
  readonly topic: string
  /** A cursor to begin behind. Default: where the topic stands. */
  readonly after?: string
  readonly clients: number
  /** How many different selection sets they use, turn by turn. */
  readonly sets: number
  /** What each client says of itself. Default: nothing. */
  readonly connectionParams?: readonly object[]
}

export interface Received {
  readonly frames: number
  /** Of the frames' payloads. */
  readonly bytes: number
  /** The fewest and the most frames of any client that reads. */
  readonly fewest: number
  readonly most: number
}

interface Opening {
  readonly query: string
  readonly connectionParams: object | undefined
}

interface Waiting {
  readonly frames: number
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

const ACK = Buffer.from('"connection_ack"')
const NEXT = Buffer.from('"type":"next"')
const ERRORS = Buffer.from('"errors"')
const AT_ONCE = 50

/** Clients with one subscription each to the same topic of the same server. */
export class Subscribers implements ClientEvents {
  readonly #frames = new Map<Client, number>()
  readonly #paused = new Set<Client>()
  readonly #latencies = new Latencies()
  readonly #onAck = new Map<Client, () => void>()
  #measuresLatency = false
  #total = 0
  #bytes = 0
  #lost: string | undefined
  #onLoss: ((error: Error) => void) | undefined
  #waiting: Waiting | undefined

  async connect(connecting: Connecting): Promise<void> {
    const { topic, after, clients, sets, connectionParams, ...endpoint } = connecting
    let number = 0
    const lane = async () => {
      while (number < clients && this.#lost === undefined) {
        const index = number++
        const query = queryOf(topic, index % sets, after)
        await this.#open(endpoint, { query, connectionParams: connectionParams?.[index] })
      }
    }
    const lost = new Promise<never>((_, reject) => {
      this.#onLoss = reject
    })
    await Promise.race([Promise.all(Array.from({ length: AT_ONCE }, lane)), lost])
    this.#check()
  }

  async #open(endpoint: Endpoint, { query, connectionParams }: Opening): Promise<void> {
    const client = new Client(endpoint, this)
    await client.opened()
    const acknowledged = new Promise<void>((resolve) => this.#onAck.set(client, resolve))
    client.send(textFrame({ type: 'connection_init', payload: connectionParams }))
    await acknowledged
    this.#frames.set(client, 0)
    client.send(textFrame({ id: randomUUID(), type: 'subscribe', payload: { query } }))
  }

  /** Resolves once that many frames have come since `restart`. */
  untilFrames(frames: number): Promise<void> {
    this.#check()
    if (this.#total >= frames) return Promise.resolve()
    return new Promise((resolve, reject) => {
      this.#waiting = { frames, resolve, reject }
    })
  }

  restart({ latency }: { readonly latency: boolean }): void {
    for (const client of this.#frames.keys()) this.#frames.set(client, 0)
    this.#latencies.clear()
    this.#measuresLatency = latency
    this.#total = 0
    this.#bytes = 0
  }

  /** The first clients stop reading. */
  pause(clients: number): void {
    for (const client of [...this.#frames.keys()].slice(0, clients)) {
      this.#paused.add(client)
      client.pause()
    }
  }

  received(): Received {
    this.#check()
    const readers = [...this.#frames].filter(([client]) => !this.#paused.has(client))
    const counts = readers.map(([, frames]) => frames)
    return {
      frames: this.#total,
      bytes: this.#bytes,
      fewest: smallest(counts),
      most: largest(counts),
    }
  }

  latencies(): LatencySummary {
    return this.#latencies.summary()
  }

  close(): void {
    for (const client of this.#frames.keys()) client.close()
  }

  onContent(client: Client, buffer: Buffer, start: number, end: number): void {
    const frames = this.#frames.get(client)
    if (frames === undefined) this.#acknowledge(client, buffer.subarray(start, end))
    else if (frames === 0) this.#checkFirst(buffer.subarray(start, end))
    if (this.#measuresLatency && !this.#paused.has(client)) {
      this.#latencies.add(monotonicMicros() - readStamp(buffer, start))
    }
  }

  onText(client: Client, bytes: number): void {
    const frames = this.#frames.get(client)
    if (frames === undefined) return
    this.#frames.set(client, frames + 1)
    this.#bytes += bytes
    this.#total += 1
    if (this.#waiting === undefined || this.#total < this.#waiting.frames) return
    this.#waiting.resolve()
    this.#waiting = undefined
  }

  /** A server that cuts off a client that does not read is right to. */
  onLost(client: Client, reason: string): void {
    if (!this.#paused.has(client)) this.#lose(reason)
  }

  #acknowledge(client: Client, frame: Buffer): void {
    if (!frame.includes(ACK)) this.#lose(`not acknowledged: ${frame}`)
    this.#onAck.get(client)?.()
    this.#onAck.delete(client)
  }

  #checkFirst(frame: Buffer): void {
    if (!frame.includes(NEXT) || frame.includes(ERRORS)) this.#lose(`not a message: ${frame}`)
  }

  #lose(reason: string): void {
    this.#lost ??= reason
    const error = new Error(`A client was lost: ${reason}`)
    this.#onLoss?.(error)
    this.#waiting?.reject(error)
  }

  #check(): void {
    if (this.#lost !== undefined) throw new Error(`A client was lost: ${this.#lost}`)
  }
}

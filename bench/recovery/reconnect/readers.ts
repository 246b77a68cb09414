import { setTimeout as sleep } from 'node:timers/promises'
import type { Endpoint } from '../../fanout/client.ts'
import { monotonicMicros, readStamp } from '../../fanout/clock.ts'
import { Latencies, type LatencySummary } from '../../fanout/latencies.ts'
import { type Place, Reader, type ReaderEvents } from './reader.ts'

export interface Starting {
  readonly endpoint: Endpoint
  /** The clients take them turn by turn. */
  readonly places: readonly Place[]
  readonly clients: number
  /** They connect evenly in this time, whether those before are connected or not. */
  readonly withinMs: number
  /** A client is there once it has the message with this sequence. */
  readonly goal: number
}

/** How far the clients are; times are from the start of the first. */
export interface Progress {
  readonly acknowledged: number
  /** When the last was acknowledged so far. */
  readonly acknowledgedMs: number
  readonly there: number
  /** When the last was there so far. */
  readonly thereMs: number
  /** Clients that have been lost, or got something else than the next message. */
  readonly faulty: number
  /** A few of the reasons, each once. */
  readonly reasons: readonly string[]
}

const TICK_MS = 5
const MAX_REASONS = 5

/** Many subscribers, counted together. */
export class Readers implements ReaderEvents {
  readonly #readers: Reader[] = []
  readonly #latencies = new Latencies()
  readonly #reasons: string[] = []
  #goal = 0
  #start = 0
  #acknowledged = 0
  #acknowledgedMs = 0
  #there = 0
  #thereMs = 0
  #faulty = 0

  /** Resolves once all have begun to connect. */
  async start({ endpoint, places, clients, withinMs, goal }: Starting): Promise<void> {
    this.#goal = goal
    this.#start = performance.now()
    while (this.#readers.length < clients) {
      const due = Math.min(clients, Math.ceil((this.#elapsed * clients) / withinMs))
      for (let number = this.#readers.length; number < due; number++) {
        const place = places[number % places.length]
        if (place === undefined) throw new Error('There is no place to begin at.')
        this.#readers.push(new Reader(endpoint, place, this))
      }
      await sleep(TICK_MS)
    }
  }

  progress(): Progress {
    return {
      acknowledged: this.#acknowledged,
      acknowledgedMs: this.#acknowledgedMs,
      there: this.#there,
      thereMs: this.#thereMs,
      faulty: this.#faulty,
      reasons: this.#reasons,
    }
  }

  /** How many have the message with this sequence, and everything before it. */
  reached(sequence: number): number {
    return this.#readers.filter(({ last }) => last >= sequence).length
  }

  /** Measures latency anew. */
  restart(): void {
    this.#latencies.clear()
  }

  latencies(): LatencySummary {
    return this.#latencies.summary()
  }

  onAcknowledged(): void {
    this.#acknowledged += 1
    this.#acknowledgedMs = this.#elapsed
  }

  onMessage({ last }: Reader, buffer: Buffer, start: number): void {
    this.#latencies.add(monotonicMicros() - readStamp(buffer, start))
    if (last !== this.#goal) return
    this.#there += 1
    this.#thereMs = this.#elapsed
  }

  onFault(reason: string): void {
    this.#faulty += 1
    if (this.#reasons.length < MAX_REASONS && !this.#reasons.includes(reason)) {
      this.#reasons.push(reason)
    }
  }

  get #elapsed(): number {
    return performance.now() - this.#start
  }
}

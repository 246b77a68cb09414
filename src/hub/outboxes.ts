import { ChunkTemplate } from './chunk-template.ts'
import { Outbox, type OutboxListener, type Sink } from './outbox.ts'
import type { Tick } from './tick.ts'
import { Turns } from './turns.ts'

export interface OutboxBounds {
  /** What may wait for one client that does not read as fast as messages come, in bytes. */
  readonly maxBytes: number
  /** What may wait for all clients, in bytes; above it, whoever has anything waiting gets no more. */
  readonly maxTotalBytes: number
  /** How long a client may take nothing at all, in milliseconds. */
  readonly stallMs: number
  /** What is written at once where a client is slow, in bytes. */
  readonly chunkBytes: number
}

export const DEFAULT_OUTBOX_BOUNDS: OutboxBounds = {
  maxBytes: 1024 * 1024,
  maxTotalBytes: 256 * 1024 * 1024,
  stallMs: 60_000,
  chunkBytes: 64 * 1024,
}

/** How often clients that are slow are looked at, in milliseconds. */
const CHECK_MS = 1_000

/** The outboxes of all sockets, and what they share: the tick, the bounds, one timer. */
export class Outboxes {
  readonly tick: Tick
  readonly bounds: OutboxBounds
  /** What the sockets of the same messages take after each other. */
  readonly template = new ChunkTemplate()
  /** When those who are behind read on. */
  readonly turns = new Turns()
  readonly #blocked = new Set<Outbox>()
  #bytes = 0
  #timer: NodeJS.Timeout | undefined

  constructor(tick: Tick, bounds: OutboxBounds = DEFAULT_OUTBOX_BOUNDS) {
    this.tick = tick
    this.bounds = bounds
  }

  open(sink: Sink, listener: OutboxListener): Outbox {
    return new Outbox(sink, this, listener)
  }

  /** What waits for all clients that are slow, in bytes. */
  get bytes(): number {
    return this.#bytes
  }

  get isOverBudget(): boolean {
    return this.#bytes > this.bounds.maxTotalBytes
  }

  account(bytes: number): void {
    this.#bytes += bytes
  }

  /** Looks after an outbox whose client is slow. */
  add(outbox: Outbox): void {
    this.#blocked.add(outbox)
    this.#timer ??= setInterval(
      () => this.#check(),
      Math.min(CHECK_MS, this.bounds.stallMs),
    ).unref()
  }

  remove(outbox: Outbox): void {
    this.#blocked.delete(outbox)
    if (this.#blocked.size > 0) return
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  #check(): void {
    const now = performance.now()
    for (const outbox of this.#blocked) outbox.check(now)
  }
}

import type { Bus } from '../bus/bus.ts'
import type { Reader } from '../core/message.ts'
import { parseAfter } from '../hub/start.ts'
import type { Log } from '../log/log.ts'
import { CarillonError } from '../protocol/errors.ts'
import { type Acks, parseConsumerName } from './acks.ts'
import { type CatchUpBatch, catchUp } from './catch-up.ts'
import {
  type CatchUpRequest,
  type ConsumeLimits,
  type ConsumeRequest,
  parseBatches,
  parseConsume,
} from './consume-request.ts'
import type { ConsumerStore } from './consumer-store.ts'
import { Consumption } from './consumption.ts'
import type { DeadLetterStore } from './dead-letter-store.ts'
import type { LeaseStore } from './lease-store.ts'
import { type Pause, pause } from './patience.ts'

export interface ConsumersParts {
  readonly log: Log
  readonly bus: Bus
  readonly acks: Acks
  readonly store: ConsumerStore
  readonly leases: LeaseStore
  readonly deadLetters: DeadLetterStore
  readonly limits: ConsumeLimits
  readonly onFault: (error: unknown) => void
  /** How to wait before another attempt. Default: by a timer. */
  readonly pause?: Pause
}

/** Runs durable consumers in this process. */
export class Consumers {
  readonly #parts: ConsumersParts & { readonly pause: Pause }
  readonly #running = new Set<Consumption>()
  readonly #closed = new AbortController()

  constructor(parts: ConsumersParts) {
    this.#parts = { pause, ...parts }
  }

  /**
   * Hands every message behind what the consumer has acknowledged to the handler, until it is stopped.
   * @throws CarillonError INVALID_TOPIC_PATTERN, INVALID_LIMIT, INVALID_INPUT, SHUTTING_DOWN
   */
  consume(request: ConsumeRequest, reader: Reader, signal?: AbortSignal): Consumption {
    const options = parseConsume(request, this.#parts.limits)
    this.#ensureOpen()
    signal?.throwIfAborted()
    const consumption = new Consumption(options, reader, this.#parts)
    this.#running.add(consumption)
    const forget = () => this.#running.delete(consumption)
    consumption.ended.then(forget, forget)
    if (signal !== undefined) consumption.stopOn(signal)
    return consumption
  }

  /**
   * The messages up to where the topics stand, in batches.
   * @throws CarillonError INVALID_TOPIC_PATTERN, INVALID_LIMIT, INVALID_CURSOR, INVALID_INPUT; while it is
   * read, CURSOR_EXPIRED
   */
  catchUp(
    request: CatchUpRequest,
    reader: Reader,
    signal?: AbortSignal,
  ): AsyncGenerator<CatchUpBatch, undefined> {
    const { consumer, after } = request
    if ((consumer === undefined) === (after === undefined)) {
      throw new CarillonError('INVALID_INPUT', 'Give either `consumer` or `after`.')
    }
    this.#ensureOpen()
    const closed = this.#closed.signal
    const options = {
      ...parseBatches(request, this.#parts.limits),
      reader,
      consumer:
        consumer === undefined
          ? undefined
          : { userId: reader.userId, name: parseConsumerName(consumer) },
      after: parseAfter(after),
      signal: signal === undefined ? closed : AbortSignal.any([signal, closed]),
    }
    return catchUp(options, this.#parts)
  }

  /** Dead letters of this user wait to be handled again. */
  replayed(userId: string): void {
    for (const consumption of this.#running) {
      if (consumption.userId === userId) consumption.look()
    }
  }

  /** Resolves once all have ended. Idempotent. */
  async close(): Promise<void> {
    this.#closed.abort()
    await Promise.all([...this.#running].map((consumption) => consumption.stop()))
  }

  #ensureOpen(): void {
    if (this.#closed.signal.aborted) throw new CarillonError('SHUTTING_DOWN')
  }
}

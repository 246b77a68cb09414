import { isExpired, isVisible, type Message, type Reader } from '../core/message.ts'
import type { TopicName } from '../core/topic-name.ts'
import { gapError } from '../hub/start.ts'
import type { Log, LogSlice, TopicState } from '../log/log.ts'
import { AckPump } from './ack-pump.ts'
import type { Acks } from './acks.ts'
import { attempt, type Handled } from './attempts.ts'
import { Bell } from './bell.ts'
import type { ConsumeOptions } from './consume-request.ts'
import type { DeadLetterStore, Handling } from './dead-letter-store.ts'
import type { LeasedTopic } from './lease-store.ts'
import { type Pause, patiently } from './patience.ts'
import type { Slots } from './slots.ts'

/** Counts the batches that may still be handled. */
export interface BatchBudget {
  /** Whether one more may begin. */
  take(): boolean
  /** One has ended; one without messages does not count. */
  end(isUsed: boolean): void
}

export interface TopicWorkerParts {
  readonly options: ConsumeOptions
  readonly reader: Reader
  readonly handling: Handling
  readonly log: Pick<Log, 'read'>
  readonly acks: Pick<Acks, 'write'>
  readonly deadLetters: DeadLetterStore
  readonly slots: Slots
  readonly budget: BatchBudget
  readonly pause: Pause
  readonly onFault: (error: unknown) => void
  /** Calls for a renewal of the lease that has run out. */
  readonly onLeaseOut: () => void
}

/**
 * Handles the messages of one topic, one after the other, for as long as the lease is there: handler, retries,
 * dead letter, ack.
 */
export class TopicWorker {
  readonly topic: TopicName
  /** Settles once nothing is under way any more; rejects with what is unexpected. */
  readonly ended: Promise<void>
  readonly #parts: TopicWorkerParts
  readonly #epoch: LeasedTopic['acked']['epoch']
  readonly #acks: AckPump
  readonly #bell = new Bell()
  readonly #lost = new AbortController()
  /** Lost, or to stop after the handler under way. */
  readonly #interrupted = new AbortController()
  #leasedUntil: number
  #idleSince: number | undefined
  #mayHaveReplays = true
  #isWokenLate = false
  #giveBackSlot: (() => void) | undefined

  /** @param leasedUntil on the clock of `performance.now()` */
  constructor({ topic, acked }: LeasedTopic, leasedUntil: number, parts: TopicWorkerParts) {
    this.topic = topic
    this.#parts = parts
    this.#epoch = acked.epoch
    this.#leasedUntil = leasedUntil
    const { acks, handling, pause } = parts
    const signal = this.#interrupted.signal
    const onLost = () => this.lose()
    this.#acks = new AckPump({ acks, handling, acked, pause, signal, onLost })
    this.ended = this.#run()
  }

  /** Whether the topic is another's, or is not what it was. */
  get isLost(): boolean {
    return this.#lost.signal.aborted
  }

  /** Whether there may be something to do that it has not seen, as it was about to end. */
  get isWokenLate(): boolean {
    return this.#isWokenLate
  }

  /** Since when there has been nothing to do; undefined while there is. */
  get idleSince(): number | undefined {
    return this.#idleSince
  }

  /** There may be something to do. */
  wake(mayHaveReplays = false): void {
    this.#isWokenLate ||= this.#isInterrupted
    this.#mayHaveReplays ||= mayHaveReplays
    this.#bell.ring()
  }

  /** The lease was renewed. */
  extend(leasedUntil: number): void {
    const wasOut = performance.now() >= this.#leasedUntil
    this.#leasedUntil = leasedUntil
    if (wasOut) this.#bell.ring()
  }

  /** Ends after the handler under way. */
  stop(): void {
    this.#interrupted.abort()
    this.#bell.ring()
  }

  /** The lease is another's. */
  lose(): void {
    this.#lost.abort()
    this.stop()
  }

  get #isInterrupted(): boolean {
    return this.#interrupted.signal.aborted
  }

  async #run(): Promise<void> {
    try {
      while (!this.#isInterrupted) {
        if (!(await this.#takeSlot())) break
        const isIdle = !(await this.#turn())
        this.#freeSlot()
        if (isIdle) await this.#rest()
      }
      await this.#acks.atMost(0)
    } finally {
      this.#freeSlot()
    }
  }

  /** What waits to be replayed, or a batch; answers whether there may be more. */
  async #turn(): Promise<boolean> {
    if (!(await this.#hasLease())) return false
    if (this.#mayHaveReplays) return this.#replay()
    const { budget } = this.#parts
    if (!budget.take()) return false
    const slice = await this.#persist(() => this.#read())
    try {
      return slice !== undefined && (await this.#passAll(slice))
    } finally {
      budget.end(slice !== undefined && slice.messages.length > 0)
    }
  }

  #read(): Promise<LogSlice> {
    const { log, options } = this.#parts
    return log.read(this.topic, this.#acks.done, options.batchSize)
  }

  /** Handles what was read; answers whether there may be more. */
  async #passAll({ topic, messages }: LogSlice): Promise<boolean> {
    if (topic.epoch !== this.#epoch) {
      this.lose()
      return false
    }
    this.#tellOfGap(topic)
    for (const message of messages) {
      if (!(await this.#pass(message))) return false
    }
    const isAtEnd = messages.length === 0
    // Nothing is kept up to the head: there is nothing to wait for.
    if (isAtEnd && topic.head > this.#acks.done) this.#acks.moveTo(topic.head)
    return !isAtEnd && topic.head > this.#acks.done
  }

  /** Messages may be removed before they are handled: by a retention that does not wait for consumers. */
  #tellOfGap({ tail, head }: TopicState): void {
    const { done } = this.#acks
    const toSequence = tail === 0 ? head : tail - 1
    if (done === 0 || toSequence <= done) return
    const gap = {
      topic: this.topic,
      fromSequence: done + 1,
      toSequence,
      reason: 'RETENTION',
    } as const
    this.#parts.onFault(gapError(gap))
  }

  /** Answers whether the message is done with. */
  async #pass(message: Message): Promise<boolean> {
    const { options, reader, deadLetters, handling } = this.#parts
    await this.#acks.atMost(options.batchSize - 1)
    if (!(await this.#hasLease())) return false
    if (!isVisible(message, reader) || isExpired(message, Date.now())) {
      this.#acks.moveTo(message.sequence)
      return true
    }
    const handled = await this.#handle(message)
    switch (handled.kind) {
      case 'handled':
        this.#acks.moveTo(message.sequence)
        return true
      case 'failed':
        if (!(await this.#fenced(() => deadLetters.bury(message, handling, handled.failure)))) {
          return false
        }
        this.#acks.skipTo(message.sequence)
        return true
      case 'interrupted':
        return false
      default:
        return handled satisfies never
    }
  }

  /** Handles what was put back; answers whether to go on. */
  async #replay(): Promise<boolean> {
    const { options, deadLetters, handling } = this.#parts
    const letters = await this.#persist(() => deadLetters.waiting(handling, options.batchSize))
    if (letters === undefined) return false
    this.#mayHaveReplays = letters.length === options.batchSize
    for (const { message } of letters) {
      if (!(await this.#hasLease()) || !(await this.#replayOne(message))) {
        this.#mayHaveReplays = true
        return false
      }
    }
    return true
  }

  async #replayOne(message: Message): Promise<boolean> {
    const { deadLetters, handling } = this.#parts
    const handled = await this.#handle(message)
    switch (handled.kind) {
      case 'handled':
        return this.#fenced(() => deadLetters.settle(handling, message.sequence))
      case 'failed':
        return this.#fenced(() => deadLetters.bury(message, handling, handled.failure))
      case 'interrupted':
        return false
      default:
        return handled satisfies never
    }
  }

  #handle(message: Message): Promise<Handled> {
    const { options, pause } = this.#parts
    return attempt(message, {
      handler: options.handler,
      retry: options.retry,
      // Others work while this one waits.
      pause: (ms, signal) => {
        this.#freeSlot()
        return pause(ms, signal)
      },
      lost: this.#lost.signal,
      interrupted: this.#interrupted.signal,
      mayGoOn: async () => (await this.#takeSlot()) && (await this.#hasLease()),
    })
  }

  /** Writes what counts only with the lease; answers whether it did. */
  async #fenced(write: () => Promise<boolean>): Promise<boolean> {
    const isWritten = await this.#persist(write)
    if (isWritten === false) this.lose()
    return isWritten === true
  }

  /** Undefined where it was interrupted while the database was away. */
  #persist<T>(work: () => Promise<T>): Promise<T | undefined> {
    const { pause } = this.#parts
    return patiently(work, { pause, signal: this.#interrupted.signal })
  }

  /** Waits while the lease has run out and is not renewed; false where it is over. */
  async #hasLease(): Promise<boolean> {
    while (!this.#isInterrupted && performance.now() >= this.#leasedUntil) {
      this.#parts.onLeaseOut()
      await this.#bell.heard()
    }
    return !this.#isInterrupted
  }

  async #rest(): Promise<void> {
    if (this.#isInterrupted) return
    await this.#acks.atMost(0)
    this.#idleSince = performance.now()
    await this.#bell.heard()
    this.#idleSince = undefined
  }

  async #takeSlot(): Promise<boolean> {
    this.#giveBackSlot ??= await this.#parts.slots.take(this.#interrupted.signal)
    return this.#giveBackSlot !== undefined
  }

  #freeSlot(): void {
    this.#giveBackSlot?.()
    this.#giveBackSlot = undefined
  }
}

import type { Bus, BusSubscription } from '../bus/bus.ts'
import type { Message } from '../core/message.ts'
import { BEFORE_ALL, type Epoch, type Sequence } from '../core/sequence.ts'
import type { TopicName } from '../core/topic-name.ts'
import type { Log, TopicState } from '../log/log.ts'
import { Ring } from './ring.ts'

export interface LiveTopicParts {
  readonly log: Log
  readonly bus: Bus
  readonly bounds: LiveTopicBounds
  readonly onFault: (error: unknown) => void
}

export interface LiveTopicBounds {
  /** The newest messages kept in memory, in bytes. */
  readonly ringBytes: number
  /** How long a hole in the sequence waits for the late message, in milliseconds. */
  readonly holeWaitMs: number
  /** Messages behind a hole that are kept meanwhile; more are read from the log. */
  readonly maxEarly: number
  /** How long after a failed read of the log the next one is tried, in milliseconds. */
  readonly retryMs: number
}

/** The longest hole that is read into the ring; behind a longer one, readers go to the log. */
const REPAIR_LIMIT = 500

/**
 * A topic that someone on this instance listens to. Puts what the bus brings in order, without holes
 * and repeats, and reads from the log what the bus lost.
 */
export class LiveTopic {
  readonly name: TopicName
  readonly #parts: LiveTopicParts
  readonly #ring: Ring
  /** Messages that came before one that has to stand in front of them. */
  readonly #early = new Map<number, Message>()
  readonly #watchers = new Set<() => void>()
  #epoch: Epoch | undefined
  #head: Sequence = BEFORE_ALL
  #subscription: BusSubscription | undefined
  #repairTimer: NodeJS.Timeout | undefined
  #repairing = false
  #closed = false

  constructor(name: TopicName, parts: LiveTopicParts) {
    this.name = name
    this.#parts = parts
    this.#ring = new Ring(parts.bounds.ringBytes)
  }

  /** The newest sequence that is here without a hole before it. */
  get head(): Sequence {
    return this.#head
  }

  /**
   * Goes live: first the bus, then the head. The other way round, what is published in between
   * would be missed.
   */
  async open(): Promise<void> {
    const { bus, log } = this.#parts
    const subscription = await bus.subscribe(this.name, (message) => this.#receive(message))
    if (this.#closed) return subscription.unsubscribe()
    this.#subscription = subscription
    const { epoch, head } = await log.topic(this.name)
    this.#epoch = epoch
    this.#head = head
    this.#dropEarlyUpTo(head)
    this.#drainEarly()
  }

  /** The message with this sequence, where memory still has it. */
  get(sequence: number): Message | undefined {
    return this.#ring.get(sequence)
  }

  /** Calls back whenever the head has moved. */
  watch(callback: () => void): () => void {
    this.#watchers.add(callback)
    return () => this.#watchers.delete(callback)
  }

  /** Compares with where the log stands, and reads what the bus has lost. */
  check(state: TopicState): void {
    if (this.#epoch === undefined) return // not live yet: its head is about to be read
    if (state.head > this.#head) this.#scheduleRepair(this.#parts.bounds.holeWaitMs)
  }

  /** Idempotent. */
  close(): void {
    this.#closed = true
    this.#subscription?.unsubscribe()
    clearTimeout(this.#repairTimer)
    this.#watchers.clear()
    this.#early.clear()
    this.#ring.clear()
  }

  #receive(message: Message): void {
    if (this.#closed) return
    if (this.#epoch === undefined)
      this.#keepEarly(message) // the head is not known yet
    else if (message.sequence <= this.#head) return
    else if (message.sequence === this.#head + 1) {
      this.#append(message)
      this.#drainEarly()
    } else {
      this.#keepEarly(message)
      this.#scheduleRepair(this.#parts.bounds.holeWaitMs)
    }
  }

  #keepEarly(message: Message): void {
    if (this.#early.size < this.#parts.bounds.maxEarly) this.#early.set(message.sequence, message)
  }

  #append(message: Message): void {
    this.#ring.push(message)
    this.#early.delete(message.sequence)
    this.#head = message.sequence
    this.#notify()
  }

  #drainEarly(): void {
    for (;;) {
      const next = this.#early.get(this.#head + 1)
      if (next === undefined) break
      this.#append(next)
    }
    if (this.#early.size > 0) this.#scheduleRepair(this.#parts.bounds.holeWaitMs)
  }

  #dropEarlyUpTo(head: Sequence): void {
    for (const sequence of this.#early.keys()) if (sequence <= head) this.#early.delete(sequence)
  }

  #notify(): void {
    for (const callback of this.#watchers) callback()
  }

  #scheduleRepair(delayMs: number): void {
    if (this.#repairTimer !== undefined || this.#repairing || this.#closed) return
    this.#repairTimer = setTimeout(() => void this.#repair(), delayMs)
    this.#repairTimer.unref()
  }

  async #repair(): Promise<void> {
    this.#repairTimer = undefined
    this.#repairing = true
    try {
      const { topic, messages } = await this.#parts.log.read(this.name, this.#head, REPAIR_LIMIT)
      this.#repairing = false
      if (!this.#closed) this.#mend(topic, messages)
    } catch (error) {
      this.#repairing = false
      this.#parts.onFault(error)
      this.#scheduleRepair(this.#parts.bounds.retryMs)
    }
  }

  #mend(topic: TopicState, messages: readonly Message[]): void {
    for (const message of messages) if (message.sequence === this.#head + 1) this.#append(message)
    const newest = messages.at(-1)?.sequence ?? this.#head
    if (newest < topic.head && this.#head < topic.head) this.#jump(topic.head)
    this.#dropEarlyUpTo(this.#head)
    this.#drainEarly()
  }

  /** The hole is longer than what is worth having in memory: whoever needs it reads the log. */
  #jump(head: Sequence): void {
    this.#ring.clear()
    this.#head = head
    this.#notify()
  }
}

import type { Bus, BusSubscription } from '../bus/bus.ts'
import type { AnyMessage, EphemeralMessage, Message } from '../core/message.ts'
import { BEFORE_ALL, type Epoch, type Sequence } from '../core/sequence.ts'
import type { TopicName } from '../core/topic-name.ts'
import type { Log, LogSlice, TopicState } from '../log/log.ts'
import { Cohort } from './cohort.ts'
import { Doubts } from './doubts.ts'
import type { Rendering } from './rendering.ts'
import { Repair } from './repair.ts'
import { Ring } from './ring.ts'
import type { Flushable, Tick } from './tick.ts'

/** Who is told of a topic's messages. */
export interface TopicListener {
  /**
   * Called once a tick with what has arrived, in order. Where the topic's head is further on than the
   * newest of them, the rest is in the log only.
   */
  receive(messages: readonly AnyMessage[]): void
  /** The numbering has started again: nothing of the old one comes any more. */
  changeEpoch(): void
}

export interface LiveTopicParts {
  readonly tick: Tick
  readonly log: Log
  readonly bus: Bus
  readonly bounds: LiveTopicBounds
  readonly onFault: (error: unknown) => void
}

export interface LiveTopicBounds {
  /** The newest messages kept in memory, in bytes. */
  readonly ringBytes: number
  /** How long a topic has to be quiet until its messages leave memory, in milliseconds. */
  readonly ringIdleMs: number
  /** How long a hole in the sequence waits for the late message, in milliseconds. */
  readonly holeWaitMs: number
  /** Messages behind a hole that are kept meanwhile; more are read from the log. */
  readonly maxEarly: number
  /** How long after a failed read of the log the next one is tried, in milliseconds. */
  readonly retryMs: number
}

/** Ephemeral messages whose ids are remembered: one that comes twice is delivered once. */
const MAX_EPHEMERAL_IDS = 64

/** Ephemeral messages that wait for their topic to go live; more are dropped. */
const MAX_EARLY_EPHEMERAL = 100

/** The longest hole that is read into the ring; behind a longer one, readers go to the log. */
const REPAIR_LIMIT = 500

/** What the log has behind the head, and what had come in doubt before it was read. */
interface Found extends LogSlice {
  readonly doubted: readonly Message[]
}

/**
 * A topic that someone on this instance listens to. Puts what the bus brings in order, without holes
 * and repeats, and reads from the log what the bus lost.
 */
export class LiveTopic implements Flushable {
  readonly name: TopicName
  readonly #parts: LiveTopicParts
  readonly #ring: Ring
  /** Messages that came before one that has to stand in front of them. */
  readonly #early = new Map<number, Message>()
  readonly #doubts: Doubts
  readonly #repair: Repair<Found>
  readonly #listeners = new Set<TopicListener>()
  readonly #cohorts = new Map<Rendering, Cohort>()
  /** What has come in this tick. */
  #arrived: AnyMessage[] = []
  /** The ids of the newest ephemeral messages, oldest first; undefined until one comes. */
  #ephemeralIds: Set<string> | undefined
  #ephemeralCount = 0
  #epoch: Epoch | undefined
  #head: Sequence = BEFORE_ALL
  #tail: Sequence = BEFORE_ALL
  #subscription: BusSubscription | undefined
  /** The head when the comparison with the log that is under way began. */
  #headAtCheck: Sequence = BEFORE_ALL
  /** When the newest message came, on the clock of `performance.now()`. */
  #newestAt = 0
  #closed = false

  constructor(name: TopicName, parts: LiveTopicParts) {
    this.name = name
    this.#parts = parts
    const { ringBytes, maxEarly, retryMs } = parts.bounds
    this.#ring = new Ring(ringBytes)
    this.#doubts = new Doubts(maxEarly)
    this.#repair = new Repair({
      read: () => this.#find(),
      apply: (found) => this.#apply(found),
      retryMs,
      onFault: parts.onFault,
    })
  }

  /** Where the topic stands, as far as is known here. */
  get state(): TopicState {
    if (this.#epoch === undefined) throw new Error('The topic is not live yet.')
    return { name: this.name, epoch: this.#epoch, head: this.#head, tail: this.#tail }
  }

  get tick(): Tick {
    return this.#parts.tick
  }

  /** The epoch of all that is here; undefined until the topic is live. */
  get epoch(): Epoch | undefined {
    return this.#epoch
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
    const subscription = await bus.subscribe(
      this.name,
      (message) => this.receive(message),
      ({ epoch }) => this.hearOf(epoch),
    )
    if (this.#closed) return subscription.unsubscribe()
    this.#subscription = subscription
    this.#begin(await log.topic(this.name))
    this.#drainEarly()
    this.#repair.start()
    if (this.#arrived.length > 0) this.#parts.tick.deliver(this)
  }

  /** The message with this sequence, where memory still has it. */
  get(sequence: number): Message | undefined {
    return this.#ring.get(sequence)
  }

  /** How many ephemeral messages have been handed on since the topic went live. */
  get ephemeralCount(): number {
    return this.#ephemeralCount
  }

  /** Answers how to stop. */
  listen(listener: TopicListener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** The cohort of those who are up to date and show messages in this way. */
  cohort(rendering: Rendering): Cohort {
    const existing = this.#cohorts.get(rendering)
    if (existing !== undefined) return existing
    const cohort = new Cohort(this, rendering, () => {
      if (this.#cohorts.get(rendering) === cohort) this.#cohorts.delete(rendering)
      stop()
    })
    const stop = this.listen(cohort)
    this.#cohorts.set(rendering, cohort)
    return cohort
  }

  /** Takes a message that did not come by the topic's own channel, or not only. */
  receive(message: AnyMessage): void {
    if (this.#closed) return
    if (message.ephemeral) this.#receiveEphemeral(message)
    else this.#receive(message)
  }

  /** Hands on what has come in this tick. */
  flush(): void {
    const arrived = this.#arrived
    this.#arrived = []
    for (const { ephemeral } of arrived) if (ephemeral) this.#ephemeralCount++
    for (const listener of [...this.#listeners]) this.#tell(listener, arrived)
  }

  /** That the topic may have another epoch: the log knows whether it is so. */
  hearOf(epoch: Epoch): void {
    if (epoch !== this.#epoch && !this.#doubts.isRefuted(epoch)) this.#repair.schedule(0)
  }

  /** Takes note of where this stands when a comparison with the log begins. */
  beginCheck(): void {
    this.#headAtCheck = this.#head
  }

  /** Compares with where the log stands, and reads what the bus has lost. */
  check(state: TopicState): void {
    if (this.#epoch === undefined) return // not live yet: its head is about to be read
    if (state.epoch !== this.#epoch || state.head < this.#headAtCheck) this.#repair.schedule(0)
    else {
      this.#tail = state.tail
      if (state.head > this.#head) this.#repair.schedule(this.#parts.bounds.holeWaitMs)
    }
  }

  /**
   * Reads where the log stands, as of now, for who has seen that it stands elsewhere.
   * @throws CarillonError SERVICE_UNAVAILABLE
   */
  refresh(): Promise<void> {
    return this.#repair.now()
  }

  /** Empties the memory of a topic that has been quiet for long: who is behind reads the log. */
  rest(now: number): void {
    if (now - this.#newestAt > this.#parts.bounds.ringIdleMs) this.#ring.clear()
  }

  /** Idempotent. */
  close(): void {
    this.#closed = true
    this.#subscription?.unsubscribe()
    this.#repair.close()
    this.#listeners.clear()
    this.#cohorts.clear()
    this.#arrived = []
    this.#early.clear()
    this.#doubts.clear()
    this.#ring.clear()
  }

  #receiveEphemeral(message: EphemeralMessage): void {
    this.#ephemeralIds ??= new Set()
    if (this.#ephemeralIds.has(message.id)) return
    this.#ephemeralIds.add(message.id)
    const [oldest] = this.#ephemeralIds
    if (this.#ephemeralIds.size > MAX_EPHEMERAL_IDS && oldest !== undefined) {
      this.#ephemeralIds.delete(oldest)
    }
    // Before the topic is live nobody is in it: what is handed on then, nobody gets.
    const isLive = this.#epoch !== undefined
    if (!isLive && this.#arrived.length >= MAX_EARLY_EPHEMERAL) return
    this.#arrived.push(message)
    if (isLive) this.#parts.tick.deliver(this)
  }

  #receive(message: Message): void {
    if (message.epoch !== this.#epoch) this.#doubt(message)
    else if (message.sequence <= this.#head) return
    else if (message.sequence === this.#head + 1) {
      this.#append(message)
      this.#drainEarly()
    } else {
      this.#keepEarly(message)
      this.#repair.schedule(this.#parts.bounds.holeWaitMs)
    }
  }

  /** Before the topic is live, what its epoch is; else, whether it has a new one. */
  #doubt(message: Message): void {
    if (this.#doubts.add(message) && this.#epoch !== undefined) this.#repair.schedule(0)
  }

  #keepEarly(message: Message): void {
    if (this.#early.size < this.#parts.bounds.maxEarly) this.#early.set(message.sequence, message)
  }

  #append(message: Message): void {
    this.#ring.push(message)
    this.#newestAt = performance.now()
    if (this.#tail === BEFORE_ALL) this.#tail = message.sequence // none was kept before it
    this.#early.delete(message.sequence)
    this.#head = message.sequence
    this.#arrived.push(message)
    this.#parts.tick.deliver(this)
  }

  #drainEarly(): void {
    for (;;) {
      const next = this.#early.get(this.#head + 1)
      if (next === undefined) break
      this.#append(next)
    }
    if (this.#early.size > 0) this.#repair.schedule(this.#parts.bounds.holeWaitMs)
  }

  #dropEarlyUpTo(head: Sequence): void {
    for (const sequence of this.#early.keys()) if (sequence <= head) this.#early.delete(sequence)
  }

  #tell(listener: TopicListener, arrived: readonly AnyMessage[]): void {
    try {
      listener.receive(arrived)
    } catch (error) {
      this.#parts.onFault(error) // the others are told all the same
    }
  }

  async #find(): Promise<Found> {
    const doubted = this.#doubts.take()
    return { ...(await this.#readBehind(this.#head)), doubted }
  }

  #apply({ topic, messages, doubted }: Found): void {
    if (topic.epoch !== this.#epoch) this.#changeEpoch(topic, doubted)
    else {
      for (const { epoch } of doubted) if (epoch !== this.#epoch) this.#doubts.refute(epoch)
      this.#mend(topic, messages)
    }
  }

  /**
   * Where the head has gone back, an older state of the database was restored, and sequences that were
   * delivered are given out again. Under a new epoch they are not taken for the same messages.
   */
  async #readBehind(head: Sequence): Promise<LogSlice> {
    const { log, onFault } = this.#parts
    const slice = await log.read(this.name, head, REPAIR_LIMIT)
    if (slice.topic.epoch !== this.#epoch || slice.topic.head >= head) return slice
    await log.changeEpoch({ ...this.state, head })
    onFault(new WentBackError(this.name, head, slice.topic.head))
    return { topic: await log.topic(this.name), messages: [] }
  }

  /** All of the old epoch is handed on before; who has not come to its end yet never will. */
  #changeEpoch(topic: TopicState, doubted: readonly Message[]): void {
    if (this.#epoch !== undefined) this.#doubts.refute(this.#epoch)
    this.flush()
    this.#ring.clear()
    this.#early.clear()
    this.#begin(topic, doubted)
    this.#cohorts.clear() // what theirs are rendering yet is of the old epoch
    for (const listener of [...this.#listeners]) listener.changeEpoch()
    this.#drainEarly()
  }

  /** Stands where the log does, with what has come of this epoch already. */
  #begin({ epoch, head, tail }: TopicState, doubted: readonly Message[] = []): void {
    this.#epoch = epoch
    this.#head = head
    this.#tail = tail
    this.#headAtCheck = BEFORE_ALL // a comparison under way began with another numbering
    this.#doubts.confirm(epoch)
    for (const message of [...doubted, ...this.#doubts.take()]) {
      if (message.epoch !== epoch) this.#doubt(message)
      else if (message.sequence > head) this.#keepEarly(message)
    }
  }

  #mend(topic: TopicState, messages: readonly Message[]): void {
    for (const message of messages) if (message.sequence === this.#head + 1) this.#append(message)
    this.#tail = topic.tail
    if (this.#head < topic.head) this.#jump(topic.head)
    this.#dropEarlyUpTo(this.#head)
    this.#drainEarly()
  }

  /** The hole is longer than what is worth having in memory: whoever needs it reads the log. */
  #jump(head: Sequence): void {
    this.#ring.clear()
    this.#head = head
    this.#arrived = this.#arrived.filter(({ ephemeral }) => ephemeral)
    this.#parts.tick.deliver(this)
  }
}

/** Told to operators: only a restored backup, or a failover that lost commits, does this. */
class WentBackError extends Error {
  constructor(name: TopicName, known: Sequence, found: Sequence) {
    super(
      `The topic ${name} stood at ${known} and stands at ${found} now: an older state of the database was restored. It has a new epoch.`,
    )
  }
}

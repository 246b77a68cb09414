import { randomUUID } from 'node:crypto'
import type { Bus } from '../bus/bus.ts'
import type { AnyMessage, Reader } from '../core/message.ts'
import type { TopicName } from '../core/topic-name.ts'
import type { Log } from '../log/log.ts'
import type { Acks } from './acks.ts'
import { Bell } from './bell.ts'
import type { ConsumeOptions, RunningConsumer } from './consume-request.ts'
import type { DeadLetterStore } from './dead-letter-store.ts'
import type { LeaseStore, Member, Survey } from './lease-store.ts'
import { isPassing, type Pause, RETRY_MS } from './patience.ts'
import { Slots } from './slots.ts'
import { type BatchBudget, TopicWorker } from './topic-worker.ts'

export interface ConsumptionParts {
  readonly log: Pick<Log, 'read'>
  readonly bus: Bus
  readonly acks: Pick<Acks, 'write'>
  readonly leases: LeaseStore
  readonly deadLetters: DeadLetterStore
  readonly pause: Pause
  /** Told of faults that it gets over by itself. */
  readonly onFault: (error: unknown) => void
}

/** Topics that one process handles for one consumer at most; the others wait until some are done. */
const MAX_HELD = 1_000

/** A lease is renewed when a third of it has passed. */
const RENEWALS = 3

/** At most so many times in a lease it looks around because of topics that it has no room for. */
const EARLY_LOOKS = 30

/** A little later than a lease runs out, it surely has. */
const EXPIRY_MARGIN_MS = 20

/** A consumer at work in this process. Others that run it too share the topics with this one. */
export class Consumption implements RunningConsumer {
  readonly ended: Promise<void>
  readonly #parts: ConsumptionParts
  readonly #options: ConsumeOptions
  readonly #reader: Reader
  readonly #member: Member
  readonly #slots: Slots
  readonly #bell = new Bell()
  readonly #workers = new Map<TopicName, TopicWorker>()
  /** Topics without a worker that something was published to. */
  readonly #wanted = new Set<TopicName>()
  /** Topics that this process does not reach for before the next look. */
  readonly #foreign = new Set<TopicName>()
  /** Leases to be given back. */
  readonly #finished = new Set<TopicName>()
  readonly #stops: (() => void)[] = []
  /** The topics that are this process's share; infinite while it is alone. */
  #share = Number.POSITIVE_INFINITY
  /** When it looks around next, and did last, on the clock of `performance.now()`. */
  #lookAt = 0
  #lookedAt = 0
  #batchesLeft: number
  #batchesOpen = 0
  #isStopping = false
  #failure: { readonly error: unknown } | undefined

  constructor(options: ConsumeOptions, reader: Reader, parts: ConsumptionParts) {
    const { name, topics, leaseMs, concurrency, maxBatches } = options
    this.#options = options
    this.#reader = reader
    this.#parts = parts
    this.#member = { userId: reader.userId, name, holder: randomUUID(), topics, leaseMs }
    this.#slots = new Slots(concurrency)
    this.#batchesLeft = maxBatches
    this.ended = this.#run()
    this.ended.catch(() => undefined) // who wants to know awaits it
  }

  get userId(): string {
    return this.#member.userId
  }

  async stop(): Promise<void> {
    this.#end()
    await this.ended.catch(() => undefined)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  /** There may be something to do that nobody has told of. */
  look(): void {
    this.#lookAt = 0
    this.#bell.ring()
  }

  /** Ends when the signal does. */
  stopOn(signal: AbortSignal): void {
    const stop = () => void this.stop()
    signal.addEventListener('abort', stop)
    this.#stops.push(() => signal.removeEventListener('abort', stop))
    if (signal.aborted) stop()
  }

  async #run(): Promise<void> {
    try {
      await this.#listen()
      // Handlers that are still under way keep their leases.
      while (!this.#isStopping || this.#workers.size > 0) await this.#step()
    } catch (error) {
      this.#fail(error)
    }
    await Promise.allSettled([...this.#workers.values()].map(({ ended }) => ended))
    for (const stop of this.#stops) stop()
    await this.#leave()
    if (this.#failure !== undefined) throw this.#failure.error
  }

  async #listen(): Promise<void> {
    const { bus } = this.#parts
    this.#stops.push(bus.onGap(() => this.look()))
    const listener = (message: AnyMessage) => this.#hear(message)
    const subscribed = await Promise.all(
      this.#options.topics.map((topic) => bus.subscribe(topic, listener)),
    )
    for (const subscription of subscribed) this.#stops.push(() => subscription.unsubscribe())
  }

  #hear({ topic, ephemeral }: AnyMessage): void {
    if (ephemeral) return
    const worker = this.#workers.get(topic)
    if (worker !== undefined) worker.wake()
    else if (!this.#foreign.has(topic) && this.#wanted.size < MAX_HELD) {
      this.#wanted.add(topic)
      this.#bell.ring()
    }
  }

  /** One thing at a time, so that what is known of the leases is what was done last. */
  async #step(): Promise<void> {
    try {
      if (performance.now() >= this.#lookAt) await this.#lookAround()
      else if (this.#finished.size > 0) await this.#release()
      else if (this.#wanted.size > 0 && !this.#isStopping) await this.#takeWanted()
      else await this.#bell.heard(this.#lookAt - performance.now())
    } catch (error) {
      if (!isPassing(error)) throw error
      this.#parts.onFault(error)
      this.#lookAt = performance.now() + RETRY_MS
      await this.#bell.heard(RETRY_MS)
    }
  }

  /** Renews the leases, and sees what there is to do. */
  async #lookAround(): Promise<void> {
    const { leases } = this.#parts
    const now = performance.now()
    this.#lookedAt = now
    this.#lookAt = now + this.#member.leaseMs / RENEWALS
    this.#keep(await leases.renew(this.#member), now + this.#member.leaseMs)
    if (this.#isStopping) return
    const survey = await leases.survey(this.#member)
    this.#foreign.clear()
    for (const topic of survey.mine) this.#workers.get(topic)?.wake(true)
    this.#retire(now - this.#member.leaseMs)
    await this.#balance(survey)
    if (survey.nextExpiryMs !== undefined) {
      this.#lookAt = Math.min(this.#lookAt, now + survey.nextExpiryMs + EXPIRY_MARGIN_MS)
    }
  }

  #keep(held: readonly TopicName[], leasedUntil: number): void {
    const names = new Set(held)
    for (const worker of this.#workers.values()) {
      if (names.has(worker.topic)) worker.extend(leasedUntil)
      else worker.lose()
    }
    for (const topic of held) if (!this.#workers.has(topic)) this.#finished.add(topic)
  }

  /** Gives up topics in which nothing has happened for long. */
  #retire(idleBefore: number): void {
    for (const worker of this.#workers.values()) {
      if (worker.idleSince !== undefined && worker.idleSince < idleBefore) worker.stop()
    }
  }

  async #balance({ members, active, open }: Survey): Promise<void> {
    this.#share = members > 1 ? Math.ceil(active / members) : Number.POSITIVE_INFINITY
    const missing = Math.min(this.#share, MAX_HELD) - this.#workers.size
    if (missing > 0) await this.#take(open.slice(0, missing))
    else if (missing < 0) this.#giveUp(-missing)
  }

  /** Lets topics go that are more than this process's share: first those that rest. */
  #giveUp(count: number): void {
    const workers = [...this.#workers.values()]
    workers.sort((one, other) => Number(isBusy(one)) - Number(isBusy(other)))
    for (const worker of workers.slice(0, count)) {
      this.#foreign.add(worker.topic)
      worker.stop()
    }
  }

  /** One more than the share, too: otherwise nobody would take a new topic at once. */
  async #takeWanted(): Promise<void> {
    const topics = [...this.#wanted]
    this.#wanted.clear()
    const room = Math.max(0, Math.min(this.#share + 1, MAX_HELD) - this.#workers.size)
    await this.#take(topics.slice(0, room))
    for (const topic of topics) if (!this.#workers.has(topic)) this.#foreign.add(topic)
    // The share may have grown by them.
    const soon = this.#lookedAt + this.#member.leaseMs / EARLY_LOOKS
    if (topics.length > room) this.#lookAt = Math.min(this.#lookAt, soon)
  }

  async #take(topics: readonly TopicName[]): Promise<void> {
    const free = topics.filter((topic) => !this.#workers.has(topic))
    if (free.length === 0 || this.#isStopping) return
    const leasedUntil = performance.now() + this.#member.leaseMs
    const leased = await this.#parts.leases.take(this.#member, free)
    for (const topic of leased) {
      this.#begin(new TopicWorker(topic, leasedUntil, this.#partsOf(topic.topic)))
    }
  }

  #begin(worker: TopicWorker): void {
    const { topic } = worker
    this.#finished.delete(topic)
    this.#workers.set(topic, worker)
    const end = () => {
      this.#workers.delete(topic)
      this.#finished.add(topic)
      // It may be here again under another epoch, or something was published while it ended.
      const isWanted = worker.isLost || worker.isWokenLate
      if (isWanted && !this.#foreign.has(topic)) this.#wanted.add(topic)
      this.#bell.ring()
    }
    worker.ended.then(end, (error) => {
      end()
      this.#fail(error)
    })
    if (this.#isStopping) worker.stop()
  }

  #partsOf(topic: TopicName) {
    const { userId, name, holder } = this.#member
    const budget: BatchBudget = {
      take: () => this.#takeBatch(),
      end: (isUsed) => this.#endBatch(isUsed),
    }
    return {
      ...this.#parts,
      options: this.#options,
      reader: this.#reader,
      handling: { userId, name, topic, holder },
      slots: this.#slots,
      budget,
      onLeaseOut: () => this.look(),
    }
  }

  async #release(): Promise<void> {
    const topics = [...this.#finished].filter((topic) => !this.#workers.has(topic))
    this.#finished.clear()
    try {
      await this.#parts.leases.release(this.#member, topics)
    } catch (error) {
      for (const topic of topics) this.#finished.add(topic)
      throw error
    }
  }

  #takeBatch(): boolean {
    if (this.#batchesLeft === 0) return false
    this.#batchesLeft--
    this.#batchesOpen++
    return true
  }

  #endBatch(isUsed: boolean): void {
    this.#batchesOpen--
    if (!isUsed) this.#batchesLeft++
    if (this.#batchesLeft === 0 && this.#batchesOpen === 0) this.#end()
  }

  async #leave(): Promise<void> {
    try {
      await this.#parts.leases.leave(this.#member)
    } catch (error) {
      this.#parts.onFault(error) // the leases run out by themselves
    }
  }

  #fail(error: unknown): void {
    this.#failure ??= { error }
    this.#end()
  }

  #end(): void {
    this.#isStopping = true
    for (const worker of this.#workers.values()) worker.stop()
    this.#bell.ring()
  }
}

function isBusy({ idleSince }: TopicWorker): boolean {
  return idleSince === undefined
}

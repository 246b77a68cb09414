import { randomUUID } from 'node:crypto'
import type { Bus, BusSubscription } from '../bus/bus.ts'
import type { AnyMessage } from '../core/message.ts'
import type { Baseline } from '../core/resume.ts'
import { BEFORE_ALL, type Epoch, type Position, type Sequence } from '../core/sequence.ts'
import { prefixOf, type TopicName, type TopicWildcard } from '../core/topic-name.ts'
import type { Log, TopicState } from '../log/log.ts'
import { CarillonError } from '../protocol/errors.ts'

/** Topics read from the log at once. */
const BATCH = 1_000

export interface LivePatternParts {
  readonly log: Log
  readonly bus: Bus
  /** Hands a message to its topic, where someone has it. */
  readonly inject: (message: AnyMessage) => void
  readonly onFault: (error: unknown) => void
}

/** Who wants the topics of a pattern. */
export interface PatternSubscriber {
  /** Which topics it has something to read in at once. */
  topicsBehind(heads: ReadonlyMap<TopicName, Position>): Promise<ReadonlySet<TopicName>>
  /**
   * Takes in a topic, from a place on, or from where it stands; one that is in already stays as it
   * is. Resolves once it is in.
   */
  addTopic(topic: TopicName, after?: TopicPlace): Promise<void>
  /** It cannot go on. */
  fail(error: CarillonError): void
}

/** Where a topic stood. One that was not there yet has the epoch in which it comes. */
export interface TopicPlace {
  readonly epoch: Epoch | undefined
  readonly sequence: Sequence
}

const NOT_THERE: TopicPlace = { epoch: undefined, sequence: BEFORE_ALL }

/**
 * The topics under a prefix, while someone on this instance listens to them. A topic is taken in once
 * something is published to it; the bus says so at once, and the log in the end.
 */
export class LivePattern {
  readonly wildcard: TopicWildcard
  readonly #parts: LivePatternParts
  readonly #subscribers = new Set<PatternSubscriber>()
  /** Where the topics stood that nothing has been published to since this went live. */
  readonly #heads = new Map<TopicName, Position>()
  /** The topics that something has been published to, with when all have taken them in. */
  readonly #taken = new Map<TopicName, Promise<void>>()
  /** What came before the heads were known. */
  #early: Map<TopicName, AnyMessage | undefined> | undefined = new Map()
  #subscription: BusSubscription | undefined
  readonly #baselineId = randomUUID()
  #isClosed = false

  constructor(wildcard: TopicWildcard, parts: LivePatternParts) {
    this.wildcard = wildcard
    this.#parts = parts
  }

  /** Goes live: first the bus, then the heads. */
  async open(): Promise<void> {
    const { bus } = this.#parts
    const subscription = await bus.subscribe(
      this.wildcard,
      (message) => this.#receive(message.topic, message),
      ({ topic }) => this.#receive(topic),
    )
    if (this.#isClosed) return subscription.unsubscribe()
    this.#subscription = subscription
    await this.#eachTopic(({ name, epoch, head }) =>
      this.#heads.set(name, { epoch, sequence: head }),
    )
    const early = this.#early ?? new Map<TopicName, AnyMessage | undefined>()
    this.#early = undefined
    for (const [topic, message] of early) this.#receive(topic, message)
  }

  /** Resolves once the subscriber has every topic that is taken in already, from where it stands. */
  async add(subscriber: PatternSubscriber): Promise<void> {
    this.#subscribers.add(subscriber)
    await Promise.all(this.#taken.values())
    const behind = await subscriber.topicsBehind(this.#heads)
    const names = new Set([...this.#taken.keys(), ...behind])
    await Promise.all([...names].map((name) => subscriber.addTopic(name)))
  }

  /** Where the topics stood that none of the subscribers has taken in; those that it has not were empty. */
  get baseline(): Baseline {
    return { id: this.#baselineId, heads: this.#heads }
  }

  remove(subscriber: PatternSubscriber): void {
    this.#subscribers.delete(subscriber)
  }

  /** Finds the topics whose messages the bus has lost. */
  async check(): Promise<void> {
    if (this.#early !== undefined) return // not live yet
    await this.#eachTopic(({ name, epoch, head }) => {
      const known = this.#heads.get(name)
      if (head > (known?.sequence ?? BEFORE_ALL) || (known && known.epoch !== epoch)) {
        this.#take(name)
      }
    })
  }

  /** Idempotent. */
  close(): void {
    this.#isClosed = true
    this.#subscription?.unsubscribe()
    this.#subscribers.clear()
    this.#taken.clear()
  }

  /** A message of a topic, or the news that it has a new epoch. */
  #receive(topic: TopicName, message?: AnyMessage): void {
    if (this.#isClosed) return
    if (this.#early !== undefined) this.#early.set(topic, message)
    else {
      void this.#take(topic)
      // The topic's own channel may not be open yet, and the log has only what is durable.
      if (message?.ephemeral) this.#parts.inject(message)
    }
  }

  /** Where a subscriber cannot take a topic in, the next check finds it again. */
  #take(name: TopicName): Promise<void> {
    const taken = this.#taken.get(name)
    if (taken !== undefined) return taken
    const after = this.#heads.get(name) ?? NOT_THERE
    const taking = this.#addToAll(name, after)
    this.#taken.set(name, taking)
    return taking
  }

  async #addToAll(name: TopicName, after: TopicPlace): Promise<void> {
    try {
      await Promise.all([...this.#subscribers].map((subscriber) => addTo(subscriber, name, after)))
    } catch (error) {
      this.#taken.delete(name)
      this.#parts.onFault(error)
    }
  }

  async #eachTopic(visit: (state: TopicState) => void): Promise<void> {
    const prefix = prefixOf(this.wildcard)
    let after: TopicName | undefined
    do {
      const page = await this.#parts.log.topics({ prefix, limit: BATCH, after })
      for (const state of page.topics) visit(state)
      after = page.hasNext ? page.topics.at(-1)?.name : undefined
    } while (after !== undefined && !this.#isClosed)
  }
}

/** Rejects with what is worth another attempt; what is not ends the subscription that it is about. */
async function addTo(
  subscriber: PatternSubscriber,
  name: TopicName,
  after: TopicPlace,
): Promise<void> {
  try {
    await subscriber.addTopic(name, after)
  } catch (error) {
    if (error instanceof CarillonError && !error.retryable) subscriber.fail(error)
    else throw error
  }
}

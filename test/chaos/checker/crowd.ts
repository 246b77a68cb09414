import { setTimeout as delay } from 'node:timers/promises'
import type { SubscriberKind } from './history.ts'
import { Publisher } from './publisher.ts'
import { Random } from './random.ts'
import { Subscriber } from './subscriber.ts'
import type { World } from './world.ts'

export interface CrowdOptions {
  /** What the names of its topics begin with. */
  readonly scope: string
  readonly seed: number
  /** The pause of each publisher between two publishes, in milliseconds. */
  readonly pauseMs: number
  /** How long everyone may take to catch up, in milliseconds. What takes longer is judged as it stands. */
  readonly patienceMs?: number | undefined
  /** Ends all waiting and publishing at once. */
  readonly signal: AbortSignal
}

export interface CrowdReport {
  readonly acknowledged: number
  /** Attempts to publish that got no answer, or an error. */
  readonly failedPublishes: number
  readonly delivered: number
  /** Of those, what a subscriber had seen before. */
  readonly repeated: Readonly<Record<SubscriberKind, number>>
  readonly connections: number
}

const TOPICS = 8
const PUBLISHERS = 20
const SUBSCRIBERS = 60
const KINDS: readonly SubscriberKind[] = ['cursor', 'consumer', 'automatic']
const PATIENCE_MS = 60_000

/** All publishers and subscribers. */
export class Crowd implements AsyncDisposable {
  readonly topics: readonly string[]
  readonly #publishers: readonly Publisher[]
  readonly #subscribers: readonly Subscriber[]
  readonly #patienceMs: number
  readonly #signal: AbortSignal
  #running: readonly Promise<void>[] = []

  constructor({ instances, networks }: World, options: CrowdOptions) {
    const { scope, seed, pauseMs, patienceMs = PATIENCE_MS, signal } = options
    const topics = Array.from({ length: TOPICS }, (_, n) => `${scope}:${n}`)
    this.topics = topics
    this.#patienceMs = patienceMs
    this.#signal = signal
    const ports = instances.map(({ port }) => port)
    const networkPorts = networks.map(({ port }) => port)
    const startedAt = performance.now()
    this.#publishers = Array.from({ length: PUBLISHERS }, (_, n) => {
      const random = new Random(seed + 1_000 + n)
      return new Publisher({ name: `publisher ${n}`, topics, ports, random, pauseMs, signal })
    })
    this.#subscribers = Array.from({ length: SUBSCRIBERS }, (_, n) => {
      const random = new Random(seed + 2_000 + n)
      const kind = KINDS[n % KINDS.length] ?? 'cursor'
      const own = [topics[n % TOPICS] ?? '', topics[(n * 3 + 1) % TOPICS] ?? '']
      const wanted = n % 4 === 0 ? topics : [...new Set(own)]
      const patterns = n % 4 === 0 ? [`${scope}:*`] : wanted
      const name = `${scope} ${kind} ${n}`
      return new Subscriber({
        ...{ name, kind, patterns, topics: wanted, networkPorts, ports, random, startedAt },
      })
    })
  }

  /** Until every subscriber has seen something of each of its topics. */
  async begin(): Promise<void> {
    const [first] = this.#publishers
    const isReady = () =>
      this.#subscribers.every((one) =>
        one.history.topics.every((topic) => one.positionIn(topic) > 0),
      )
    const deadline = performance.now() + this.#patienceMs
    while (!isReady()) {
      if (performance.now() > deadline) throw new Error('Subscribers do not become live.')
      for (const topic of this.topics) await first?.publish(topic)
      await this.#wait(100)
    }
    this.#running = this.#publishers.map((publisher) => publisher.run())
  }

  /** Resolves once all that is under way is acknowledged. */
  async stopPublishing(): Promise<void> {
    for (const publisher of this.#publishers) publisher.stop()
    const settled = new AbortController()
    const tooLate = this.#wait(this.#patienceMs, settled.signal).then(() => {
      throw new Error('A publisher gets no answer though all parts run.')
    })
    try {
      await Promise.race([Promise.all(this.#running), tooLate])
    } finally {
      tooLate.catch(() => undefined) // nobody waits for it any more
      settled.abort()
    }
  }

  /** The newest that was acknowledged in each topic. */
  heads(): ReadonlyMap<string, number> {
    const heads = new Map<string, number>()
    for (const { acknowledged } of this.#publishers) {
      for (const { topic, sequence } of acknowledged) {
        heads.set(topic, Math.max(sequence, heads.get(topic) ?? 0))
      }
    }
    return heads
  }

  /**
   * Resolves once every subscriber has seen all of this, or has taken too long; answers who has, and of which
   * topics.
   */
  async reaches(heads: ReadonlyMap<string, number>): Promise<readonly string[]> {
    const deadline = performance.now() + this.#patienceMs
    const missing = (one: Subscriber) =>
      one.history.topics.filter((topic) => one.positionIn(topic) < (heads.get(topic) ?? 0))
    const isBehind = (one: Subscriber) => missing(one).length > 0
    while (this.#subscribers.some(isBehind) && performance.now() < deadline) await this.#wait(20)
    return this.#subscribers.filter(isBehind).map((one) => {
      return `${one.history.name}, connection ${one.connections}: ${missing(one).join(', ')}`
    })
  }

  history() {
    return {
      acknowledged: this.#publishers.flatMap(({ acknowledged }) => acknowledged),
      subscribers: this.#subscribers.map(({ history }) => history),
    }
  }

  report(): CrowdReport {
    const { acknowledged, subscribers } = this.history()
    const repeated = { cursor: 0, consumer: 0, automatic: 0 }
    for (const { kind, seen } of subscribers) {
      repeated[kind] += seen.length - new Set(seen.map(({ id }) => id)).size
    }
    return {
      acknowledged: acknowledged.length,
      failedPublishes: this.#publishers.reduce((sum, { failures }) => sum + failures, 0),
      delivered: subscribers.reduce((sum, { seen }) => sum + seen.length, 0),
      repeated,
      connections: this.#subscribers.reduce((sum, { connections }) => sum + connections, 0),
    }
  }

  #wait(ms: number, settled?: AbortSignal): Promise<void> {
    const signals = settled === undefined ? [this.#signal] : [this.#signal, settled]
    return delay(ms, undefined, { signal: AbortSignal.any(signals) })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const publisher of this.#publishers) publisher.stop()
    await Promise.all(this.#subscribers.map((one) => one[Symbol.asyncDispose]()))
  }
}

import { setTimeout as delay } from 'node:timers/promises'
import type { SubscriberKind } from './history.ts'
import { inflict } from './inflict.ts'
import { judge, type Violation } from './judge.ts'
import { Publisher } from './publisher.ts'
import { Random } from './random.ts'
import { readLog } from './read-log.ts'
import { type Fault, type PlannedFault, planFaults, type SchedulePace } from './schedule.ts'
import { Subscriber } from './subscriber.ts'
import { createWorld, type World } from './world.ts'

export interface CheckOptions {
  readonly seed: number
  readonly seconds: number
  /** The folder of the server's build. */
  readonly build: string
  readonly pace: SchedulePace
  /** Default: all kinds. */
  readonly faults?: readonly Fault[]
  /** How long everyone may take to catch up, in milliseconds. What takes longer is judged as it stands. */
  readonly patienceMs?: number
  /** The pause of each publisher between two publishes, in milliseconds. */
  readonly pauseMs: number
  readonly log: (line: string) => void
}

/** How long it took until everyone had all that had been acknowledged when the fault was over. */
export interface Recovery {
  readonly fault: Fault
  readonly ms: number
}

export interface Report {
  readonly acknowledged: number
  /** Attempts to publish that got no answer, or an error. */
  readonly failedPublishes: number
  readonly delivered: number
  /** Of those, what a subscriber had seen before. */
  readonly repeated: Readonly<Record<SubscriberKind, number>>
  readonly connections: number
  readonly recoveries: readonly Recovery[]
  readonly violations: readonly Violation[]
}

const SERVERS = 3
const TOPICS = Array.from({ length: 8 }, (_, n) => `chaos:${n}`)
const PUBLISHERS = 20
const SUBSCRIBERS = 60
const KINDS: readonly SubscriberKind[] = ['cursor', 'consumer', 'automatic']

const PATIENCE_MS = 60_000

/** Runs publishers and subscribers while parts fail, and judges what they saw. */
export async function check(options: CheckOptions): Promise<Report> {
  const { seed, seconds, build, log: tell } = options
  const faults = planFaults(new Random(seed), { ...options, servers: SERVERS })
  await using world = await createWorld(build, SERVERS)
  await using crowd = new Crowd(world, options)
  await crowd.begin()
  tell(`${SUBSCRIBERS} subscribers and ${PUBLISHERS} publishers are at work`)
  const recoveries: Recovery[] = []
  const until = performance.now() + seconds * 1_000
  while (performance.now() < until) {
    const plan = faults.next().value
    await delay(plan.afterMs)
    recoveries.push(await suffer(plan, { world, crowd, log: tell }))
  }
  await crowd.stopPublishing()
  await crowd.reaches(crowd.heads())
  const log = await readLog(world.instances[0]?.port ?? 0, TOPICS)
  return { ...crowd.report(), recoveries, violations: judge({ ...crowd.history(), log }) }
}

interface Stage {
  readonly world: World
  readonly crowd: Crowd
  readonly log: CheckOptions['log']
}

async function suffer(plan: PlannedFault, { world, crowd, log }: Stage): Promise<Recovery> {
  await inflict(plan, world)
  const start = performance.now()
  await crowd.reaches(crowd.heads())
  const ms = performance.now() - start
  log(`${plan.fault}, ${Math.round(plan.lastsMs)} ms: all at the head after ${Math.round(ms)} ms`)
  return { fault: plan.fault, ms }
}

/** All publishers and subscribers. */
class Crowd implements AsyncDisposable {
  readonly #publishers: readonly Publisher[]
  readonly #subscribers: readonly Subscriber[]
  readonly #patienceMs: number
  #running: readonly Promise<void>[] = []

  constructor({ instances, networks }: World, options: CheckOptions) {
    const { seed, pauseMs } = options
    this.#patienceMs = options.patienceMs ?? PATIENCE_MS
    const ports = instances.map(({ port }) => port)
    const networkPorts = networks.map(({ port }) => port)
    const startedAt = performance.now()
    this.#publishers = Array.from({ length: PUBLISHERS }, (_, n) => {
      const random = new Random(seed + 1_000 + n)
      return new Publisher({ name: `publisher ${n}`, topics: TOPICS, ports, random, pauseMs })
    })
    this.#subscribers = Array.from({ length: SUBSCRIBERS }, (_, n) => {
      const random = new Random(seed + 2_000 + n)
      const kind = KINDS[n % KINDS.length] ?? 'cursor'
      const own = [TOPICS[n % TOPICS.length] ?? '', TOPICS[(n * 3 + 1) % TOPICS.length] ?? '']
      const topics = n % 4 === 0 ? TOPICS : [...new Set(own)]
      const patterns = n % 4 === 0 ? ['chaos:*'] : topics
      const name = `${kind} ${n}`
      return new Subscriber({
        ...{ name, kind, patterns, topics, networkPorts, ports, random, startedAt },
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
    while (!isReady()) {
      for (const topic of TOPICS) await first?.publish(topic)
      await delay(100)
    }
    this.#running = this.#publishers.map((publisher) => publisher.run())
  }

  async stopPublishing(): Promise<void> {
    for (const publisher of this.#publishers) publisher.stop()
    await Promise.all(this.#running)
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

  /** Resolves once every subscriber has seen all of this, or has taken too long. */
  async reaches(heads: ReadonlyMap<string, number>): Promise<void> {
    const deadline = performance.now() + this.#patienceMs
    const isBehind = (one: Subscriber) =>
      one.history.topics.some((topic) => one.positionIn(topic) < (heads.get(topic) ?? 0))
    while (this.#subscribers.some(isBehind) && performance.now() < deadline) await delay(20)
  }

  history() {
    return {
      acknowledged: this.#publishers.flatMap(({ acknowledged }) => acknowledged),
      subscribers: this.#subscribers.map(({ history }) => history),
    }
  }

  report() {
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

  async [Symbol.asyncDispose](): Promise<void> {
    for (const publisher of this.#publishers) publisher.stop()
    await Promise.all(this.#subscribers.map((one) => one[Symbol.asyncDispose]()))
  }
}

import fc, { type Scheduler } from 'fast-check'
import { expect, test } from 'vitest'
import { BACKEND } from '../../src/access/viewer.ts'
import type { Bus } from '../../src/bus/bus.ts'
import { MemoryBus } from '../../src/bus/memory-bus.ts'
import type { AnyMessage, Message } from '../../src/core/message.ts'
import { BEFORE_ALL, type Epoch, type Sequence } from '../../src/core/sequence.ts'
import type { TopicName, TopicPattern } from '../../src/core/topic-name.ts'
import { Hub } from '../../src/hub/hub.ts'
import type { Subscription } from '../../src/hub/subscription.ts'
import type { Log, TopicState } from '../../src/log/log.ts'
import { message } from '../support/messages.ts'

const TOPIC = 'race:1' as TopicName

/** A log in memory whose answers are as of the call, and arrive when the scheduler says. */
class ScheduledLog implements Pick<Log, 'topic' | 'topics' | 'read' | 'topicStates'> {
  readonly messages: Message[] = []
  readonly #scheduler: Scheduler

  constructor(scheduler: Scheduler) {
    this.#scheduler = scheduler
  }

  topic(): Promise<TopicState> {
    return this.#later('head', this.#state)
  }

  async topicStates(names: readonly TopicName[]): Promise<readonly TopicState[]> {
    const state = await this.#later('heads', this.#state)
    return names.map((name) => ({ ...state, name }))
  }

  async topics() {
    const topics = this.messages.length === 0 ? [] : [this.#state]
    return this.#later('topics', { topics, hasNext: false, hasPrevious: false })
  }

  read(_topic: TopicName, after: Sequence, limit: number) {
    const messages = this.messages.slice(after, after + limit)
    return this.#later('read', { topic: this.#state, messages })
  }

  get #state(): TopicState {
    const head = this.messages.length as Sequence
    const tail = (head === BEFORE_ALL ? 0 : 1) as Sequence
    return { name: TOPIC, epoch: '0123456789ab' as Epoch, head, tail }
  }

  #later<Answer>(label: string, answer: Answer): Promise<Answer> {
    return this.#scheduler.schedule(Promise.resolve(answer), label)
  }
}

/** A bus whose subscriptions begin when the scheduler says, and are confirmed later still. */
function scheduledBus(scheduler: Scheduler, bus: MemoryBus): Bus {
  return {
    kind: 'memory',
    isConnected: true,
    publish: (messages) => bus.publish(messages),
    announce: (change) => bus.announce(change),
    async subscribe(pattern, listener, onEpochChange) {
      await scheduler.schedule(Promise.resolve(), 'subscribing')
      const subscription = await bus.subscribe(pattern, listener, onEpochChange)
      await scheduler.schedule(Promise.resolve(), 'confirmed')
      return subscription
    },
    onGap: () => bus.onGap(),
    close: () => bus.close(),
  }
}

interface Race {
  readonly patterns: readonly [first: TopicPattern, second: TopicPattern]
  readonly publishes: number
}

/**
 * One subscriber leaves while another one joins and messages are published, in any order of all their
 * steps. Answers what the second one got of what it was promised.
 */
async function race(scheduler: Scheduler, { patterns, publishes }: Race) {
  const log = new ScheduledLog(scheduler)
  const bus = new MemoryBus(fail)
  const hub = new Hub({
    log: log as unknown as Log,
    bus: scheduledBus(scheduler, bus),
    onFault: fail,
    bounds: { holeWaitMs: 0, checkIntervalMs: 60_000 },
  })
  const subscribe = (pattern: TopicPattern) =>
    hub.subscribe([pattern], { filter: { reader: BACKEND, echo: true } })
  const publish = () => {
    const next = message({ topic: TOPIC, sequence: log.messages.length + 1 })
    log.messages.push(next)
    bus.publish([next])
  }
  const [first, second] = patterns
  const leaving = subscribe(first)
  let joined: { readonly subscription: Subscription; readonly from: number } | undefined
  const running = Promise.all([
    leaving.then(async (subscription) => {
      await scheduler.schedule(Promise.resolve(), 'leave')
      subscription.close()
    }),
    scheduler
      .schedule(Promise.resolve(), 'join')
      .then(() => subscribe(second))
      .then((subscription) => {
        joined = { subscription, from: log.messages.length + 1 }
      }),
    ...Array.from({ length: publishes }, (_, n) =>
      scheduler.schedule(Promise.resolve(), `publish ${n + 1}`).then(publish),
    ),
  ])
  await scheduler.waitFor(running)
  publish() // all know by now that there is an end
  if (joined === undefined) throw new Error('Nobody has joined.')
  const last = log.messages.length
  const got: AnyMessage[] = []
  const taking = (async () => {
    for await (const one of joined.subscription) {
      got.push(one)
      if (one.sequence === last) break
    }
  })()
  await scheduler.waitFor(taking)
  await hub.close()
  return { got: got.map(({ sequence }) => Number(sequence)), from: joined.from, last }
}

function fail(error: unknown): never {
  throw error
}

function upTo(last: number, first: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, n) => first + n)
}

const wildcard = 'race:*' as TopicPattern

test.each<[string, Race['patterns']]>([
  ['leaves a topic while another joins it', [TOPIC, TOPIC]],
  ['leaves a pattern while another joins it', [wildcard, wildcard]],
  ['leaves a topic while another joins a pattern of it', [TOPIC, wildcard]],
  ['leaves a pattern while another joins a topic under it', [wildcard, TOPIC]],
])(
  'when the last subscriber %s, nothing is lost, in any order of the steps',
  async (_what, patterns) => {
    await fc.assert(
      fc.asyncProperty(
        fc.scheduler(),
        fc.integer({ min: 0, max: 5 }),
        async (scheduler, publishes) => {
          const { got, from, last } = await race(scheduler, { patterns, publishes })
          // What was published while it was joining may come, too: then nothing is missing in between.
          const first = Math.min(from, got[0] ?? from)
          expect(got).toEqual(upTo(last, first))
        },
      ),
      { numRuns: 300 },
    )
  },
  30_000,
)

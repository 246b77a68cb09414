import { setImmediate } from 'node:timers/promises'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { TopicName, TopicWildcard } from '../../src/core/topic-name.ts'
import type { Database } from '../../src/database/database.ts'
import { MEMORY, openEmbedded } from '../../src/database/embedded.ts'
import type { TopicEvent } from '../../src/hub/topic-event.ts'
import { PrismaLog } from '../../src/log/prisma-log.ts'
import { takeInShort } from '../support/events.ts'
import { type EventsHubOptions, feed, openEventsHub, placeOf } from '../support/events-hub.ts'
import { logWith } from '../support/log-with.ts'
import { message } from '../support/messages.ts'

let database: Database
let log: PrismaLog
let topics = 0

beforeAll(async () => {
  database = await openEmbedded(MEMORY)
  log = new PrismaLog(database)
})
afterAll(async () => {
  await log.close()
  await database.close()
})

const setUp = (options: Partial<EventsHubOptions> = {}) =>
  openEventsHub({ log, topic: `epochs:${++topics}` as TopicName, ...options })

test('a late message of the old epoch is dropped', async () => {
  await using fixture = setUp()
  const { bus, topic, commit } = fixture
  await commit(2)
  const events = await fixture.events()
  const [late] = await commit()
  const { topic: state } = await log.purge(topic)
  bus.announce({ topic, epoch: state.epoch })
  expect(await takeInShort(events, 2)).toEqual(['caught up', 'gap EPOCH_CHANGED 3-3'])
  bus.publish([...(late === undefined ? [] : [late]), ...(await commit(2))])
  expect(await takeInShort(events, 2)).toEqual(['live 1', 'live 2'])
  bus.publish([...(late === undefined ? [] : [late]), ...(await commit())])
  expect(await takeInShort(events, 1)).toEqual(['live 3'])
  expect(fixture.faults).toEqual([])
})

test('messages of a new epoch that come before the news, in any order, are put in order', async () => {
  await using fixture = setUp()
  const { bus, topic, commit } = fixture
  await commit(5)
  const events = await fixture.events()
  await log.purge(topic)
  const fresh = await commit(4)
  bus.publish([3, 1, 0, 2, 1].flatMap((n) => fresh[n] ?? []))
  const seen = await takeInShort(events, 6)
  expect(seen.slice(0, 2)).toEqual(['caught up', 'gap EPOCH_CHANGED 6-6'])
  expect(seen.slice(2).map((one) => one.split(' ')[1])).toEqual(['1', '2', '3', '4'])
  bus.publish(await commit())
  expect(await takeInShort(events, 1)).toEqual(['live 5'])
})

test('of several new epochs one after the other the last one counts, whichever news come last', async () => {
  await using fixture = setUp()
  const { bus, topic, commit } = fixture
  await commit()
  const events = await fixture.events()
  const changes = []
  for (let n = 0; n < 3; n++) {
    changes.push((await log.purge(topic)).topic)
    await commit()
  }
  for (const { epoch } of changes.reverse()) bus.announce({ topic, epoch })
  const seen = await takeInShort(events, 3)
  expect(seen).toEqual(['caught up', 'gap EPOCH_CHANGED 2-2', 'replayed 1'])
  bus.publish(await commit())
  expect(await takeInShort(events, 1)).toEqual(['live 2'])
})

test('news that come while the log is read are not lost', async () => {
  let finish = () => {}
  let asked = () => {}
  const isAsked = new Promise<void>((resolve) => {
    asked = resolve
  })
  const slow = logWith(log, {
    async read(...args) {
      const slice = await log.read(...args)
      asked()
      await new Promise<void>((resolve) => {
        finish = resolve
      })
      return slice
    },
  })
  await using fixture = setUp({ log: slow, bounds: { holeWaitMs: 1 } })
  const { bus, topic, commit } = fixture
  const events = await fixture.events()
  const messages = await commit(2)
  bus.publish(messages.slice(1)) // the hole is read from the log
  await isAsked
  const { topic: state } = await log.purge(topic)
  bus.announce({ topic, epoch: state.epoch })
  const finishing = setInterval(() => finish(), 5)
  const seen = await takeInShort(events, 4)
  clearInterval(finishing)
  expect(seen).toEqual(['caught up', 'live 1', 'live 2', 'gap EPOCH_CHANGED 3-3'])
})

test("messages of an epoch that is not the topic's are dropped, and the log is asked once", async () => {
  let reads = 0
  const counted = logWith(log, {
    read(...args) {
      reads++
      return log.read(...args)
    },
  })
  await using fixture = setUp({ log: counted })
  const { bus, topic, commit } = fixture
  const events = await fixture.events()
  bus.publish([message({ topic, sequence: 1 })])
  await expect.poll(() => reads).toBe(1)
  bus.publish(Array.from({ length: 50 }, (_, n) => message({ topic, sequence: n + 1 })))
  bus.publish(await commit())
  expect(await takeInShort(events, 2)).toEqual(['caught up', 'live 1'])
  bus.publish(await commit())
  expect(await takeInShort(events, 1)).toEqual(['live 2'])
  expect(reads).toBe(1)
})

test('without news, and with nothing published since, the comparison finds it', async () => {
  await using fixture = setUp({ bounds: { checkIntervalMs: 20 } })
  const { topic, commit } = fixture
  await commit(2)
  const [named, matched] = [await fixture.events(), await fixture.events([wildcardOf(topic)])]
  await log.purge(topic)
  expect(await takeInShort(named, 2)).toEqual(['caught up', 'gap EPOCH_CHANGED 3-3'])
  await commit() // a pattern hears of topics with messages only
  expect((await takeInShort(matched, 2)).slice(0, 2)).toEqual([
    'caught up',
    'gap EPOCH_CHANGED 3-3',
  ])
})

test('what is being rendered of the old epoch does not come after the new one', async () => {
  await using fixture = setUp()
  const { bus, hub, topic, commit } = fixture
  await commit()
  const subscription = await fixture.events()
  const { seen } = feed(subscription, hub, { later: true })
  await expect.poll(seen).toEqual(['caughtUp'])
  bus.publish(await commit(3))
  const { topic: state } = await log.purge(topic)
  bus.announce({ topic, epoch: state.epoch })
  const fresh = await commit()
  bus.publish(fresh)
  const last = `${state.epoch} 1`
  await expect.poll(async () => (await seen()).at(-1)).toBe(last)
  const places = await seen()
  expect(places.lastIndexOf('gap')).toBe(places.indexOf(last) - 1)
  expect(places.filter((one) => one === 'gap')).toHaveLength(1)
})

test('whatever the bus does, no epoch comes back, nothing in one is missing, and all see the end', async () => {
  const step = fc.record({
    does: fc.constantFrom('publish', 'publish', 'publish', 'purge', 'turn'),
    bus: fc.constantFrom('carry', 'lose', 'repeat', 'hold', 'release'),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
      await using fixture = setUp({ bounds: { checkIntervalMs: 20, holeWaitMs: 1 } })
      const { bus, hub, topic, commit } = fixture
      await commit(2)
      const seen = [
        feed(await fixture.events(), hub).seen,
        feed(await fixture.events(), hub, { later: true }).seen,
        feed(await fixture.events([wildcardOf(topic)]), hub).seen,
        take(await fixture.events()),
      ]
      const held: (() => void)[] = []
      for (const { does, bus: mood } of steps) {
        if (does === 'turn') await setImmediate()
        else {
          const carry = await act(does)
          if (mood === 'carry' || mood === 'repeat') carry()
          if (mood === 'repeat' || mood === 'hold') held.push(carry)
          if (mood === 'release') for (const late of held.reverse()) late()
        }
      }
      await commit()
      const end = await log.topic(topic)
      for (const places of seen) {
        await expect
          .poll(async () => (await places()).at(-1), { timeout: 5_000, interval: 5 })
          .toBe(`${end.epoch} ${end.head}`)
        expectInOrder(await places())
      }

      async function act(does: 'publish' | 'purge'): Promise<() => void> {
        if (does === 'publish') {
          const messages = await commit(2)
          return () => bus.publish(messages)
        }
        const { topic: state } = await log.purge(topic)
        return () => bus.announce({ topic, epoch: state.epoch })
      }
    }),
    { numRuns: 60 },
  )
}, 60_000)

/** What the library hands out, all the time. */
function take(events: AsyncIterable<TopicEvent>): () => Promise<string[]> {
  const places: string[] = []
  void (async () => {
    for await (const event of events) places.push(placeOf(event))
  })()
  return async () => places
}

/** Each epoch once, between gaps, and what comes of it in order without a hole. */
function expectInOrder(places: readonly string[]): void {
  const epochs: string[] = []
  let last = 0
  let before = ''
  for (const place of places) {
    const [epoch = '', sequence] = place.split(' ')
    if (sequence !== undefined) {
      if (epoch !== epochs.at(-1)) {
        if (epochs.length > 0) expect(before).toBe('gap')
        last = epochs.length > 0 ? 0 : Number(sequence) - 1
        expect(epochs).not.toContain(epoch)
        epochs.push(epoch)
      }
      expect(Number(sequence)).toBe(last + 1)
      last = Number(sequence)
    }
    before = place
  }
}

function wildcardOf(topic: TopicName): TopicWildcard {
  return topic.replace(/[0-9]+$/, '*') as string as TopicWildcard
}

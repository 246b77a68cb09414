import { afterAll, beforeAll, expect, test } from 'vitest'
import type { TopicName } from '../../src/core/topic-name.ts'
import type { Database } from '../../src/database/database.ts'
import { MEMORY, openEmbedded } from '../../src/database/embedded.ts'
import { PrismaLog } from '../../src/log/prisma-log.ts'
import { inShort, takeInShort } from '../support/events.ts'
import { feed, openEventsHub } from '../support/events-hub.ts'
import { ephemeral } from '../support/messages.ts'

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

function setUp() {
  const topic = `behind:${++topics}` as TopicName
  return openEventsHub({ log, topic, bounds: { maxBytes: 100, chunkBytes: 50 } })
}

test('who falls behind later gets what it missed as replayed, and has caught up once', async () => {
  await using fixture = setUp()
  const { bus, hub, commit } = fixture
  const { sink, seen } = feed(await fixture.events(), hub, { show: inShort })
  await expect.poll(seen).toEqual(['caught up'])
  bus.publish(await commit())
  await expect.poll(seen).toEqual(['caught up', 'live 1'])
  sink.isFast = false
  for (let n = 2; n <= 10; n++) bus.publish(await commit())
  const takeAll = async () => {
    while (sink.writableLength > 0) sink.take()
    return (await seen()).length
  }
  await expect.poll(takeAll).toBe(11)
  bus.publish(await commit())
  await expect.poll(takeAll).toBe(12)
  const all = await seen()
  expect(all.map((one) => one.replace(/replayed|live/, '')).slice(1)).toEqual(
    Array.from({ length: 11 }, (_, n) => ` ${n + 1}`),
  )
  expect(all.at(-1)).toBe('live 11')
  expect(all.filter((one) => one.startsWith('replayed')).length).toBeGreaterThan(3)
  expect(all.filter((one) => one === 'caught up')).toHaveLength(1)
})

test('an ephemeral message comes behind what says that the topic is live', async () => {
  await using fixture = setUp()
  const { bus, topic, commit } = fixture
  await commit(2)
  const live = await fixture.events()
  const behind = await fixture.events([topic], { last: 2 })
  bus.publish([ephemeral({ topic, payload: '"typing"' })])
  expect(await takeInShort(live, 2)).toEqual(['caught up', 'live typing'])
  // Who is behind does not get it: it would come out of place.
  expect(await takeInShort(behind, 3)).toEqual(['replayed 1', 'replayed 2', 'caught up'])
  expect(behind.dropped).toBe(1)
})

import { randomUUID } from 'node:crypto'
import { expect, test } from 'vitest'
import type { Handling } from '../../src/consumers/dead-letter-store.ts'
import type { JsonText } from '../../src/core/json.ts'
import type { Message } from '../../src/core/message.ts'
import type { TopicName } from '../../src/core/topic-name.ts'
import { draft } from '../support/messages.ts'
import type { LeasesUnderTest } from './lease-store.ts'

let topics = 0

/** What every implementation of the dead letter store promises. */
export function describeDeadLetterStore(open: () => LeasesUnderTest): void {
  /** A new topic with so many messages. */
  async function newTopic(
    count: number,
  ): Promise<{ topic: TopicName; messages: readonly Message[] }> {
    const topic = `letters:${++topics}` as TopicName
    const metadata = '{"m":1}' as JsonText
    const drafts = Array.from({ length: count }, () =>
      draft(topic, { metadata, to: ['ann', 'bob'], clientId: 'phone', ttl: 3_600 }),
    )
    const appended = await open().log.append(drafts)
    return { topic, messages: appended.map(({ message }) => message) }
  }

  /** A consumer's lease of a topic. */
  async function hold(topic: TopicName, name = 'worker'): Promise<Handling> {
    const holder = randomUUID()
    const member = { userId: 'ann', name, holder, topics: [topic], leaseMs: 60_000 }
    await open().leases.take(member, [topic])
    return { userId: 'ann', name, topic, holder }
  }

  /** A topic in which these consumers have failed at all messages. */
  async function newLetters(count: number, ...names: readonly string[]) {
    const { topic, messages } = await newTopic(count)
    const { letters } = open()
    const handlings: Handling[] = []
    for (const name of names) {
      const handling = await hold(topic, name)
      handlings.push(handling)
      for (const message of messages) {
        await letters.bury(message, handling, { attempts: 3, error: `${name} failed` })
      }
    }
    const [handling] = handlings
    if (handling === undefined) throw new Error('There is no consumer.')
    return { topic, messages, handling }
  }

  function pageOf(topic: TopicName, limit = 10, consumer?: string) {
    return open().letters.page({ userId: 'ann', topic, consumer, limit, after: undefined })
  }

  test('keeps a copy of the message and acknowledges it', async () => {
    const { topic, messages } = await newTopic(3)
    const [, second] = messages
    if (second === undefined) throw new Error('There is no message.')
    const handling = await hold(topic)
    const { letters, store } = open()
    expect(await letters.bury(second, handling, { attempts: 3, error: 'no' })).toBe(true)
    expect(await store.consumer(handling)).toMatchObject({ acked: 2 })
    const page = await pageOf(topic)
    expect(page).toMatchObject({ hasNext: false, hasPrevious: false })
    expect(page.letters).toMatchObject([
      { userId: 'ann', consumer: 'worker', attempts: 3, error: 'no' },
    ])
    expect(JSON.stringify(page.letters[0]?.message)).toBe(JSON.stringify(second))
    expect(await letters.letter(handling, second)).toEqual(page.letters[0])
    expect(await letters.letter({ ...handling, userId: 'bob' }, second)).toBeUndefined()
  })

  test('writes neither where the lease is lost', async () => {
    const { topic, messages } = await newTopic(1)
    const [message] = messages
    if (message === undefined) throw new Error('There is no message.')
    const handling = { ...(await hold(topic)), holder: 'another' }
    const { letters, store } = open()
    expect(await letters.bury(message, handling, { attempts: 1, error: 'no' })).toBe(false)
    expect((await pageOf(topic)).letters).toEqual([])
    expect(await store.consumer(handling)).toBeUndefined()
  })

  test('pages by sequence, with all of the last message', async () => {
    const { topic, messages } = await newLetters(3, 'one', 'two')
    const places = async (query: { limit: number; after: Message | undefined }) => {
      const page = await open().letters.page({
        userId: 'ann',
        topic,
        consumer: undefined,
        ...query,
      })
      const { letters, hasNext, hasPrevious } = page
      const found = letters.map(({ message, consumer }) => [message.sequence, consumer])
      return { found, hasNext, hasPrevious }
    }
    expect(await places({ limit: 1, after: undefined })).toEqual({
      found: [
        [1, 'one'],
        [1, 'two'],
      ],
      hasNext: true,
      hasPrevious: false,
    })
    expect(await places({ limit: 4, after: messages[0] })).toEqual({
      found: [
        [2, 'one'],
        [2, 'two'],
        [3, 'one'],
        [3, 'two'],
      ],
      hasNext: false,
      hasPrevious: true,
    })
    expect(await places({ limit: 4, after: messages[2] })).toEqual({
      found: [],
      hasNext: false,
      hasPrevious: true,
    })
    expect((await pageOf(topic, 10, 'two')).letters).toHaveLength(3)
  })

  test('puts the oldest back, which wait then and are not dead', async () => {
    const { topic, messages, handling } = await newLetters(3, 'worker')
    const { letters, leases } = open()
    const selection = { userId: 'ann', topic, consumer: undefined, limit: 2 }
    expect(await letters.replay({ ...selection, userId: 'bob' })).toBe(0)
    expect(await letters.replay(selection)).toBe(2)
    expect((await pageOf(topic)).letters.map(({ message }) => message.sequence)).toEqual([3])
    const waiting = await letters.waiting(handling, 10)
    expect(waiting.map(({ message }) => message.sequence)).toEqual([1, 2])
    const member = { ...handling, topics: [topic], leaseMs: 60_000 }
    expect(await leases.survey(member)).toMatchObject({ mine: [topic] })
    const [first, second] = messages
    if (first === undefined || second === undefined) throw new Error('There is no message.')
    expect(await letters.settle({ ...handling, holder: 'another' }, first.sequence)).toBe(false)
    expect(await letters.settle(handling, first.sequence)).toBe(true)
    expect(await letters.bury(second, handling, { attempts: 1, error: 'again' })).toBe(true)
    expect(await letters.waiting(handling, 10)).toEqual([])
    expect(await leases.survey(member)).toMatchObject({ mine: [] })
    expect((await pageOf(topic)).letters).toMatchObject([
      { attempts: 1, error: 'again', message: { sequence: 2 } },
      { attempts: 3, message: { sequence: 3 } },
    ])
  })

  test('a replay never moves the consumer back', async () => {
    const { topic, messages, handling } = await newLetters(2, 'worker')
    const { letters, store } = open()
    await letters.replay({ userId: 'ann', topic, consumer: 'worker', limit: 1 })
    const [first] = messages
    if (first === undefined) throw new Error('There is no message.')
    await letters.bury(first, handling, { attempts: 1, error: 'again' })
    expect(await store.consumer(handling)).toMatchObject({ acked: 2 })
  })

  test('discards the oldest, of one consumer where it is named', async () => {
    const { topic } = await newLetters(3, 'one', 'two')
    const selection = { userId: 'ann', topic, consumer: 'one', limit: 2 }
    expect(await open().letters.discard({ ...selection, userId: 'bob' })).toBe(0)
    expect(await open().letters.discard(selection)).toBe(2)
    const left = (await pageOf(topic)).letters.map(({ message }) => message.sequence)
    expect(left).toEqual([1, 2, 3, 3])
  })

  test('two who put dead letters back at once count each of them once', async () => {
    const { topic } = await newLetters(20, 'worker')
    const selection = { userId: 'ann', topic, consumer: undefined, limit: 15 }
    const counts = await Promise.all([
      open().letters.replay(selection),
      open().letters.replay(selection),
      open().letters.replay(selection),
    ])
    expect(counts.reduce((sum, count) => sum + count, 0)).toBeLessThanOrEqual(20)
    await open().letters.replay({ ...selection, limit: 20 })
    expect((await pageOf(topic, 1)).letters).toEqual([])
  })
}

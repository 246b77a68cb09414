import { randomUUID } from 'node:crypto'
import { expect, test } from 'vitest'
import type { ConsumerStore } from '../../src/consumers/consumer-store.ts'
import type { DeadLetterStore } from '../../src/consumers/dead-letter-store.ts'
import type { LeaseStore, Member } from '../../src/consumers/lease-store.ts'
import type { Sequence } from '../../src/core/sequence.ts'
import type { TopicName, TopicPattern } from '../../src/core/topic-name.ts'
import type { Log } from '../../src/log/log.ts'
import { draft } from '../support/messages.ts'

export interface LeasesUnderTest {
  readonly leases: LeaseStore
  readonly store: ConsumerStore
  readonly letters: DeadLetterStore
  readonly log: Log
}

let groups = 0

/** What every implementation of the lease store promises. */
export function describeLeaseStore(open: () => LeasesUnderTest): void {
  /** Topics of their own prefix, with one message each, and the pattern that matches them. */
  async function newTopics(count: number): Promise<{ pattern: TopicPattern; topics: TopicName[] }> {
    const prefix = `leases-${++groups}`
    const topics = Array.from({ length: count }, (_, n) => `${prefix}:${n}` as TopicName)
    await open().log.append(topics.map((topic) => draft(topic)))
    return { pattern: `${prefix}:*` as TopicPattern, topics }
  }

  function member(pattern: TopicPattern, leaseMs = 60_000): Member {
    return { userId: 'ann', name: 'worker', holder: randomUUID(), topics: [pattern], leaseMs }
  }

  async function taken(by: Member, topics: readonly TopicName[]): Promise<readonly string[]> {
    return (await open().leases.take(by, topics)).map(({ topic }) => topic).sort()
  }

  /** Waits, by the database's clock, until a lease of one millisecond has run out. */
  async function untilOut(by: Member): Promise<void> {
    await expect.poll(async () => (await open().leases.survey(by)).open.length).toBeGreaterThan(0)
  }

  test('a lease is one member’s until it is released', async () => {
    const { pattern, topics } = await newTopics(2)
    const [one, other] = [member(pattern), member(pattern)]
    expect(await taken(one, topics)).toEqual(topics)
    expect(await taken(other, topics)).toEqual([])
    await open().leases.release(other, topics)
    expect(await taken(other, topics)).toEqual([])
    await open().leases.release(one, topics.slice(0, 1))
    expect(await taken(other, topics)).toEqual(topics.slice(0, 1))
    await open().leases.leave(one)
    expect(await taken(other, topics)).toEqual(topics)
  })

  test('of many who reach for a lease at once, one gets it', async () => {
    const { pattern, topics } = await newTopics(5)
    const members = Array.from({ length: 8 }, () => member(pattern))
    const all = await Promise.all(members.map((one) => taken(one, topics)))
    expect(all.flat().sort()).toEqual(topics)
  })

  test('a lease that has run out is taken by another, and not renewed by who had it', async () => {
    const { pattern, topics } = await newTopics(1)
    const [slow, quick] = [member(pattern, 1), member(pattern)]
    await taken(slow, topics)
    await untilOut(quick)
    expect(await taken(quick, topics)).toEqual(topics)
    expect(await open().leases.renew(slow)).toEqual([])
    expect(await open().leases.renew(quick)).toEqual(topics)
  })

  test('a lease that has run out and was not taken is renewed', async () => {
    const { pattern, topics } = await newTopics(1)
    const slow = member(pattern, 1)
    await taken(slow, topics)
    await untilOut(member(pattern))
    expect(await open().leases.renew({ ...slow, leaseMs: 60_000 })).toEqual(topics)
    expect(await taken(member(pattern), topics)).toEqual([])
  })

  test('who takes a lease learns what was acknowledged', async () => {
    const { pattern, topics } = await newTopics(1)
    const one = member(pattern)
    const [topic] = topics
    if (topic === undefined) throw new Error('There is no topic.')
    const { epoch } = await open().log.topic(topic)
    expect(await open().leases.take(one, topics)).toEqual([
      { topic, acked: { epoch, sequence: 0 } },
    ])
    const ack = { userId: 'ann', name: 'worker', topic, sequence: 1 as Sequence }
    await open().store.ack([{ ...ack, holder: one.holder }])
    await open().leases.release(one, topics)
    expect(await open().leases.take(member(pattern), topics)).toEqual([
      { topic, acked: { epoch, sequence: 1 } },
    ])
  })

  test('a topic that nobody ever published to has no lease', async () => {
    const { pattern } = await newTopics(1)
    expect(await taken(member(pattern), ['leases:never' as TopicName])).toEqual([])
  })

  test('a survey tells who is alive, and what there is to do', async () => {
    const { pattern, topics } = await newTopics(3)
    const [one, other, stranger] = [
      member(pattern),
      member(pattern, 30_000),
      member('x:*' as TopicPattern),
    ]
    const { leases, store } = open()
    for (const each of [one, other, stranger]) await leases.renew(each)
    expect(await leases.survey(one)).toMatchObject({ members: 2, active: 3, mine: [] })
    expect([...(await leases.survey(one)).open].sort()).toEqual(topics)
    await taken(one, topics.slice(0, 1))
    await taken(other, topics.slice(1, 2))
    const survey = await leases.survey(one)
    expect(survey).toMatchObject({ members: 2, active: 3, mine: topics.slice(0, 1) })
    expect(survey.open).toEqual(topics.slice(2))
    expect(survey.nextExpiryMs).toBeGreaterThan(0)
    expect(survey.nextExpiryMs).toBeLessThanOrEqual(30_000)
    const acks = topics.map((topic) => ({
      userId: 'ann',
      name: 'worker',
      topic,
      sequence: 1 as Sequence,
    }))
    await store.ack(acks)
    expect(await leases.survey(one)).toMatchObject({ active: 2, mine: [], open: [] })
    await leases.leave(other)
    expect(await leases.survey(one)).toMatchObject({
      members: 1,
      active: 1,
      nextExpiryMs: undefined,
    })
  })

  test('an ack counts only with the lease that it names', async () => {
    const { pattern, topics } = await newTopics(1)
    const [topic] = topics
    if (topic === undefined) throw new Error('There is no topic.')
    const [slow, quick] = [member(pattern, 1), member(pattern)]
    const { store } = open()
    const ack = { userId: 'ann', name: 'worker', topic, sequence: 1 as Sequence }
    await taken(slow, topics)
    await untilOut(quick)
    await taken(quick, topics)
    expect(await store.ack([{ ...ack, holder: slow.holder }])).toEqual([{ kind: 'leaseLost' }])
    expect(await store.consumer(ack)).toBeUndefined()
    expect(await store.ack([{ ...ack, holder: quick.holder }])).toMatchObject([
      { kind: 'acked', consumer: { acked: 1 } },
    ])
  })

  test('renewals, acks and takes of many at once do not block one another', async () => {
    const { pattern, topics } = await newTopics(20)
    const members = Array.from({ length: 4 }, () => member(pattern))
    const { leases, store } = open()
    await Promise.all(
      members.map(async (one) => {
        for (let round = 0; round < 5; round++) {
          const held = await leases.take(one, topics)
          const acks = [...held].reverse().map(({ topic }) => ({
            ...{ userId: 'ann', name: 'worker', topic, sequence: 1 as Sequence },
            holder: one.holder,
          }))
          const [outcomes] = await Promise.all([store.ack(acks), leases.renew(one)])
          expect(outcomes.every(({ kind }) => kind === 'acked')).toBe(true)
          await leases.release(one, topics)
        }
      }),
    )
  })
}

import { expect, test } from 'vitest'
import type { JsonText } from '../../src/core/json.ts'
import type { Draft, Reader } from '../../src/core/message.ts'
import type { Epoch, Sequence } from '../../src/core/sequence.ts'
import type { TopicName } from '../../src/core/topic-name.ts'
import type { Log, PageQuery } from '../../src/log/log.ts'
import { draft } from '../support/messages.ts'
import { rejection } from '../support/rejection.ts'

const BACKEND: Reader = { kind: 'backend', userId: 'backend' }

let topics = 0

/** A topic that no other test has touched. */
function newTopic(): TopicName {
  return `contract:${++topics}` as TopicName
}

function json(text: string): JsonText {
  return text as JsonText
}

function sequenceOf(value: number): Sequence {
  return value as Sequence
}

/** What every implementation of the log promises. */
export function describeLog(open: () => Log): void {
  async function append(...drafts: Draft[]) {
    return open().append(drafts)
  }

  /** Appends one message a payload and answers their sequences. */
  async function fill(topic: TopicName, count: number, fields: Partial<Draft> = {}) {
    const drafts = Array.from({ length: count }, (_, n) =>
      draft(topic, { payload: json(String(n + 1)), ...fields }),
    )
    return (await open().append(drafts)).map(({ message }) => message.sequence)
  }

  async function onlyMessage(topic: TopicName, type: string) {
    const query = { topic, take: 'last', limit: 2, types: [type], reader: BACKEND } as const
    const { messages } = await open().page(query)
    expect(messages).toHaveLength(1)
    return messages[0]
  }

  async function sequences(query: Partial<PageQuery> & { readonly topic: TopicName }) {
    const page = await open().page({ take: 'last', limit: 25, reader: BACKEND, ...query })
    return page.messages.map(({ sequence }) => sequence)
  }

  test('numbers the messages of each topic from 1, without holes', async () => {
    const [one, other] = [newTopic(), newTopic()]
    expect(await fill(one, 3)).toEqual([1, 2, 3])
    expect(await fill(other, 2)).toEqual([1, 2])
    expect(await fill(one, 2)).toEqual([4, 5])
  })

  /** How a message can come: the first of its topic, alone, or among others. */
  const WAYS = [
    { way: 'the first of its topic', before: 0, along: 0 },
    { way: 'a lone one', before: 1, along: 0 },
    { way: 'one among others', before: 1, along: 3 },
  ]

  test.each(WAYS)('stores every field of $way and gives it back', async ({ before, along }) => {
    const topic = newTopic()
    if (before > 0) await fill(topic, before)
    const [appended] = await append(
      draft(topic, {
        type: 'order.created',
        payload: json('{"b":1,"a":[1e21,"\\u0000","\\ud800",{"__proto__":1}]}'),
        metadata: json('["x"]'),
        encrypted: true,
        from: 'ann',
        clientId: 'phone',
        to: ['bob', 'dâ"\\{},NULL'],
        idempotencyKey: 'k',
        ttl: 3600,
      }),
      ...Array.from({ length: along }, () => draft(topic)),
    )
    const stored = await onlyMessage(topic, 'order.created')
    expect(stored?.toJSON()).toEqual(appended?.message.toJSON())
    expect(stored).toMatchObject({
      topic,
      sequence: before + 1,
      type: 'order.created',
      encrypted: true,
      from: 'ann',
      clientId: 'phone',
      to: ['bob', 'dâ"\\{},NULL'],
      idempotencyKey: 'k',
      payloadText: '{"b":1,"a":[1e21,"\\u0000","\\ud800",{"__proto__":1}]}',
      metadataText: '["x"]',
    })
    expect(Number(stored?.expiresAt) - Number(stored?.publishedAt)).toBe(3_600_000)
  })

  test.each(WAYS)('stores no field that $way does not have', async ({ before, along }) => {
    const topic = newTopic()
    if (before > 0) await fill(topic, before)
    const others = Array.from({ length: along }, () => draft(topic))
    const [appended] = await append(draft(topic, { type: 'bare' }), ...others)
    const stored = await onlyMessage(topic, 'bare')
    expect(stored?.toJSON()).toEqual(appended?.message.toJSON())
    expect(stored).toMatchObject({
      clientId: null,
      to: null,
      idempotencyKey: null,
      metadata: null,
      expiresAt: null,
      encrypted: false,
    })
  })

  test('stores a batch over several topics in the order of its drafts', async () => {
    const [one, other] = [newTopic(), newTopic()]
    const appended = await append(draft(one), draft(other), draft(one))
    expect(appended.map(({ message }) => [message.topic, message.sequence])).toEqual([
      [one, 1],
      [other, 1],
      [one, 2],
    ])
  })

  test('gives the first message back for a key that was published before', async () => {
    const topic = newTopic()
    const [first] = await append(draft(topic, { idempotencyKey: 'k', clientId: 'phone' }))
    const [again] = await append(draft(topic, { idempotencyKey: 'k', clientId: 'laptop' }))
    expect(first?.duplicate).toBe(false)
    expect(again?.duplicate).toBe(true)
    expect(again?.message.toJSON()).toEqual(first?.message.toJSON())
    expect(await sequences({ topic })).toEqual([1])
  })

  test('stores one message where the same key comes a hundred times at once', async () => {
    const topic = newTopic()
    const results = await Promise.all(
      Array.from({ length: 100 }, () => append(draft(topic, { idempotencyKey: 'k' }))),
    )
    const appended = results.flat()
    expect(appended.filter(({ duplicate }) => !duplicate)).toHaveLength(1)
    expect(new Set(appended.map(({ message }) => message.sequence))).toEqual(new Set([1]))
    expect(await sequences({ topic })).toEqual([1])
  })

  test('keeps the keys of two topics apart', async () => {
    const [one, other] = [newTopic(), newTopic()]
    await append(draft(one, { idempotencyKey: 'k' }))
    const [appended] = await append(draft(other, { idempotencyKey: 'k', payload: json('2') }))
    expect(appended?.duplicate).toBe(false)
  })

  test.each([
    ['payload', { payload: json('{"n":2}') }],
    ['type', { type: 'other' }],
    ['metadata', { metadata: json('1') }],
    ['encrypted', { encrypted: true }],
    ['recipients', { to: ['bob'] }],
    ['user', { from: 'bob' }],
  ] as const)('refuses a key that was published with another %s', async (_what, fields) => {
    const topic = newTopic()
    await append(draft(topic, { idempotencyKey: 'k' }))
    const error = await rejection(append(draft(topic, { idempotencyKey: 'k', ...fields })))
    expect(error).toMatchObject({ code: 'IDEMPOTENCY_CONFLICT', retryable: false })
    expect(await sequences({ topic })).toEqual([1])
  })

  test('refuses a key within one batch that has other content', async () => {
    const topic = newTopic()
    const error = await rejection(
      append(
        draft(topic, { idempotencyKey: 'k' }),
        draft(topic, { idempotencyKey: 'k', payload: json('2') }),
      ),
    )
    expect(error).toMatchObject({ code: 'IDEMPOTENCY_CONFLICT' })
    expect(await sequences({ topic })).toEqual([])
  })

  test('appends where the head is the expected one', async () => {
    const topic = newTopic()
    await append(draft(topic, { expectedHead: sequenceOf(0) }))
    await append(draft(topic, { expectedHead: sequenceOf(1) }))
    const error = await rejection(append(draft(topic, { expectedHead: sequenceOf(1) })))
    expect(error).toMatchObject({
      code: 'SEQUENCE_CONFLICT',
      message: `The head of the topic ${topic} is 2, not 1.`,
    })
    expect(await sequences({ topic })).toEqual([1, 2])
  })

  test('counts what a batch has appended before towards an expected head', async () => {
    const topic = newTopic()
    const appended = await append(
      draft(topic, { expectedHead: sequenceOf(0) }),
      draft(topic, { expectedHead: sequenceOf(1) }),
    )
    expect(appended.map(({ message }) => message.sequence)).toEqual([1, 2])
  })

  test('lets one of many win that expect the same head', async () => {
    const topic = newTopic()
    const results = await Promise.allSettled(
      Array.from({ length: 20 }, () => append(draft(topic, { expectedHead: sequenceOf(0) }))),
    )
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    expect(await sequences({ topic })).toEqual([1])
  })

  test('looks at the key before the expected head, so that a retry succeeds', async () => {
    const topic = newTopic()
    const once = draft(topic, { idempotencyKey: 'k', expectedHead: sequenceOf(0) })
    await append(once)
    const [again] = await append(once)
    expect(again).toMatchObject({ duplicate: true, message: { sequence: 1 } })
  })

  test('stores nothing of a batch in which one draft is refused', async () => {
    const [one, other] = [newTopic(), newTopic()]
    const error = await rejection(
      append(draft(one), draft(other), draft(one, { expectedHead: sequenceOf(7) })),
    )
    expect(error).toMatchObject({ code: 'SEQUENCE_CONFLICT' })
    expect(await sequences({ topic: one })).toEqual([])
    expect(await sequences({ topic: other })).toEqual([])
    expect(await fill(one, 1)).toEqual([1])
  })

  test('refuses only the publishes at fault among those that are committed together', async () => {
    const topic = newTopic()
    await append(draft(topic, { idempotencyKey: 'taken' }))
    const results = await Promise.allSettled([
      append(draft(topic)),
      append(draft(topic, { idempotencyKey: 'taken', payload: json('2') })),
      append(draft(topic), draft(topic, { expectedHead: sequenceOf(99) })),
      append(draft(topic, { idempotencyKey: 'new' })),
      append(draft(topic, { expectedHead: sequenceOf(3) })),
      append(draft(topic)),
    ])
    expect(results.map(({ status }) => status)).toEqual([
      'fulfilled',
      'rejected',
      'rejected',
      'fulfilled',
      'fulfilled',
      'fulfilled',
    ])
    expect(await sequences({ topic })).toEqual([1, 2, 3, 4, 5])
  })

  test('frees the key of a draft whose batch is refused', async () => {
    const topic = newTopic()
    const results = await Promise.allSettled([
      append(draft(topic, { idempotencyKey: 'k' }), draft(topic, { expectedHead: sequenceOf(9) })),
      append(draft(topic, { idempotencyKey: 'k', payload: json('2') })),
    ])
    expect(results.map(({ status }) => status)).toEqual(['rejected', 'fulfilled'])
    expect(await sequences({ topic })).toEqual([1])
  })

  test('an empty batch stores nothing', async () => {
    expect(await append()).toEqual([])
  })

  test('a topic never published to is empty, and has the epoch that it will start with', async () => {
    const topic = newTopic()
    const before = await open().topic(topic)
    expect(before).toMatchObject({ name: topic, head: 0, tail: 0 })
    const [appended] = await append(draft(topic))
    expect(appended?.message.epoch).toBe(before.epoch)
    expect(await open().topic(topic)).toMatchObject({ epoch: before.epoch, head: 1, tail: 1 })
  })

  test('answers the states of several topics in the order of their names', async () => {
    const [one, other] = [newTopic(), newTopic()]
    await fill(other, 2)
    const states = await open().topicStates([other, one])
    expect(states.map(({ name, head }) => [name, head])).toEqual([
      [other, 2],
      [one, 0],
    ])
  })

  test('pages forward and backward, oldest first', async () => {
    const topic = newTopic()
    await fill(topic, 10)
    const { epoch } = await open().topic(topic)
    const at = (sequence: number) => ({ epoch, sequence: sequenceOf(sequence) })
    expect(await sequences({ topic, take: 'first', limit: 3 })).toEqual([1, 2, 3])
    expect(await sequences({ topic, take: 'last', limit: 3 })).toEqual([8, 9, 10])
    expect(await sequences({ topic, take: 'first', limit: 3, after: at(3) })).toEqual([4, 5, 6])
    expect(await sequences({ topic, take: 'last', limit: 3, before: at(8) })).toEqual([5, 6, 7])
    expect(await sequences({ topic, take: 'last', limit: 2, after: at(3) })).toEqual([9, 10])
    expect(await sequences({ topic, take: 'first', limit: 2, before: at(3) })).toEqual([1, 2])
    expect(
      await sequences({ topic, take: 'first', limit: 9, after: at(2), before: at(5) }),
    ).toEqual([3, 4])
  })

  test('knows exactly whether there is more on either side of a page', async () => {
    const topic = newTopic()
    await fill(topic, 4)
    const { epoch } = await open().topic(topic)
    const at = (sequence: number) => ({ epoch, sequence: sequenceOf(sequence) })
    const sides = async (query: Partial<PageQuery>) => {
      const page = await open().page({ topic, take: 'first', limit: 2, reader: BACKEND, ...query })
      return [page.hasPrevious, page.hasNext]
    }
    expect(await sides({})).toEqual([false, true])
    expect(await sides({ limit: 4 })).toEqual([false, false])
    expect(await sides({ after: at(1) })).toEqual([true, true])
    expect(await sides({ after: at(2) })).toEqual([true, false])
    expect(await sides({ after: at(4) })).toEqual([true, false])
    expect(await sides({ after: at(0) })).toEqual([false, true])
    expect(await sides({ take: 'last' })).toEqual([true, false])
    expect(await sides({ take: 'last', limit: 4 })).toEqual([false, false])
    expect(await sides({ take: 'last', before: at(4) })).toEqual([true, true])
    expect(await sides({ take: 'last', before: at(3) })).toEqual([false, true])
    expect(await sides({ take: 'last', before: at(1) })).toEqual([false, true])
    expect(await sides({ take: 'last', after: at(2) })).toEqual([true, false])
    expect(await sides({ take: 'first', before: at(3) })).toEqual([false, true])
  })

  test('a page of an empty topic is empty', async () => {
    const topic = newTopic()
    const page = await open().page({ topic, take: 'last', limit: 25, reader: BACKEND })
    expect(page).toMatchObject({ messages: [], hasNext: false, hasPrevious: false })
    expect(page.topic.head).toBe(0)
  })

  test('filters by user and by type, and counts only the filtered set', async () => {
    const topic = newTopic()
    await append(
      draft(topic, { from: 'ann', type: 'a' }),
      draft(topic, { from: 'bob', type: 'a' }),
      draft(topic, { from: 'ann', type: 'b' }),
      draft(topic, { from: 'cid', type: 'b' }),
      draft(topic, { from: 'ann', type: 'a' }),
    )
    expect(await sequences({ topic, from: ['ann'] })).toEqual([1, 3, 5])
    expect(await sequences({ topic, from: ['ann', 'cid', 'ann'] })).toEqual([1, 3, 4, 5])
    expect(await sequences({ topic, types: ['b'] })).toEqual([3, 4])
    expect(await sequences({ topic, from: ['ann'], types: ['b', 'c'] })).toEqual([3])
    expect(await sequences({ topic, from: [] })).toEqual([])
    const page = await open().page({
      topic,
      take: 'first',
      limit: 2,
      from: ['cid', 'bob'],
      reader: BACKEND,
    })
    expect(page.messages.map(({ sequence }) => sequence)).toEqual([2, 4])
    expect([page.hasPrevious, page.hasNext]).toEqual([false, false])
  })

  test('shows messages with recipients to them, to the publisher and to backends only', async () => {
    const topic = newTopic()
    await append(
      draft(topic),
      draft(topic, { from: 'ann', to: ['bob', 'cid'] }),
      draft(topic, { from: 'bob', to: ['cid'] }),
    )
    const seenBy = (userId: string) => sequences({ topic, reader: { kind: 'user', userId } })
    expect(await seenBy('ann')).toEqual([1, 2])
    expect(await seenBy('bob')).toEqual([1, 2, 3])
    expect(await seenBy('cid')).toEqual([1, 2, 3])
    expect(await seenBy('eve')).toEqual([1])
    expect(await sequences({ topic })).toEqual([1, 2, 3])
    const page = await open().page({
      topic,
      take: 'first',
      limit: 1,
      reader: { kind: 'user', userId: 'eve' },
    })
    expect(page.hasNext).toBe(false)
  })

  test('gives one message to those that may see it', async () => {
    const topic = newTopic()
    const [appended] = await append(draft(topic, { from: 'ann', to: ['bob'] }))
    const position = { epoch: appended?.message.epoch as Epoch, sequence: sequenceOf(1) }
    const seenBy = (userId: string) => open().message(topic, position, { kind: 'user', userId })
    expect((await seenBy('bob'))?.toJSON()).toEqual(appended?.message.toJSON())
    expect(await seenBy('eve')).toBeUndefined()
    const elsewhere = { ...position, epoch: '000000000000' as Epoch }
    expect(await open().message(topic, elsewhere, BACKEND)).toBeUndefined()
  })

  test('returns expired messages from no page, but keeps their place', async () => {
    const topic = newTopic()
    await append(draft(topic), draft(topic, { ttl: 1 }), draft(topic))
    await expect.poll(() => sequences({ topic }), { timeout: 5_000 }).toEqual([1, 3])
    const { messages } = await open().read(topic, sequenceOf(0), 10)
    expect(messages.map(({ sequence }) => sequence)).toEqual([1, 2, 3])
  })

  test('reads on from a sequence, all messages whoever may see them', async () => {
    const topic = newTopic()
    await fill(topic, 5, { to: ['bob'] })
    const { topic: state, messages } = await open().read(topic, sequenceOf(2), 2)
    expect(messages.map(({ sequence }) => sequence)).toEqual([3, 4])
    expect(state.head).toBe(5)
    expect((await open().read(newTopic(), sequenceOf(0), 2)).messages).toEqual([])
  })

  test('lists the topics with messages in byte order, page by page', async () => {
    const prefix = `list:${++topics}:`
    const names = ['B', 'Z.z', '_', 'a', 'a-b', 'b:1'].map(
      (name) => `${prefix}${name}` as TopicName,
    )
    for (const name of [...names].reverse()) await append(draft(name))
    await rejection(append(draft(`${prefix}c` as TopicName, { expectedHead: sequenceOf(1) })))

    const all = await open().topics({ prefix, limit: 10 })
    expect(all.topics.map(({ name }) => name)).toEqual(names)
    expect([all.hasPrevious, all.hasNext]).toEqual([false, false])

    const middle = await open().topics({ prefix, limit: 2, after: names[1] })
    expect(middle.topics.map(({ name }) => name)).toEqual(names.slice(2, 4))
    expect([middle.hasPrevious, middle.hasNext]).toEqual([true, true])

    const behind = await open().topics({ prefix, limit: 2, after: `${prefix}zzz` as TopicName })
    expect(behind).toEqual({ topics: [], hasNext: false, hasPrevious: true })
    const before = await open().topics({ prefix, limit: 1, after: prefix as TopicName })
    expect([before.hasPrevious, before.hasNext]).toEqual([false, true])
  })

  test('purges a topic: empty, of a new epoch, and numbered from 1 again', async () => {
    const [topic, other] = [newTopic(), newTopic()]
    await fill(topic, 3, { idempotencyKey: null })
    await fill(other, 2)
    const before = await open().topic(topic)
    const { topic: state, purged } = await open().purge(topic)
    expect(purged).toBe(true)
    expect(state).toEqual({ name: topic, epoch: state.epoch, head: 0, tail: 0 })
    expect(state.epoch).not.toBe(before.epoch)
    expect(await open().read(topic, sequenceOf(0), 10)).toEqual({ topic: state, messages: [] })
    expect(await fill(topic, 2)).toEqual([1, 2])
    expect(await open().topic(topic)).toEqual({ ...state, head: 2, tail: 1 })
    expect((await open().topic(other)).head).toBe(2)
  })

  test('leaves an empty topic as it is, and one that has not the expected epoch', async () => {
    const topic = newTopic()
    const empty = await open().topic(topic)
    expect(await open().purge(topic)).toEqual({ topic: empty, purged: false })
    await fill(topic, 1)
    const { topic: fresh } = await open().purge(topic, empty.epoch)
    expect(await open().purge(topic)).toEqual({ topic: fresh, purged: false })
    await fill(topic, 1)
    const state = await open().topic(topic)
    expect(await open().purge(topic, empty.epoch)).toEqual({ topic: state, purged: false })
    expect((await open().purge(topic, fresh.epoch)).purged).toBe(true)
  })

  test('gives publishes at the same time a place before the purge or after it', async () => {
    const topic = newTopic()
    await fill(topic, 1)
    const appending = Array.from({ length: 40 }, async (_, n) => {
      if (n % 10 === 5) await open().purge(topic)
      return open().append([draft(topic, { idempotencyKey: `key ${n}` })])
    })
    const places = (await Promise.all(appending)).flat().map(({ message }) => message.id)
    expect(new Set(places).size).toBe(40)
    const { topic: state, messages } = await open().read(topic, sequenceOf(0), 100)
    expect(messages.map(({ sequence }) => sequence)).toEqual(
      Array.from({ length: state.head }, (_, n) => n + 1),
    )
  })

  test('changes the epoch of a topic only where its head is behind what is known of it', async () => {
    const [topic, unknown] = [newTopic(), newTopic()]
    await fill(topic, 3)
    const state = await open().topic(topic)
    expect(await open().changeEpoch(state)).toBe(false)
    const known = { ...state, head: sequenceOf(4) }
    expect(await open().changeEpoch(known)).toBe(true)
    const changed = await open().topic(topic)
    expect(changed).toEqual({ ...state, epoch: changed.epoch })
    expect(changed.epoch).not.toBe(state.epoch)
    expect(await open().changeEpoch(known)).toBe(false) // another instance was first
    expect((await open().read(topic, sequenceOf(0), 10)).messages).toHaveLength(3)
    const never = await open().topic(unknown)
    expect(await open().changeEpoch({ ...never, head: sequenceOf(1) })).toBe(true)
    expect((await open().topic(unknown)).epoch).not.toBe(never.epoch)
    expect(await fill(unknown, 1)).toEqual([1])
  })

  test('answers a ping', async () => {
    await open().ping()
  })
}

import { readFileSync } from 'node:fs'
import { buildSchema, type DocumentNode, parse, print, validate } from 'graphql'
import { describe, expect, test } from 'vitest'
import { ADDED } from '../../../src/links/followed-document.ts'
import { Follower } from '../../../src/links/follower.ts'
import { ROOT } from '../../support/markdown.ts'

const schema = buildSchema(readFileSync(`${ROOT}schema.graphql`, 'utf8'))

const EPOCH = 'aaaaaaaaaaaa'

function cursorAt(sequence: number, epoch = EPOCH, topic = 'chat:1'): string {
  return Buffer.from(`${sequence}:${epoch}:${topic}`).toString('base64url')
}

function followerOf(query: string, variables: Record<string, unknown> = {}): Follower {
  const follower = Follower.of(parse(query), variables)
  if (follower === undefined) throw new Error('It is not followed.')
  return follower
}

function messageAt(sequence: number | null, epoch = EPOCH) {
  const cursor = sequence === null ? null : cursorAt(sequence, epoch)
  return {
    messages: {
      [ADDED.data]: { n: sequence },
      [ADDED.message]: { topic: 'chat:1', sequence, cursor },
    },
  }
}

const told = (sequence: number | null) => ({
  kind: 'told',
  data: { messages: { n: sequence } },
})

const PLAIN = 'subscription { messages(topics: "chat:1") { n: sequence } }'

describe('What is sent', () => {
  test.each([
    PLAIN,
    'subscription ($after: [Cursor!]) { messages(topics: "a", after: $after) { ...F } } fragment F on Message { id }',
    'subscription ($gap: GapPolicy = SKIP) { all: messages(topics: ["a", "b"], onGap: $gap) { message: id } }',
    'subscription ($c: Cursor!) { messages(topics: "a", after: [$c], last: 5, echo: false) { payload } }',
    'subscription ($id: ID) { messages(topics: "a", consumer: $id) { __typename id } }',
    `subscription { events(topics: "a", snapshot: true) { __typename ...E ... on GapEvent { topic: reason } } }
     fragment E on MessageEvent { message { id sequence } replayed }`,
  ])('is a valid document, and the same one each time: %s', (query) => {
    const document = parse(query)
    const sent = Follower.of(document)?.document
    expect(Follower.of(document)?.document).toBe(sent)
    expect(validate(schema, document)).toEqual([])
    expect(validate(schema, sent as DocumentNode)).toEqual([])
    expect(print(sent as DocumentNode)).not.toContain('onGap')
  })

  test.each([
    'query { messages(topic: "a") { nodes { id } } }',
    'mutation { purgeTopic(topic: "a") { id } }',
    'subscription { presence(topics: "a") { type } }',
    'subscription { ...F } fragment F on Subscription { messages(topics: "a") { id } }',
  ])('is nothing of ours where that is no subscription to messages: %s', (query) => {
    expect(Follower.of(parse(query))).toBeUndefined()
  })

  test('has the cursors of where it stands, whenever the variables are looked at', () => {
    const query = 'subscription ($a: [Cursor!]) { messages(topics: "chat:1", after: $a) { id } }'
    const { variables, ...follower } = followerOf(query, { a: cursorAt(3), other: 1 })
    expect(JSON.parse(JSON.stringify(variables))).toEqual({ a: [cursorAt(3)], other: 1 })
    expect(Object.keys(follower)).toContain('document')
  })

  test('goes on behind the last message, and behind what it knows of quiet topics', () => {
    const follower = followerOf(PLAIN)
    follower.take(messageAt(1))
    const caughtUp = { [ADDED.topic]: 'quiet', [ADDED.cursor]: cursorAt(0, EPOCH, 'quiet') }
    expect(follower.take({ messages: caughtUp })).toEqual({ kind: 'nothing' })
    expect(follower.variables).toEqual({
      carillonAfter: [cursorAt(1), cursorAt(0, EPOCH, 'quiet')],
    })
  })
})

describe('What comes', () => {
  test('is handed on once, in the form that was asked for', () => {
    const follower = followerOf(PLAIN)
    expect([1, 2, 2, 1, 3].map((n) => follower.take(messageAt(n)).kind)).toEqual([
      'told',
      'told',
      'nothing',
      'nothing',
      'told',
    ])
    expect(follower.take(messageAt(4))).toEqual(told(4))
    expect(follower.take(messageAt(null))).toEqual(told(null))
  })

  test('is read again where there is a hole, and once only', () => {
    const follower = followerOf(PLAIN)
    follower.take(messageAt(1))
    expect(follower.take(messageAt(4))).toEqual({ kind: 'hole' })
    expect(follower.variables).toEqual({ carillonAfter: [cursorAt(1)] })
    expect(follower.take(messageAt(4))).toEqual(told(4))
    expect(follower.take(messageAt(9))).toEqual(told(9))
  })

  test('goes on being looked at where the log had what was missing', () => {
    const follower = followerOf(PLAIN)
    follower.take(messageAt(1))
    expect(follower.take(messageAt(3))).toEqual({ kind: 'hole' })
    expect([2, 3, 4].map((n) => follower.take(messageAt(n)))).toEqual([2, 3, 4].map(told))
    expect(follower.take(messageAt(6))).toEqual({ kind: 'hole' })
  })

  test.each(['types: ["a"]', 'from: ["ann"]', 'echo: false', 'maxPerSecond: 5'])(
    'may have holes with %s',
    (argument) => {
      const query = `subscription { messages(topics: "chat:1", ${argument}) { n: sequence } }`
      const follower = followerOf(query)
      expect([1, 5].map((n) => follower.take(messageAt(n)))).toEqual([told(1), told(5)])
    },
  )

  test('begins anew with another epoch, of which nothing older comes any more', () => {
    const follower = followerOf(PLAIN)
    follower.take(messageAt(5))
    expect(follower.take(messageAt(1, 'bbbbbbbbbbbb'))).toEqual(told(1))
    expect(follower.take(messageAt(6))).toEqual({ kind: 'nothing' })
    expect(follower.take(messageAt(2, 'bbbbbbbbbbbb'))).toEqual(told(2))
  })

  test('may be a gap, which ends it unless it may be skipped', () => {
    const gap = { topic: 'chat:1', fromSequence: 2, toSequence: 8, reason: 'RETENTION' }
    const event = {
      [ADDED.topic]: gap.topic,
      [ADDED.fromSequence]: gap.fromSequence,
      [ADDED.toSequence]: gap.toSequence,
      [ADDED.reason]: gap.reason,
    }
    const failing = followerOf(PLAIN)
    failing.take(messageAt(1))
    expect(failing.take({ messages: event })).toEqual({ kind: 'gap', gap })
    const skipping = followerOf(PLAIN.replace(')', ', onGap: SKIP)'))
    expect(skipping.take({ messages: event })).toEqual({ kind: 'nothing' })
    expect(skipping.take(messageAt(9))).toEqual(told(9))
  })

  test('is handed on as it is where there is no data', () => {
    expect(followerOf(PLAIN).take({ messages: null })).toEqual({
      kind: 'told',
      data: { messages: null },
    })
  })
})

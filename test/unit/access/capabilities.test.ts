import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ACTIONS } from '../../../src/access/action.ts'
import { Capabilities, parseCapabilities } from '../../../src/access/capabilities.ts'
import {
  matchesPattern,
  parseTopicName,
  parseTopicPattern,
  type TopicPattern,
} from '../../../src/core/topic-name.ts'

const part = fc.constantFrom('a', 'b', 'a:', ':', 'b:')
const name = fc.array(part, { minLength: 1, maxLength: 4 }).map((parts) => parts.join(''))
const pattern = fc
  .tuple(name, fc.boolean())
  .map(([text, isWildcard]) => parseTopicPattern(isWildcard ? `${text}:*` : text))

test('a capability covers a topic where its pattern matches it', () => {
  fc.assert(
    fc.property(pattern, name.map(parseTopicName), (topics, topic) => {
      const capabilities = new Capabilities([{ topics, actions: ['PUBLISH'] }])
      expect(capabilities.allow('PUBLISH', topic)).toBe(matchesPattern(topic, topics))
      expect(capabilities.allow('HISTORY', topic)).toBe(false)
    }),
  )
})

test('a capability covers a pattern only where it covers every topic of the pattern', () => {
  fc.assert(
    fc.property(pattern, pattern, name, (topics, asked, rest) => {
      const capabilities = new Capabilities([{ topics, actions: ['SUBSCRIBE'] }])
      if (!capabilities.allow('SUBSCRIBE', asked)) return
      const topic = parseTopicName(asked.endsWith('*') ? asked.slice(0, -1) + rest : asked)
      expect(matchesPattern(topic, topics)).toBe(true)
    }),
  )
})

test('a wider pattern is not covered by several narrow ones, nor a pattern by a name', () => {
  const capabilities = parseCapabilities(
    [{ topics: ['chat:1', 'chat:eu:*', 'chat:us:*'], actions: ['SUBSCRIBE'] }],
    'u',
  )
  expect(capabilities.allow('SUBSCRIBE', 'chat:*' as TopicPattern)).toBe(false)
  expect(capabilities.allow('SUBSCRIBE', '*')).toBe(false)
  expect(capabilities.allow('SUBSCRIBE', 'chat:eu:*' as TopicPattern)).toBe(true)
  expect(capabilities.allow('SUBSCRIBE', 'chat:eu:de:*' as TopicPattern)).toBe(true)
})

test('a star alone stands for every topic, and every action', () => {
  const capabilities = parseCapabilities([{ topics: '*', actions: ['*'] }], undefined)
  for (const action of ACTIONS) {
    expect(capabilities.allow(action, 'a:*' as TopicPattern)).toBe(true)
    expect(capabilities.allow(action, '*')).toBe(true)
  }
})

test.each([
  ['ann', ['dm:ann:*', 'user.ann']],
  ['ann:bob', []],
  ['*', []],
  ['ann|1', []],
  ['', []],
  [undefined, []],
])('{user} stands for the user %j', (userId, topics) => {
  const grants = [{ topics: ['dm:{user}:*', 'user.{user}'], actions: ['SUBSCRIBE'] }]
  expect(parseCapabilities(grants, userId).list.map((capability) => capability.topics)).toEqual(
    topics,
  )
})

test('a user id that makes a name too long voids the grant', () => {
  const grants = [{ topics: 'dm:{user}', actions: ['SUBSCRIBE'] }]
  expect(parseCapabilities(grants, 'x'.repeat(126)).list).toEqual([])
  expect(parseCapabilities(grants, 'x'.repeat(125)).list).toHaveLength(1)
})

test.each([
  [null],
  ['*'],
  [[null]],
  [[{ topics: 'a' }]],
  [[{ actions: ['*'] }]],
  [[{ topics: 'a', actions: 'PUBLISH' }]],
  [[{ topics: 'a', actions: ['publish'] }]],
  [[{ topics: 'a*', actions: ['PUBLISH'] }]],
  [[{ topics: [['a']], actions: ['PUBLISH'] }]],
  [[{ topics: '{user}*', actions: ['PUBLISH'] }]],
  [Array.from({ length: 1_001 }, (_, n) => ({ topics: `t${n}`, actions: ['PUBLISH'] }))],
])('%j is no list of capabilities', (grants) => {
  expect(() => parseCapabilities(grants, 'ann')).toThrow(/capabilities|pattern/)
})

import { describe, expect, test } from 'vitest'
import type { TopicName } from '../../../src/core/topic-name.ts'
import { limitsOf, parseRetention, type RetentionRule } from '../../../src/log/retention-rules.ts'

function limits(topic: string, rules: readonly RetentionRule[]) {
  return limitsOf(topic as TopicName, parseRetention(rules))
}

const NONE = { maxAge: null, maxMessages: null, keepUnacked: false }

describe('what applies to a topic', () => {
  test('is everything where there is no rule, or none that matches', () => {
    expect(limits('chat:1', [])).toBeNull()
    expect(limits('chat', [{ topics: 'chat:*', maxAge: 1 }])).toBeNull()
    expect(limits('chat:', [{ topics: 'chat:*', maxAge: 1 }])).toBeNull()
  })

  test('is said by the first rule that matches, and by no other', () => {
    const rules = [
      { topics: 'audit', keepUnacked: false },
      { topics: 'chat:eu:*', maxMessages: 10 },
      { topics: 'chat:*', maxAge: 60, keepUnacked: true },
      { topics: '*', maxAge: 5 },
    ]
    expect(limits('audit', rules)).toEqual(NONE)
    expect(limits('chat:eu:7', rules)).toEqual({ ...NONE, maxMessages: 10 })
    expect(limits('chat:1', rules)).toEqual({ ...NONE, maxAge: 60, keepUnacked: true })
    expect(limits('chat', rules)).toEqual({ ...NONE, maxAge: 5 })
  })
})

test.each([
  ['{}', {}, 'retention has to be a list of rules.'],
  ['a text', '[]', 'retention has to be a list of rules.'],
  [
    'a rule that is none',
    ['*'],
    'retention[0] has to be a rule such as {"topics":"chat:*","maxAge":86400}.',
  ],
  [
    'a rule without topics',
    [{ maxAge: 1 }],
    'retention[0].topics has to be a topic, a pattern such as chat:*, or *.',
  ],
  [
    'a pattern that is none',
    [{ topics: 'chat*' }],
    'retention[0].topics has to be a topic, a pattern such as chat:*, or *.',
  ],
  [
    'no time',
    [{ topics: 'a' }, { topics: 'b', maxAge: 0 }],
    'retention[1].maxAge has to be a whole number of seconds from 1 to 3153600000.',
  ],
  [
    'a broken number',
    [{ topics: 'b', maxMessages: 1.5 }],
    'retention[0].maxMessages has to be a whole number from 1.',
  ],
  [
    'no messages',
    [{ topics: 'b', maxMessages: 0 }],
    'retention[0].maxMessages has to be a whole number from 1.',
  ],
  [
    'a text for a truth',
    [{ topics: 'b', keepUnacked: 'yes' }],
    'retention[0].keepUnacked has to be true or false.',
  ],
  ['a word it does not know', [{ topics: 'b', maxage: 1 }], 'retention[0] has no maxage.'],
  [
    'keepUnacked without a limit',
    [{ topics: 'b', keepUnacked: true }],
    'retention[0] has to be given maxAge or maxMessages where it has keepUnacked.',
  ],
  [
    'too many rules',
    Array.from({ length: 1_001 }, () => ({ topics: '*' })),
    'retention has to be at most 1000 rules.',
  ],
])('refuses %s', (_name, value, message) => {
  expect(() => parseRetention(value)).toThrow(new TypeError(message))
})

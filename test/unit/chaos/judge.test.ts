import { expect, test } from 'vitest'
import type { Acknowledged, History, Message, Seen } from '../../chaos/checker/history.ts'
import { judge } from '../../chaos/checker/judge.ts'

function message(sequence: number, payload = `p${sequence}`, epoch = 'e'): Message {
  return { topic: 'a', sequence, id: `a ${epoch} ${sequence}`, payload }
}

function acknowledged(sequence: number, over: Partial<Acknowledged> = {}): Acknowledged {
  return { ...message(sequence), publisher: 'one', idempotencyKey: `p${sequence}`, ...over }
}

function seen(sequence: number, over: Partial<Seen> = {}): Seen {
  return {
    ...message(sequence),
    resumed: false,
    connection: 1,
    ackedBefore: 0,
    at: sequence,
    ...over,
  }
}

const LOG = [1, 2, 3, 4].map((sequence) => message(sequence))

function history(over: {
  readonly acknowledged?: readonly Acknowledged[]
  readonly seen?: readonly Seen[]
  readonly kind?: 'cursor' | 'consumer' | 'automatic'
  readonly failures?: readonly string[]
  readonly log?: readonly Message[]
}): History {
  const { kind = 'automatic', failures = [] } = over
  return {
    acknowledged: over.acknowledged ?? LOG.map(({ sequence }) => acknowledged(sequence)),
    subscribers: [
      {
        ...{ name: 'ann', kind, topics: ['a'], failures },
        seen: over.seen ?? LOG.map(({ sequence }) => seen(sequence)),
      },
    ],
    log: new Map([['a', over.log ?? LOG]]),
  }
}

const again = (over: Partial<Seen>) => [1, 2, 3].map((n) => seen(n)).concat(seen(3, over), seen(4))

test.each<[string, History]>([
  ['everyone saw everything', history({})],
  ['a subscriber began later', history({ seen: [seen(3), seen(4)] })],
  ['a repeat is marked', history({ seen: again({ resumed: true, connection: 2 }) })],
  [
    'a consumer gets again what it has not acknowledged',
    history({ kind: 'consumer', seen: again({ connection: 2 }) }),
  ],
  [
    'a publisher is told the same twice',
    history({ acknowledged: [acknowledged(1), acknowledged(1)] }),
  ],
])('there is nothing to say where %s', (_what, good) => {
  expect(judge(good)).toEqual([])
})

test.each<[string, string, History]>([
  ['acknowledged is kept', 'the log lacks it', history({ acknowledged: [acknowledged(5)] })],
  [
    'acknowledged is kept',
    'the log has another message there',
    history({ acknowledged: [acknowledged(2, { payload: 'other' })] }),
  ],
  [
    'published once',
    'a retry made a second row',
    history({
      log: [...LOG, message(5, 'p1')],
      seen: [1, 2, 3, 4].map((n) => seen(n)).concat(seen(5, { payload: 'p1' })),
    }),
  ],
  [
    'published once',
    'a retry was told another place',
    history({ acknowledged: [acknowledged(1), acknowledged(2, { idempotencyKey: 'p1' })] }),
  ],
  [
    'one payload a sequence',
    'a subscriber saw something else',
    history({ seen: [seen(1), seen(2, { payload: 'other' }), seen(3), seen(4)] }),
  ],
  ['in order', 'two are swapped', history({ seen: [seen(1), seen(3), seen(2), seen(4)] })],
  ['nothing lost', 'one is missing', history({ seen: [seen(1), seen(3), seen(4)] })],
  ['nothing twice', 'a repeat is not marked', history({ seen: again({ connection: 2 }) })],
  [
    'nothing twice',
    'a consumer gets it again on the same connection',
    history({ kind: 'consumer', seen: again({}) }),
  ],
  [
    'nothing twice',
    'a consumer gets again what it had acknowledged',
    history({ kind: 'consumer', seen: again({ connection: 2, ackedBefore: 3 }) }),
  ],
  [
    'nothing lost',
    'a new consumer does not begin at the beginning',
    history({ kind: 'consumer', seen: [seen(3), seen(4)] }),
  ],
  [
    'at the head in the end',
    'the last one is missing',
    history({ seen: [seen(1), seen(2), seen(3)] }),
  ],
  ['at the head in the end', 'it saw nothing at all', history({ seen: [] })],
  ['no subscription ends', 'one ended', history({ failures: ['INTERNAL'] })],
])('%s: %s', (rule, _how, bad) => {
  const violations = judge(bad)
  expect(violations.map((one) => one.rule)).toContain(rule)
  for (const { what, history: lines } of violations) {
    expect(what).not.toBe('')
    expect(Array.isArray(lines)).toBe(true)
  }
})

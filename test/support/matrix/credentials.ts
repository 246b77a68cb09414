import { ACTIONS, type Action } from '../../../src/access/action.ts'
import type { CapabilityGrant } from '../../../src/access/capabilities.ts'
import type { Carillon } from '../../../src/carillon.ts'
import { nowSeconds, SECRET, tokenOf } from '../tokens.ts'

export const AUDIENCE = 'matrix'
export const TOPIC = 'room:1'
/** Wider than what covers the topic alone. */
export const WIDE = 'room:*'

/** Everyone in the matrix is the same user, whose the consumer and the dead letters are. */
export const USER = 'ann'

/** What a caller shows. */
export interface Credential {
  readonly name: string
  /** What it may do; undefined where it is not accepted at all. */
  readonly grants: readonly CapabilityGrant[] | undefined
  /** What its subscriptions ask for, and nothing else is asked for, where it is not the topic. */
  readonly target?: string
  /** It differs little from another one: one operation of each kind is enough. */
  readonly isSampled?: boolean
  /** It says little that others do not: over WebSocket only. */
  readonly isForSockets?: boolean
  /** Undefined: it shows nothing. */
  readonly show: (carillon: Carillon) => Promise<string | undefined>
}

const EVERY_ACTION: readonly Action[] = [...ACTIONS]

export const REFUSED: readonly Credential[] = [
  refused('no token', async () => undefined),
  sampled('what is no token', async () => 'not-a-token'),
  refused('an expired token', () => token([{ topics: '*', actions: ['*'] }], { expiresIn: -60 })),
  refused('a token by another key', () =>
    tokenOf({ claims: { aud: AUDIENCE } }, `${SECRET}, but not the same`),
  ),
  refused('a token for another audience', () => tokenOf({ claims: { aud: 'others' } })),
  sampled('a token for no audience', () => tokenOf()),
  refused('a token by alg none', async () => unsigned('none')),
  sampled('a token by alg None', async () => unsigned('None')),
  sampled(
    'an API key that nobody made',
    async () => `carillon_${'a'.repeat(12)}_${'b'.repeat(43)}`,
  ),
  sampled('an API key with another secret', async (carillon) => {
    const { key } = await makeKey(carillon, [{ topics: '*', actions: ['*'] }])
    return `${key.slice(0, -43)}${'b'.repeat(43)}`
  }),
  refused('a revoked API key', async (carillon) => {
    const { id, key } = await makeKey(carillon, [{ topics: '*', actions: ['*'] }])
    await carillon.revokeApiKey(id)
    return key
  }),
]

export const ACCEPTED: readonly Credential[] = [
  accepted('nothing', []),
  accepted('another topic', [{ topics: 'other:1', actions: ['*'] }]),
  accepted('what is under the topic only', [{ topics: `${TOPIC}:*`, actions: ['*'] }]),
  ...ACTIONS.map((action) => ({
    ...accepted(`${action} only`, [{ topics: TOPIC, actions: [action] }]),
    isForSockets: true,
  })),
  ...ACTIONS.map((action) =>
    accepted(`all but ${action}`, [
      { topics: TOPIC, actions: EVERY_ACTION.filter((other) => other !== action) },
      { topics: 'other:1', actions: [action] },
    ]),
  ),
  accepted('the topic', [{ topics: TOPIC, actions: ['*'] }]),
  accepted('the pattern', [{ topics: WIDE, actions: ['*'] }]),
  accepted('everything', [{ topics: '*', actions: ['*'] }]),
  {
    ...accepted('less than the pattern asked for', [
      { topics: [TOPIC, `${TOPIC}:*`, 'room:2'], actions: ['*'] },
    ]),
    target: WIDE,
  },
]

export const KEYS: readonly Credential[] = [
  keyed('covers the topic', [{ topics: TOPIC, actions: ['*'] }]),
  keyed('covers everything', [{ topics: '*', actions: ['*'] }]),
  keyed('covers another topic', [{ topics: 'other:1', actions: ['*'] }]),
  keyed('covers PUBLISH', [{ topics: TOPIC, actions: ['PUBLISH'] }]),
]

/** Whether grants cover an action in a topic or a pattern, in few words of its own. */
export function covers(
  grants: readonly CapabilityGrant[],
  action: Action,
  target: string,
): boolean {
  return grants.some(({ topics, actions }) => {
    if (!actions.includes('*') && !actions.includes(action)) return false
    return [topics].flat().some((topic) => {
      if (topic === '*' || topic === target) return true
      return topic.endsWith(':*') && target.startsWith(topic.slice(0, -1))
    })
  })
}

function refused(name: string, show: Credential['show']): Credential {
  return { name, grants: undefined, show }
}

function sampled(name: string, show: Credential['show']): Credential {
  return { ...refused(name, show), isSampled: true }
}

function accepted(name: string, grants: readonly CapabilityGrant[]): Credential {
  return { name: `a token for ${name}`, grants, show: () => token(grants) }
}

function keyed(name: string, grants: readonly CapabilityGrant[]): Credential {
  return {
    name: `an API key that ${name}`,
    grants,
    show: async (carillon) => (await makeKey(carillon, grants)).key,
  }
}

function token(can: readonly CapabilityGrant[], { expiresIn = 300 } = {}): Promise<string> {
  return tokenOf({ sub: USER, can, expiresIn, claims: { aud: AUDIENCE } })
}

function makeKey(carillon: Carillon, capabilities: readonly CapabilityGrant[]) {
  return carillon.createApiKey({ name: 'matrix', capabilities })
}

function unsigned(alg: string): string {
  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const carillon = [{ topics: '*', actions: ['*'] }]
  const claims = { sub: USER, aud: AUDIENCE, carillon, exp: Math.floor(nowSeconds()) + 300 }
  return `${encode({ alg })}.${encode(claims)}.`
}

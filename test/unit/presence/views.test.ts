import fc from 'fast-check'
import { expect, test } from 'vitest'
import { DEFAULT_LIMITS } from '../../../src/access/limits.ts'
import type { Viewer } from '../../../src/access/viewer.ts'
import { MemoryPresenceStore } from '../../../src/presence/memory-presence-store.ts'
import { Presence, type PresenceConnection } from '../../../src/presence/presence.ts'
import type { PresenceEvent } from '../../../src/presence/presence-event.ts'
import type { PresenceSubscription } from '../../../src/presence/presence-subscription.ts'
import type { PresenceMember } from '../../../src/presence/session.ts'
import { applyPresence, type Present } from '../../../src/protocol/presence.ts'
import { viewer as viewerWith } from '../../support/viewer.ts'

/** What clients, and the time, do. Users, clients and operations are few, so that they meet. */
type Deed =
  | { readonly kind: 'enter'; readonly who: number; readonly state: number }
  | { readonly kind: 'say'; readonly who: number; readonly state: number }
  | { readonly kind: 'leave' | 'lose'; readonly nth: number }
  | { readonly kind: 'watch'; readonly pattern: number }
  | { readonly kind: 'unwatch'; readonly nth: number }
  | { readonly kind: 'wait' }

const PATTERNS = ['room:1', 'room:*', 'room:2'] as const
const TOPICS = ['room:1', 'room:2'] as const

const index = fc.nat({ max: 7 })
const deed: fc.Arbitrary<Deed> = fc.oneof(
  fc.record({ kind: fc.constant('enter' as const), who: index, state: fc.nat({ max: 2 }) }),
  fc.record({ kind: fc.constant('say' as const), who: index, state: fc.nat({ max: 2 }) }),
  fc.record({ kind: fc.constantFrom('leave' as const, 'lose' as const), nth: index }),
  fc.record({ kind: fc.constant('watch' as const), pattern: fc.nat({ max: 2 }) }),
  fc.record({ kind: fc.constant('unwatch' as const), nth: index }),
  fc.constant({ kind: 'wait' as const }),
)

/** A watcher that keeps the sets as a client would. */
class Watcher {
  readonly sets = new Map<string, Present<PresenceMember>>()
  readonly events: PresenceEvent[] = []
  readonly subscription: PresenceSubscription
  readonly done: Promise<void>

  constructor(subscription: PresenceSubscription) {
    this.subscription = subscription
    this.done = this.#run()
  }

  async #run(): Promise<void> {
    for await (const event of this.subscription) {
      this.events.push(event)
      this.sets.set(event.topic, applyPresence(this.sets.get(event.topic) ?? new Map(), event))
    }
  }
}

class World {
  readonly presence = new Presence({
    store: new MemoryPresenceStore(),
    limits: DEFAULT_LIMITS,
    bounds: { graceMs: 3, leaseMs: 1_000, windowMs: 2 },
  })
  readonly watchers: Watcher[] = []
  readonly #stays: { subscription: PresenceSubscription; isLost: boolean }[] = []

  async do(deed: Deed): Promise<void> {
    switch (deed.kind) {
      case 'enter':
        return this.#enter(deed.who, deed.state)
      case 'say': {
        const topic = TOPICS[deed.who % 2] ?? TOPICS[0]
        // Who is not there is told so.
        await this.presence.update({ topic, state: deed.state }, viewer(deed.who)).catch(() => {})
        return
      }
      case 'leave':
      case 'lose': {
        const stay = this.#stays[deed.nth]
        if (stay === undefined) return
        stay.isLost = deed.kind === 'lose'
        stay.subscription.close()
        return
      }
      case 'watch': {
        const pattern = PATTERNS[deed.pattern] ?? PATTERNS[0]
        this.watchers.push(new Watcher(await this.presence.open({ topics: [pattern] }, viewer(0))))
        return
      }
      case 'unwatch':
        this.watchers.splice(deed.nth, 1)[0]?.subscription.close()
        return
      case 'wait':
        await new Promise((resolve) => setTimeout(resolve, 4))
        return
      default:
        deed satisfies never
    }
  }

  async #enter(who: number, state: number): Promise<void> {
    const stay = { isLost: false } as { subscription: PresenceSubscription; isLost: boolean }
    const connection: PresenceConnection = {
      id: 'unnamed',
      operationId: String(who % 2),
      isLost: () => stay.isLost,
    }
    const topics = who < 6 ? [TOPICS[who % 2] ?? TOPICS[0]] : TOPICS
    stay.subscription = await this.presence.open(
      { topics, enter: { state } },
      viewer(who),
      connection,
    )
    this.#stays.push(stay)
  }
}

function viewer(who: number): Viewer {
  return viewerWith({
    kind: 'user',
    userId: `user ${who % 3}`,
    clientId: `client ${who % 4}`,
  })
}

function visible(members: Iterable<PresenceMember>) {
  return [...members]
    .map(({ userId, clientIds, state, joinedAt }) => ({ userId, clientIds, state, joinedAt }))
    .sort((a, b) => (a.userId < b.userId ? -1 : 1))
}

test('whatever happens, SYNC and changes make the same set as a fresh SYNC, and as who is there', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(deed, { maxLength: 25 }), async (deeds) => {
      const world = new World()
      await world.do({ kind: 'watch', pattern: 1 })
      for (const one of deeds) await world.do(one)
      await new Promise((resolve) => setTimeout(resolve, 15)) // the grace and the window are over
      for (const topic of TOPICS) {
        const actual = visible(await world.presence.members(topic))
        const fresh = await world.presence.open({ topics: [topic] }, viewer(0))
        const { value: sync } = await fresh.next()
        expect(sync?.type).toBe('SYNC')
        expect(visible(sync?.members ?? []).map(({ joinedAt: _, ...member }) => member)).toEqual(
          actual.map(({ joinedAt: _, ...member }) => member),
        )
        for (const { sets, events } of world.watchers) {
          const told = events.filter((event) => event.topic === topic)
          if (told.length > 0) {
            expect(visible(sets.get(topic)?.values() ?? [])).toEqual(visible(sync?.members ?? []))
          }
        }
        fresh.close()
      }
      await world.presence.close()
      for (const { done } of world.watchers) await done
    }),
    { numRuns: 200 },
  )
})

test('a member joins before it changes or leaves, and leaves before it joins again', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(deed, { maxLength: 25 }), async (deeds) => {
      const world = new World()
      await world.do({ kind: 'watch', pattern: 1 })
      const [watcher] = world.watchers
      for (const one of deeds) if (one.kind !== 'unwatch') await world.do(one)
      await new Promise((resolve) => setTimeout(resolve, 15))
      const present = new Map<string, Set<string>>()
      for (const { type, topic, members } of watcher?.events ?? []) {
        const users = type === 'SYNC' ? new Set<string>() : (present.get(topic) ?? new Set())
        present.set(topic, users)
        expect(members.length > 0 || type === 'SYNC').toBe(true)
        for (const { userId } of members) {
          if (type !== 'SYNC')
            expect({ type, isThere: users.has(userId) }).toEqual({ type, isThere: type !== 'JOIN' })
          if (type === 'LEAVE') users.delete(userId)
          else users.add(userId)
        }
      }
      await world.presence.close()
    }),
    { numRuns: 100 },
  )
})

test('applying an event makes a new set, and leaves the old one as it was', () => {
  const before: Present<{ userId: string }> = new Map([['ann', { userId: 'ann' }]])
  const after = applyPresence(before, {
    type: 'LEAVE',
    members: [{ userId: 'ann' }, { userId: 'bob' }],
  })
  expect([...before.keys()]).toEqual(['ann'])
  expect([...after.keys()]).toEqual([])
  const joined = applyPresence(after, { type: 'JOIN', members: [{ userId: '__proto__' }] })
  expect([...joined.keys()]).toEqual(['__proto__'])
  const synced = applyPresence(joined, { type: 'SYNC', members: [{ userId: 'cid' }] })
  expect([...synced.keys()]).toEqual(['cid'])
})

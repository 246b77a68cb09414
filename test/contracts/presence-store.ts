import { expect, test } from 'vitest'
import type { JsonText } from '../../src/core/json.ts'
import type { TopicName, TopicPattern } from '../../src/core/topic-name.ts'
import type { PresenceStore } from '../../src/presence/presence-store.ts'
import type { Session } from '../../src/presence/session.ts'

let sessions = 0

export function newSession(userId: string, fields: Partial<Session> = {}): Session {
  const id = `session-${++sessions}`
  return {
    ...{ userId, clientId: 'tab "1" }', operationId: 'toString', id, enteredAt: sessions },
    ...{ enteredState: null, state: null, saidAt: sessions, joinedAt: sessions },
    ...fields,
  }
}

export function newTopic(prefix = 'room'): TopicName {
  return `${prefix}:${++sessions}` as TopicName
}

/** Everything that a listener was told, by topic. */
export class Told {
  readonly users: string[] = []
  readonly syncs: TopicName[] = []

  onChange(_topic: TopicName, userIds: Iterable<string>): void {
    this.users.push(...userIds)
  }

  onSync(topic: TopicName): void {
    this.syncs.push(topic)
  }
}

export function presentIn(store: PresenceStore, topic: TopicName): readonly string[] {
  return [...(store.roster(topic)?.userIds() ?? [])].sort()
}

export async function presentByReading(store: PresenceStore, topic: TopicName) {
  return [...(await store.read(topic)).userIds()].sort()
}

/** What every store of presence promises. */
export function describePresenceStore(open: () => PresenceStore): void {
  test('who enters is there when that is answered, for watchers and for readers', async () => {
    const [store, topic, told] = [open(), newTopic(), new Told()]
    const watching = await store.watch(topic, told)
    expect(presentIn(store, topic)).toEqual([])
    const ann = newSession('ann', { state: '{"is":["here"]}' as JsonText })
    await store.apply(topic, { kind: 'enter', session: ann })
    expect(presentIn(store, topic)).toEqual(['ann'])
    expect(told.users).toEqual(['ann'])
    expect(store.roster(topic)?.at(ann)).toMatchObject(ann)
    const read = await store.read(topic)
    expect([...read.sessions()]).toMatchObject([ann])
    watching.unwatch()
  })

  test('who leaves is gone, and whoever never came stays away', async () => {
    const [store, topic, told] = [open(), newTopic(), new Told()]
    await store.watch(topic, told)
    const [ann, bob] = [newSession('ann'), newSession('bob')]
    await store.apply(topic, { kind: 'leave', session: bob })
    await store.apply(topic, { kind: 'enter', session: ann })
    await store.apply(topic, { kind: 'leave', session: ann })
    await store.apply(topic, { kind: 'leave', session: ann })
    expect(presentIn(store, topic)).toEqual([])
    expect(await presentByReading(store, topic)).toEqual([])
    expect(told.users).toEqual(['ann', 'ann'])
  })

  test('a late leave does not remove a newer session of the same seat', async () => {
    const [store, topic, told] = [open(), newTopic(), new Told()]
    await store.watch(topic, told)
    const [first, second] = [newSession('ann'), newSession('ann')]
    await store.apply(topic, { kind: 'enter', session: first })
    await store.apply(topic, { kind: 'enter', session: second })
    await store.apply(topic, { kind: 'leave', session: first })
    await store.apply(topic, { kind: 'say', session: { ...first, state: '1' as JsonText } })
    expect([...(store.roster(topic)?.sessions() ?? [])]).toMatchObject([second])
    expect([...(await store.read(topic)).sessions()]).toMatchObject([second])
  })

  test('says another state of a session that is there', async () => {
    const [store, topic, told] = [open(), newTopic(), new Told()]
    await store.watch(topic, told)
    const ann = newSession('ann')
    await store.apply(topic, { kind: 'say', session: { ...ann, state: '1' as JsonText } })
    expect(presentIn(store, topic)).toEqual([])
    await store.apply(topic, { kind: 'enter', session: ann })
    const state = '"\u00e4 \\u0000 [] {}"' as JsonText
    await store.apply(topic, { kind: 'say', session: { ...ann, state, saidAt: 9e12 } })
    expect(store.roster(topic)?.at(ann)).toMatchObject({ id: ann.id, state, saidAt: 9e12 })
    expect((await store.read(topic)).at(ann)).toMatchObject({ id: ann.id, state })
  })

  test('a user is there by several seats, and keeps the others when one is left', async () => {
    const [store, topic, told] = [open(), newTopic(), new Told()]
    await store.watch(topic, told)
    const tabs = ['a', 'b', '__proto__'].map((clientId) => newSession('ann', { clientId }))
    for (const session of tabs) await store.apply(topic, { kind: 'enter', session })
    expect(store.roster(topic)?.member('ann')?.clientIds).toEqual(['__proto__', 'a', 'b'])
    for (const session of tabs.slice(1)) await store.apply(topic, { kind: 'leave', session })
    expect(store.roster(topic)?.member('ann')?.clientIds).toEqual(['a'])
  })

  test('topics are apart, and names may be anything', async () => {
    const store = open()
    const topics = [newTopic('a'), newTopic('b')] as const
    const users = ['toString', 'a b\n"\\{}', '\u{1f600}'].sort()
    for (const topic of topics) await store.watch(topic, new Told())
    for (const userId of users) {
      await store.apply(topics[0], { kind: 'enter', session: newSession(userId) })
    }
    expect(presentIn(store, topics[0])).toEqual(users)
    expect(await presentByReading(store, topics[0])).toEqual(users)
    expect(presentIn(store, topics[1])).toEqual([])
  })

  test('a pattern knows the topics in which someone is, and hears of others', async () => {
    const [store, prefix, told] = [open(), `scope${++sessions}`, new Told()]
    const [one, two] = [newTopic(`${prefix}:x`), newTopic(`${prefix}:y`)]
    await store.apply(one, { kind: 'enter', session: newSession('ann') })
    await store.apply(newTopic('elsewhere'), { kind: 'enter', session: newSession('ann') })
    const watching = await store.watch(`${prefix}:*` as TopicPattern, told)
    expect([...watching.topics()]).toEqual([one])
    expect(presentIn(store, one)).toEqual(['ann'])
    await store.apply(two, { kind: 'enter', session: newSession('bob') })
    expect([...watching.topics()].sort()).toEqual([one, two].sort())
    expect(presentIn(store, two)).toEqual(['bob'])
    expect(told.users).toEqual(['bob'])
  })

  test('watchers by a name and by patterns hear once of each change', async () => {
    const [store, prefix, told] = [open(), `scope${++sessions}`, new Told()]
    const topic = newTopic(`${prefix}:x`)
    for (const pattern of [topic, `${prefix}:*`, `${prefix}:x:*`]) {
      await store.watch(pattern as TopicPattern, told)
    }
    await store.apply(topic, { kind: 'enter', session: newSession('ann') })
    expect(told.users).toEqual(['ann'])
    expect(told.syncs).toEqual([])
  })

  test('nobody is told after they stopped watching', async () => {
    const [store, topic, told, others] = [open(), newTopic(), new Told(), new Told()]
    const watching = await store.watch(topic, told)
    await store.watch(topic, others)
    watching.unwatch()
    watching.unwatch()
    await store.apply(topic, { kind: 'enter', session: newSession('ann') })
    expect(told.users).toEqual([])
    expect(others.users).toEqual(['ann'])
  })

  test('many at once are all there, and all gone afterwards', async () => {
    const [store, topic, told] = [open(), newTopic(), new Told()]
    await store.watch(topic, told)
    const many = Array.from({ length: 500 }, (_, index) => newSession(`user ${index}`))
    await Promise.all(many.map((session) => store.apply(topic, { kind: 'enter', session })))
    expect(store.roster(topic)?.size).toBe(500)
    expect(new Set(told.users).size).toBe(500)
    await Promise.all(many.map((session) => store.apply(topic, { kind: 'leave', session })))
    expect(store.roster(topic)?.size).toBe(0)
    expect((await store.read(topic)).size).toBe(0)
    expect(told.syncs).toEqual([])
  })

  test('someone comes right after the last one went', async () => {
    const [store, topic, told] = [open(), newTopic(), new Told()]
    await store.watch(topic, told)
    for (let turn = 0; turn < 20; turn++) {
      const [ann, bob] = [newSession('ann'), newSession('bob')]
      await store.apply(topic, { kind: 'enter', session: ann })
      await Promise.all([
        store.apply(topic, { kind: 'leave', session: ann }),
        store.apply(topic, { kind: 'enter', session: bob }),
      ])
      expect(presentIn(store, topic)).toEqual(['bob'])
      await store.apply(topic, { kind: 'leave', session: bob })
    }
    expect(told.syncs).toEqual([])
  })
}

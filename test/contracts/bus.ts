import { expect, test } from 'vitest'
import type { Bus, EpochChange } from '../../src/bus/bus.ts'
import { type AnyMessage, EphemeralMessage } from '../../src/core/message.ts'
import type { Epoch } from '../../src/core/sequence.ts'
import type { TopicName, TopicPattern } from '../../src/core/topic-name.ts'
import { ephemeral, message } from '../support/messages.ts'

const chat = 'chat:1' as TopicName
const other = 'chat:2' as TopicName

export interface BusUnderTest {
  readonly bus: Bus
  /** What listeners threw. */
  readonly faults: readonly unknown[]
}

/** What every implementation of the bus promises on the instance that publishes. */
export function describeBus(open: () => Promise<BusUnderTest>): void {
  test('brings each message to every listener of its topic before publish returns', async () => {
    const { bus } = await open()
    const [first, second]: AnyMessage[][] = [[], []]
    await bus.subscribe(chat, (received) => first?.push(received))
    await bus.subscribe(chat, (received) => second?.push(received))
    await bus.subscribe(other, () => expect.unreachable())
    const sent = [message({ sequence: 1 }), message({ sequence: 2 })]
    bus.publish(sent)
    expect(first).toEqual(sent)
    expect(second).toEqual(sent)
  })

  test('calls a listener no more once it has unsubscribed, however often it says so', async () => {
    const { bus } = await open()
    const [leaving, staying]: (number | null)[][] = [[], []]
    const subscription = await bus.subscribe(chat, ({ sequence }) => leaving?.push(sequence))
    await bus.subscribe(chat, ({ sequence }) => staying?.push(sequence))
    bus.publish([message({ sequence: 1 })])
    subscription.unsubscribe()
    subscription.unsubscribe()
    bus.publish([message({ sequence: 2 })])
    expect(leaving).toEqual([1])
    expect(staying).toEqual([1, 2])
  })

  test('keeps two subscriptions of the same listener apart', async () => {
    const { bus } = await open()
    const received: (number | null)[] = []
    const listener = ({ sequence }: AnyMessage) => received.push(sequence)
    const one = await bus.subscribe(chat, listener)
    await bus.subscribe(chat, listener)
    one.unsubscribe()
    bus.publish([message({ sequence: 1 })])
    expect(received).toEqual([1])
  })

  test('lets a listener leave while a message is delivered', async () => {
    const { bus } = await open()
    const received: string[] = []
    const first = await bus.subscribe(chat, () => {
      received.push('first')
      first.unsubscribe()
    })
    await bus.subscribe(chat, () => received.push('second'))
    bus.publish([message({ sequence: 1 }), message({ sequence: 2 })])
    expect(received).toEqual(['first', 'second', 'second'])
  })

  test('a listener that throws harms no other, nor the publisher', async () => {
    const { bus, faults } = await open()
    const received: (number | null)[] = []
    const fault = new Error('on purpose')
    await bus.subscribe(chat, () => {
      throw fault
    })
    await bus.subscribe(chat, ({ sequence }) => received.push(sequence))
    bus.publish([message({ sequence: 1 }), message({ sequence: 2 })])
    expect(received).toEqual([1, 2])
    expect(faults).toEqual([fault, fault])
  })

  test('publishing to a topic without listeners does nothing', async () => {
    const { bus } = await open()
    bus.publish([message({ sequence: 1 })])
  })

  test('brings what a pattern matches to its listeners, each message once a subscription', async () => {
    const { bus } = await open()
    const seen: Record<string, string[]> = { 'a:*': [], 'a:b:*': [], 'a:b:c': [] }
    const unsubscribes = []
    for (const [pattern, topics] of Object.entries(seen)) {
      const listener = ({ topic }: AnyMessage) => topics.push(topic)
      unsubscribes.push(await bus.subscribe(pattern as TopicPattern, listener))
    }
    const names = ['a', 'a:', 'a:b', 'a:b:c', 'a:b:', 'ab:c', 'b:a:b']
    bus.publish(names.map((topic) => message({ topic, sequence: 1 })))
    expect(seen).toEqual({
      'a:*': ['a:b', 'a:b:c', 'a:b:'],
      'a:b:*': ['a:b:c'],
      'a:b:c': ['a:b:c'],
    })
    for (const { unsubscribe } of unsubscribes) unsubscribe()
    bus.publish([message({ topic: 'a:b:c', sequence: 2 })])
    expect(seen['a:*']).toHaveLength(3)
  })

  test('announces a new epoch to those of the topic and of its patterns who want to hear', async () => {
    const { bus, faults } = await open()
    const heard: string[] = []
    for (const pattern of ['a:b', 'a:*', 'a:c', 'b:*'] as TopicPattern[]) {
      const hear = ({ epoch }: EpochChange) => heard.push(`${pattern} ${epoch}`)
      await bus.subscribe(pattern, () => expect.unreachable(), hear)
    }
    await bus.subscribe('a:b' as TopicName, () => expect.unreachable())
    bus.announce(change('a:b'))
    expect(heard.sort()).toEqual(['a:* 0123456789ab', 'a:b 0123456789ab'])
    expect(faults).toEqual([])
  })

  test('calls nobody after it was closed', async () => {
    const { bus } = await open()
    const listener = () => expect.unreachable()
    const subscription = await bus.subscribe(chat, listener, listener)
    await bus.close()
    await bus.close()
    bus.publish([message({ sequence: 1 })])
    bus.announce(change(chat))
    subscription.unsubscribe()
  })
}

function change(topic: string): EpochChange {
  return { topic: topic as TopicName, epoch: '0123456789ab' as Epoch }
}

export interface BusOfInstances {
  /** Another instance on the same server, connected. */
  readonly open: () => Promise<BusUnderTest>
  /** Cuts the connections of those that listen, which they may make again. */
  readonly cut: () => Promise<void>
}

/** What every bus promises that reaches other instances. */
export function describeBusOfInstances({ open, cut }: BusOfInstances): void {
  test('carries messages to other instances, in order and to the byte, and back to none', async () => {
    const [here, there] = [await open(), await open()]
    const local: AnyMessage[] = []
    const remote: AnyMessage[] = []
    await here.bus.subscribe(chat, (received) => local.push(received))
    await there.bus.subscribe(chat, (received) => remote.push(received))
    const sent = Array.from({ length: 200 }, (_, n) =>
      message({ sequence: n + 1, payload: JSON.stringify(`\u0000\n\ud800 é ${n}`) }),
    )
    here.bus.publish(sent)
    await expect.poll(() => remote.length).toBe(200)
    expect(remote.map((received) => received.toJSON())).toEqual(sent.map((one) => one.toJSON()))
    expect(remote.map(({ payloadText }) => payloadText)).toEqual(
      sent.map(({ payloadText }) => payloadText),
    )
    there.bus.publish([message({ sequence: 201 })])
    await expect.poll(() => local.length).toBe(201)
    expect(local.slice(0, 200)).toEqual(sent)
  })

  test('carries messages to patterns of other instances, once for each that matches', async () => {
    const [here, there] = [await open(), await open()]
    const seen: string[] = []
    for (const pattern of ['a:*', 'a:b:*', 'a:b:c'] as TopicPattern[]) {
      await there.bus.subscribe(pattern, ({ id }) => seen.push(`${pattern} ${id}`))
    }
    const sent = [ephemeral({ topic: 'a:b:c' }), ephemeral({ topic: 'a:x' })]
    here.bus.publish(sent)
    const [both, one] = sent.map(({ id }) => id)
    const expected = [`a:* ${both}`, `a:* ${one}`, `a:b:* ${both}`, `a:b:c ${both}`]
    await expect.poll(() => [...seen].sort()).toEqual(expected.sort())
  })

  test('carries ephemeral messages as they are', async () => {
    const [here, there] = [await open(), await open()]
    const received: AnyMessage[] = []
    await there.bus.subscribe(chat, (one) => received.push(one))
    const sent = ephemeral({ topic: 'chat:1', payload: '{"typing":true}', to: ['ann'] })
    here.bus.publish([sent])
    await expect.poll(() => received.length).toBe(1)
    expect(received[0]).toBeInstanceOf(EphemeralMessage)
    expect(received[0]?.toJSON()).toEqual(sent.toJSON())
  })

  test('announces new epochs to other instances, among the messages of the topic', async () => {
    const [here, there] = [await open(), await open()]
    const heard: unknown[] = []
    for (const pattern of ['a:b', 'a:*'] as TopicPattern[]) {
      const hear = (change: EpochChange) => heard.push({ pattern, ...change })
      await there.bus.subscribe(pattern, ({ sequence }) => heard.push({ pattern, sequence }), hear)
    }
    here.bus.publish([message({ topic: 'a:b', sequence: 7 })])
    here.bus.announce(change('a:b'))
    here.bus.publish([message({ topic: 'a:b', sequence: 1 })])
    await expect.poll(() => heard.length).toBe(6)
    for (const pattern of ['a:b', 'a:*']) {
      const own = heard.filter((one) => (one as { pattern: string }).pattern === pattern)
      expect(own).toEqual([
        { pattern, sequence: 7 },
        { pattern, ...change('a:b') },
        { pattern, sequence: 1 },
      ])
    }
  })

  test('listens again to a topic that was left a moment ago', async () => {
    const [here, there] = [await open(), await open()]
    for (let round = 1; round <= 20; round++) {
      const received: (number | null)[] = []
      const leaving = await there.bus.subscribe(chat, () => undefined)
      leaving.unsubscribe()
      const subscription = await there.bus.subscribe(chat, ({ sequence }) =>
        received.push(sequence),
      )
      here.bus.publish([message({ sequence: round })])
      await expect.poll(() => received).toEqual([round])
      subscription.unsubscribe()
    }
  })

  test('tells of a gap once a connection that was cut is listening again', async () => {
    const [here, there] = [await open(), await open()]
    const received: (number | null)[] = []
    await there.bus.subscribe(chat, ({ sequence }) => received.push(sequence))
    let gaps = 0
    there.bus.onGap(() => gaps++)
    await cut()
    await expect.poll(() => gaps).toBeGreaterThan(0)
    here.bus.publish([message({ sequence: 1 })])
    await expect.poll(() => received).toEqual([1])
  })
}

import { expect, test } from 'vitest'
import type { Bus } from '../../src/bus/bus.ts'
import type { AnyMessage } from '../../src/core/message.ts'
import type { TopicName } from '../../src/core/topic-name.ts'
import { message } from '../support/messages.ts'

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

  test('calls nobody after it was closed', async () => {
    const { bus } = await open()
    const subscription = await bus.subscribe(chat, () => expect.unreachable())
    await bus.close()
    await bus.close()
    bus.publish([message({ sequence: 1 })])
    subscription.unsubscribe()
  })
}

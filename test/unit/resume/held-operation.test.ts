import { expect, test } from 'vitest'
import type { Places } from '../../../src/core/resume.ts'
import type { Epoch, Sequence } from '../../../src/core/sequence.ts'
import type { TopicName } from '../../../src/core/topic-name.ts'
import { HeldOperation } from '../../../src/resume/held-operation.ts'

const TOPIC = 'chat:1' as TopicName
const EPOCH = 'epoch' as Epoch

/** A subscription that has got to message 3. */
function open() {
  const subscription = {
    sequence: 3 as Sequence,
    delivered: 0,
    isClosed: false,
    places(): Places {
      const topics = new Map(
        this.isClosed ? [] : [[TOPIC, { epoch: EPOCH, sequence: this.sequence }]],
      )
      return { topics, baselines: new Map() }
    },
  }
  const key = { userId: 'ann', clientId: 'tab', operationId: 'news' }
  const operation = new HeldOperation(key, 'digest', subscription)
  const sequence = () => operation.record().places.topics.get(TOPIC)?.sequence
  return { subscription, operation, sequence }
}

test('what was passed over is certain where nothing was sent', () => {
  const { subscription, operation, sequence } = open()
  subscription.sequence = 5 as Sequence
  operation.settle()
  expect(sequence()).toBe(5)
})

test('what was sent is certain once the client has answered', () => {
  const { subscription, operation, sequence } = open()
  Object.assign(subscription, { sequence: 5, delivered: 2 })
  operation.settle()
  operation.ask()
  expect(sequence()).toBe(3)
  operation.prove()
  expect(sequence()).toBe(5)
})

test('one that has ended keeps the place where it was', () => {
  const { subscription, operation, sequence } = open()
  Object.assign(subscription, { sequence: 5, delivered: 2, isClosed: true })
  expect(operation.isAhead).toBe(false) // nobody is asked about it
  operation.settle()
  expect(sequence()).toBe(3)
})

import { expect, test } from 'vitest'
import { type Flushable, Tick } from '../../../src/hub/tick.ts'

function openTick() {
  const faults: unknown[] = []
  const tick = new Tick((fault) => faults.push(fault))
  const log: string[] = []
  const one = (name: string, also?: () => void): Flushable => ({
    flush: () => {
      log.push(name)
      also?.()
    },
  })
  return { tick, faults, log, one }
}

/** Until what was scheduled for the end of this tick is done. */
function endOfTick(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

test('topics hand on before sockets write, each once', async () => {
  const { tick, log, one } = openTick()
  const [topic, outbox] = [one('topic'), one('outbox')]
  tick.write(outbox)
  for (let n = 0; n < 3; n++) tick.deliver(topic)
  expect(log).toEqual([])
  await endOfTick()
  expect(log).toEqual(['topic', 'outbox'])
})

test('what topics push is written in the same tick', async () => {
  const { tick, log, one } = openTick()
  const outbox = one('outbox')
  tick.deliver(one('topic', () => tick.write(outbox)))
  await endOfTick()
  expect(log).toEqual(['topic', 'outbox'])
})

test('what arrives while topics hand on or sockets write comes in the next tick', async () => {
  const { tick, log, one } = openTick()
  const answer = one('answer')
  tick.deliver(one('topic', () => tick.deliver(answer)))
  await endOfTick()
  expect(log).toEqual(['topic'])
  await endOfTick()
  expect(log).toEqual(['topic', 'answer'])
  tick.write(one('outbox', () => tick.write(answer)))
  await endOfTick()
  await endOfTick()
  expect(log).toEqual(['topic', 'answer', 'outbox', 'answer'])
})

test('a fault of one harms no other', async () => {
  const { tick, log, faults, one } = openTick()
  const fault = new Error('Of the first one.')
  const fail = () => {
    throw fault
  }
  tick.deliver(one('first', fail))
  tick.deliver(one('second'))
  tick.write(one('outbox'))
  await endOfTick()
  expect(log).toEqual(['first', 'second', 'outbox'])
  expect(faults).toEqual([fault])
})

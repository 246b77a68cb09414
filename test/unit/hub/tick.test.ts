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

test('it is ending while the last of the topics hands on its newest message, and only then', async () => {
  const { tick, log, one } = openTick()
  const note = () => log.push(`ending: ${tick.isEnding}`)
  const handOn = () => {
    note()
    tick.handOnNewest(note)
    note()
  }
  tick.deliver(one('first', handOn))
  tick.deliver(one('last', handOn))
  tick.write(one('outbox', handOn))
  await endOfTick()
  const [no, yes] = ['ending: false', 'ending: true']
  expect(log).toEqual(['first', no, no, no, 'last', no, yes, no, 'outbox', no, no, no])
})

test('it has ended, also after a fault in what was handed on', async () => {
  const { tick, faults, one } = openTick()
  const fault = new Error('Of one subscriber.')
  const fail = () => {
    throw fault
  }
  tick.deliver(one('topic', () => tick.handOnNewest(fail)))
  await endOfTick()
  expect(faults).toEqual([fault])
  expect(tick.isEnding).toBe(false)
})

import { expect, test } from 'vitest'
import { Bell } from '../../../src/consumers/bell.ts'
import { Slots } from '../../../src/consumers/slots.ts'

const never = new AbortController().signal

test('so many have a slot at once, and the others get theirs in the order in which they came', async () => {
  const slots = new Slots(2)
  const first = await slots.take(never)
  await slots.take(never)
  const order: string[] = []
  const third = slots.take(never).then((giveBack) => {
    order.push('third')
    giveBack?.()
  })
  const fourth = slots.take(never).then(() => order.push('fourth'))
  await Promise.resolve()
  expect(order).toEqual([])
  first?.()
  first?.() // a second time gives nothing back
  await Promise.all([third, fourth])
  expect(order).toEqual(['third', 'fourth'])
})

test('who gives up gets no slot, and takes none away', async () => {
  const slots = new Slots(1)
  const giveBack = await slots.take(never)
  const abort = new AbortController()
  const impatient = slots.take(abort.signal)
  abort.abort()
  expect(await impatient).toBeUndefined()
  expect(await slots.take(abort.signal)).toBeUndefined()
  giveBack?.()
  expect(await slots.take(never)).toBeDefined()
})

test('a bell that was rung before is heard at once, and once', async () => {
  const bell = new Bell()
  bell.ring()
  bell.ring()
  await bell.heard()
  let isHeard = false
  const second = bell.heard().then(() => {
    isHeard = true
  })
  await Promise.resolve()
  expect(isHeard).toBe(false)
  bell.ring()
  await second
})

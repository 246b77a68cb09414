import { expect, test } from 'vitest'
import { Ring } from '../../../src/hub/ring.ts'
import { message } from '../../support/messages.ts'

test('finds the messages it holds, and no others', () => {
  const ring = new Ring(1_000_000)
  for (let sequence = 5; sequence <= 10; sequence++) ring.push(message({ sequence }))
  expect(ring.get(4)).toBeUndefined()
  expect(ring.get(5)?.sequence).toBe(5)
  expect(ring.get(10)?.sequence).toBe(10)
  expect(ring.get(11)).toBeUndefined()
})

test('lets the oldest go when it is full, and stays within its bound', () => {
  const ring = new Ring(10_000)
  for (let sequence = 1; sequence <= 1_000; sequence++) ring.push(message({ sequence }))
  const held = Array.from({ length: 1_001 }, (_, sequence) => ring.get(sequence)).filter(
    (found) => found !== undefined,
  )
  expect(held.at(-1)?.sequence).toBe(1_000)
  expect(held.length).toBeGreaterThan(5)
  expect(held.length).toBeLessThanOrEqual(10_000 / 400)
  expect(held.map(({ sequence }) => sequence)).toEqual(
    Array.from({ length: held.length }, (_, n) => 1_001 - held.length + n),
  )
})

test('begins anew where a message does not follow the newest one', () => {
  const ring = new Ring(1_000_000)
  ring.push(message({ sequence: 1 }))
  ring.push(message({ sequence: 5 }))
  expect([1, 2, 4].map((sequence) => ring.get(sequence))).toEqual([undefined, undefined, undefined])
  expect(ring.get(5)?.sequence).toBe(5)
})

test('counts recipients towards its bound', () => {
  const ring = new Ring(100_000)
  const to = Array.from({ length: 1_000 }, (_, n) => `user-${n}`.padEnd(100, 'x'))
  ring.push(message({ sequence: 1, to }))
  ring.push(message({ sequence: 2, to }))
  expect(ring.get(1)).toBeUndefined()
})

test('keeps the newest message however large it is', () => {
  const ring = new Ring(100)
  ring.push(message({ sequence: 1 }))
  ring.push(message({ sequence: 2, payload: JSON.stringify('x'.repeat(10_000)) }))
  expect(ring.get(1)).toBeUndefined()
  expect(ring.get(2)?.sequence).toBe(2)
})

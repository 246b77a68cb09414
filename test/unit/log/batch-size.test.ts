import { expect, test } from 'vitest'
import { BatchSize } from '../../../src/log/batch-size.ts'

function batchSize(): BatchSize {
  return new BatchSize({ start: 100, min: 10, max: 500, targetMs: 10 })
}

test('a full batch that was fast makes the next one larger, at most twice as large', () => {
  const size = batchSize()
  size.learn(100, 8)
  expect(size.current).toBe(125)
  size.learn(125, 1)
  expect(size.current).toBe(250)
})

test('one that was slow makes the next one as much smaller', () => {
  const size = batchSize()
  size.learn(100, 40)
  expect(size.current).toBe(25)
})

test('one that found little to do makes the next one no larger, however fast it was', () => {
  const size = batchSize()
  size.learn(99, 1)
  expect(size.current).toBe(100)
  size.learn(1, 20)
  expect(size.current).toBe(50)
})

test('stays within its bounds', () => {
  const size = batchSize()
  size.learn(100, 60_000)
  expect(size.current).toBe(10)
  for (let n = 0; n < 10; n++) size.learn(500, 0)
  expect(size.current).toBe(500)
})

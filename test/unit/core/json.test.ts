import fc from 'fast-check'
import { expect, test } from 'vitest'
import { encodeJson } from '../../../src/core/json.ts'

const bounds = { maxBytes: 32 * 1024, maxDepth: 100 }

function nested(depth: number): unknown {
  let value: unknown = 1
  for (let level = 0; level < depth; level++) value = level % 2 === 0 ? [value] : { value }
  return value
}

test('every JSON value comes back as it was', () => {
  fc.assert(
    fc.property(fc.jsonValue({ stringUnit: 'binary' }), (value) => {
      const encoded = encodeJson(value, bounds)
      expect(encoded.kind).toBe('encoded')
      if (encoded.kind === 'encoded') {
        expect(JSON.stringify(JSON.parse(encoded.text))).toBe(JSON.stringify(value))
      }
    }),
  )
})

test('takes what is as deep as the bound, and nothing deeper', () => {
  expect(encodeJson(nested(100), bounds).kind).toBe('encoded')
  expect(encodeJson(nested(101), bounds)).toEqual({ kind: 'fault', fault: 'too-deep' })
  expect(encodeJson(nested(100_000), bounds)).toEqual({ kind: 'fault', fault: 'too-deep' })
})

test('takes what is as large as the bound, and nothing larger', () => {
  expect(encodeJson('x'.repeat(32 * 1024 - 2), bounds).kind).toBe('encoded')
  expect(encodeJson('x'.repeat(32 * 1024 - 1), bounds)).toEqual({
    kind: 'fault',
    fault: 'too-large',
  })
  expect(encodeJson('é'.repeat(16 * 1024 - 1), bounds).kind).toBe('encoded')
  expect(encodeJson('é'.repeat(16 * 1024), bounds)).toEqual({ kind: 'fault', fault: 'too-large' })
})

test('ends with cycles, and with objects that are seen again and again', () => {
  const cycle: unknown[] = []
  cycle.push(cycle, cycle)
  expect(encodeJson(cycle, bounds).kind).toBe('fault')
  let shared: unknown = 1
  for (let level = 0; level < 60; level++) shared = [shared, shared]
  expect(encodeJson(shared, bounds)).toEqual({ kind: 'fault', fault: 'too-large' })
})

test.each([Number.NaN, Number.POSITIVE_INFINITY, [Number.NEGATIVE_INFINITY], { a: Number.NaN }])(
  'refuses %j: JSON has no such number',
  (value) => {
    expect(encodeJson(value, bounds)).toEqual({ kind: 'fault', fault: 'not-finite' })
  },
)

test.each([
  [undefined],
  [() => 1],
  [Symbol('x')],
  [1n],
  [[undefined]],
  [{ a: () => 1 }],
  [new Date()],
  [new Map()],
  [{ toJSON: () => 1 }],
])('refuses what is no JSON value', (value) => {
  expect(encodeJson(value, bounds)).toEqual({ kind: 'fault', fault: 'not-json' })
})

test('leaves out keys without a value, as JSON does', () => {
  expect(encodeJson({ a: undefined, b: 1 }, bounds)).toEqual({ kind: 'encoded', text: '{"b":1}' })
})

test('keeps keys that JavaScript treats specially', () => {
  const value: unknown = JSON.parse('{"__proto__":{"constructor":1},"toString":2}')
  expect(encodeJson(value, bounds)).toEqual({
    kind: 'encoded',
    text: '{"__proto__":{"constructor":1},"toString":2}',
  })
})

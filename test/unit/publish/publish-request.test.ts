import { expect, test } from 'vitest'
import { DEFAULT_LIMITS } from '../../../src/access/limits.ts'
import { openViewer } from '../../../src/access/viewer.ts'
import { type PublishRequest, parsePublish } from '../../../src/publish/publish-request.ts'

const viewer = openViewer({ clientId: 'phone' })

function parse(fields: Partial<PublishRequest>) {
  const request = { topic: 'chat:1', payload: 1, ...fields }
  return parsePublish(request, viewer, DEFAULT_LIMITS).draft
}

function codeOf(fields: Partial<PublishRequest>): unknown {
  try {
    parse(fields)
    return undefined
  } catch (error) {
    return (error as { readonly code: unknown }).code
  }
}

function textOfBytes(bytes: number): string {
  return 'x'.repeat(bytes - 2)
}

test('fills in what the publisher left out', () => {
  expect(parse({})).toEqual({
    topic: 'chat:1',
    type: 'message',
    payload: '1',
    metadata: null,
    encrypted: false,
    from: 'anonymous',
    clientId: 'phone',
    to: null,
    idempotencyKey: null,
    ttl: null,
    expectedHead: null,
  })
})

test('names a recipient once', () => {
  expect(parse({ to: ['bob', 'ann', 'bob'] }).to).toEqual(['bob', 'ann'])
})

const longest = 'x'.repeat(128)

test.each<[string, Partial<PublishRequest>]>([
  ['a payload of 32 KiB', { payload: textOfBytes(32 * 1024) }],
  ['a payload of false', { payload: false }],
  ['an empty payload', { payload: '' }],
  ['metadata of 4 KiB', { metadata: textOfBytes(4 * 1024) }],
  ['a type of 128 characters', { type: longest }],
  ['a key of 128 characters', { idempotencyKey: longest }],
  ['a topic of 128 characters', { topic: longest }],
  ['a recipient of 128 characters', { to: [longest] }],
  ['a thousand recipients', { to: Array.from({ length: 1_000 }, (_, n) => `u${n}`) }],
  ['a ttl of a second', { ttl: 1 }],
  ['a ttl of ten years', { ttl: DEFAULT_LIMITS.ttl }],
  ['an expected head of 0', { expectedHead: 0 }],
  ['an expected head of 2^53 - 1', { expectedHead: Number.MAX_SAFE_INTEGER }],
])('takes %s', (_what, fields) => {
  expect(codeOf(fields)).toBeUndefined()
})

test.each<[string, Partial<PublishRequest>, string]>([
  ['no topic', { topic: '' }, 'INVALID_TOPIC_NAME'],
  ['a topic of 129 characters', { topic: `${longest}x` }, 'INVALID_TOPIC_NAME'],
  ['no payload', { payload: undefined }, 'INVALID_PAYLOAD'],
  ['null as payload', { payload: null }, 'INVALID_PAYLOAD'],
  ['an infinite payload', { payload: [Number.POSITIVE_INFINITY] }, 'INVALID_PAYLOAD'],
  ['a function as payload', { payload: () => 1 }, 'INVALID_PAYLOAD'],
  ['a payload of 32 KiB and a byte', { payload: textOfBytes(32 * 1024 + 1) }, 'PAYLOAD_TOO_LARGE'],
  ['metadata of 4 KiB and a byte', { metadata: textOfBytes(4 * 1024 + 1) }, 'PAYLOAD_TOO_LARGE'],
  ['infinite metadata', { metadata: Number.POSITIVE_INFINITY }, 'INVALID_INPUT'],
  ['an empty type', { type: '' }, 'INVALID_INPUT'],
  ['a type of 129 characters', { type: `${longest}x` }, 'INVALID_INPUT'],
  ['a type with NUL', { type: 'a\0b' }, 'INVALID_INPUT'],
  ['a key of 129 characters', { idempotencyKey: `${longest}x` }, 'INVALID_INPUT'],
  ['an empty key', { idempotencyKey: '' }, 'INVALID_INPUT'],
  ['a key with a lone surrogate', { idempotencyKey: '\ud800' }, 'INVALID_INPUT'],
  ['no recipients', { to: [] }, 'INVALID_INPUT'],
  ['a recipient without a name', { to: [''] }, 'INVALID_INPUT'],
  ['1,001 recipients', { to: Array.from({ length: 1_001 }, (_, n) => `u${n}`) }, 'INVALID_INPUT'],
  ['a ttl of 0', { ttl: 0 }, 'INVALID_INPUT'],
  ['a flag that is none', { encrypted: 'maybe' as unknown as boolean }, 'INVALID_INPUT'],
  ['half a ttl', { ttl: 1.5 }, 'INVALID_INPUT'],
  ['a ttl that is too long', { ttl: DEFAULT_LIMITS.ttl + 1 }, 'INVALID_INPUT'],
  ['a negative expected head', { expectedHead: -1 }, 'INVALID_INPUT'],
  ['an expected head past 2^53 - 1', { expectedHead: 2 ** 53 }, 'INVALID_INPUT'],
])('refuses %s', (_what, fields, code) => {
  expect(codeOf(fields)).toBe(code)
})

test('refuses 10,000 levels without exhausting the stack', () => {
  let deep: unknown = 1
  for (let level = 0; level < 10_000; level++) deep = [deep]
  expect(codeOf({ payload: deep })).toBe('INVALID_PAYLOAD')
})

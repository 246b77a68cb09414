import fc from 'fast-check'
import { hostileParameters } from './operations.ts'
import { hostileJson, hostileText, nearly, nested } from './values.ts'

/** What a client sends as one message of a WebSocket. */
export interface Sent {
  /** Bytes as base64, so that a case that is found can be printed and read. */
  readonly kind: 'text' | 'binary' | 'bytes'
  readonly body: string
}

const id = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom('1', '2', '3', '__proto__', 'constructor') },
  { weight: 3, arbitrary: hostileText },
  { weight: 1, arbitrary: fc.constantFrom('x'.repeat(256), 'x'.repeat(257), '') },
  { weight: 1, arbitrary: hostileJson },
)

const identity = fc.record(
  { userId: nearly(fc.constantFrom('ann')), clientId: nearly(fc.constantFrom('tab')) },
  { requiredKeys: [] },
)

const init = fc.record(
  { type: fc.constant('connection_init'), payload: fc.oneof(identity, hostileJson) },
  { requiredKeys: ['type'] },
)

const pingOrPong = fc.record(
  {
    type: fc.constantFrom('ping', 'pong'),
    payload: fc.oneof(
      hostileJson,
      // As the server asks clients that named themselves.
      fc.record({ carillon: fc.oneof(hostileJson, fc.record({ mark: hostileJson })) }),
    ),
  },
  { requiredKeys: ['type'] },
)

const subscribe = fc.record({ type: fc.constant('subscribe'), id, payload: hostileParameters })
const complete = fc.record({ type: fc.constant('complete'), id })

/** What only a server says, or nobody. */
const foreign = fc.record(
  {
    type: fc.oneof(
      fc.constantFrom('connection_ack', 'next', 'error', 'connection_terminate', 'start', 'stop'),
      hostileJson,
    ),
    id,
    payload: hostileJson,
  },
  { requiredKeys: ['type'] },
)

const wellFormed = fc.oneof(
  { weight: 1, arbitrary: init },
  { weight: 2, arbitrary: pingOrPong },
  { weight: 12, arbitrary: subscribe },
  { weight: 4, arbitrary: complete },
)

/** One that lacks a field, or has another in the place of one, or one more. */
const malformed = fc
  .tuple(wellFormed, fc.constantFrom('type', 'id', 'payload', '__proto__', 'toJSON'), hostileJson)
  .map(([message, key, value]) => {
    const entries = Object.entries(message).filter(([name]) => name !== key)
    return Object.fromEntries(value === null ? entries : [...entries, [key, value]])
  })

const RAW = [
  '',
  ' ',
  'null',
  '[]',
  '{}',
  '0',
  '"ping"',
  'ping',
  '{"type":"ping"',
  '{"type":"ping"}{"type":"ping"}',
  '{"type":"ping","type":"pong"}',
  '{"type":"subscribe","id":"1","id":"2","payload":{"query":"{ viewer { userId } }"}}',
  '{"type":"subscribe","id":"1","payload":{"query":"{ viewer { userId } }","query":"subscription { messages(topics: \\"fuzz:1\\") { id } }"}}',
  '{"type":"ping","payload":1e999}',
  '{"type":"ping","payload":-0}',
  `{"type":"ping","payload":${'9'.repeat(1_000)}}`,
  '{"type":"ping","payload":"\\ud800"}',
  '{"type":"ping","payload":"\\u0000"}',
  '{"__proto__":{"type":"ping"}}',
  '{"type":"ping","__proto__":{"payload":1}}',
  '{"type":"connection_init","payload":{"__proto__":{"userId":"eve"}}}',
  `{"type":"ping","payload":${nested(5_000)}}`,
  `{"type":"ping","payload":{"a":${nested(20_000)}}}`,
  nested(100_000),
  `{"type":"subscribe","id":"1","payload":{"query":"mutation ($i: PublishInput!) { publish(input: $i) { duplicate } }","variables":{"i":{"topic":"fuzz:1","payload":${nested(3_000)}}}}}`,
  `{"type":"subscribe","id":"1","payload":{"query":"{ viewer { userId } }","extensions":{"a":${nested(5_000)}}}}`,
  `{"type":"subscribe","id":"1","payload":{"query":"{ viewer { userId } }","variables":{"a":${nested(5_000)}}}}`,
] as const

const raw = fc.oneof(fc.constantFrom<string>(...RAW), hostileText)

const message: fc.Arbitrary<Sent> = fc.oneof(
  { weight: 24, arbitrary: wellFormed.map(textOf) },
  { weight: 2, arbitrary: malformed.map(textOf) },
  { weight: 1, arbitrary: foreign.map(textOf) },
  { weight: 1, arbitrary: raw.map((body) => ({ kind: 'text' as const, body })) },
  {
    weight: 1,
    arbitrary: wellFormed.map((sent) => ({ ...textOf(sent), kind: 'binary' as const })),
  },
  {
    weight: 1,
    // Mostly no UTF-8, which a text has to be.
    arbitrary: fc
      .uint8Array({ maxLength: 16 })
      .map((bytes) => ({ kind: 'bytes' as const, body: Buffer.from(bytes).toString('base64') })),
  },
)

function textOf(sent: unknown): Sent {
  return { kind: 'text', body: JSON.stringify(sent) }
}

const GREETING: Sent = { kind: 'text', body: '{"type":"connection_init"}' }

/** What one client sends in its life: mostly after it has been acknowledged. */
export const hostileMessages: fc.Arbitrary<readonly Sent[]> = fc
  .tuple(
    fc.oneof(
      { weight: 5, arbitrary: fc.constant<readonly Sent[]>([GREETING]) },
      { weight: 3, arbitrary: init.map((sent) => [textOf(sent)]) },
      { weight: 1, arbitrary: fc.constant<readonly Sent[]>([]) },
    ),
    fc.array(message, { minLength: 1, maxLength: 8 }),
  )
  .map(([greeting, rest]) => [...greeting, ...rest])

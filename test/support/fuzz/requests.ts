import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { hostileParameters, type Parameters } from './operations.ts'
import { hostileJson, hostileText, nested } from './values.ts'

/** A request of HTTP, in its parts as they go over the wire. */
export interface HostileRequest {
  readonly method: string
  readonly target: string
  /** Lines of the head; latin1. */
  readonly headers: readonly string[]
  readonly body: Buffer
  /** How much of the body is left out before the client goes silent. */
  readonly missing: number
}

const method = fc.oneof(
  { weight: 10, arbitrary: fc.constant('POST') },
  { weight: 4, arbitrary: fc.constant('GET') },
  {
    weight: 2,
    arbitrary: fc.constantFrom('PUT', 'DELETE', 'PATCH', 'HEAD', 'OPTIONS', 'TRACE', 'PROPFIND'),
  },
)

const contentType = fc.oneof(
  { weight: 10, arbitrary: fc.constant('application/json') },
  {
    weight: 4,
    arbitrary: fc.constantFrom(
      'application/json; charset=utf-8',
      'application/json; charset=utf-16',
      'application/json; charset="',
      'application/graphql+json',
      'application/graphql',
      'text/plain',
      'application/x-www-form-urlencoded',
      'multipart/form-data; boundary=x',
      'multipart/form-data',
      'application/octet-stream',
      '',
      ';',
      '/',
    ),
  },
)

const accept = fc.constantFrom(
  '*/*',
  'application/json',
  'application/graphql-response+json',
  'text/event-stream',
  'multipart/mixed',
  'text/html',
  'application/xml',
  '',
  ',,;q=',
  '*/*;q=0',
)

/** What a header may carry: no line ends, which would be other headers. */
const headerValue = hostileText.map((text) =>
  Buffer.from(text.replaceAll(/[\r\n\0]/g, ' '), 'utf8').toString('latin1'),
)

const others = fc.array(
  fc.oneof(
    fc.tuple(
      fc.constantFrom(
        'carillon-user-id',
        'carillon-client-id',
        'authorization',
        'cookie',
        'origin',
      ),
      headerValue,
    ),
    fc.constantFrom<[string, string]>(
      ['last-event-id', '1'],
      ['x-forwarded-for', '127.0.0.1, "'],
      ['accept-encoding', 'gzip, br;q=x'],
      ['range', 'bytes=0-'],
      ['if-none-match', '*'],
      ['graphql-require-preflight', '1'],
      ['access-control-request-method', 'POST'],
    ),
  ),
  { maxLength: 3 },
)

const RAW_BODIES = [
  '',
  ' ',
  'null',
  '[]',
  '{}',
  '"{ viewer { userId } }"',
  '{"query":',
  '{"query":"{ viewer { userId } }"}{"query":"{ viewer { userId } }"}',
  '{"query":"{ viewer { userId } }","query":"mutation { purgeTopic(topic: \\"fuzz:1\\") { epoch } }"}',
  '{"query":null,"variables":null}',
  '{"__proto__":{"query":"{ viewer { userId } }"}}',
  '{"constructor":1,"query":"{ viewer { userId } }"}',
  '{"query":"{ viewer { userId } }","variables":1e999}',
  `{"query":"{ viewer { userId } }","variables":{"a":${nested(5_000)}}}`,
  `{"query":"{ viewer { userId } }","extensions":${nested(50_000)}}`,
  nested(100_000),
  nested(10_000, '{"a":', '}'),
  'query={ viewer { userId } }',
  '--x\r\nContent-Disposition: form-data; name="operations"\r\n\r\n{"query":"{ viewer { userId } }"}\r\n--x--',
] as const

const body = fc.oneof(
  { weight: 12, arbitrary: hostileParameters.map((parameters) => json(parameters)) },
  { weight: 1, arbitrary: fc.array(hostileParameters, { maxLength: 3 }).map(json) },
  { weight: 1, arbitrary: hostileJson.map(json) },
  { weight: 2, arbitrary: fc.constantFrom<string>(...RAW_BODIES).map((text) => Buffer.from(text)) },
  { weight: 1, arbitrary: hostileParameters.map((parameters) => gzipSync(json(parameters))) },
  {
    weight: 1,
    arbitrary: hostileParameters.map((parameters) =>
      Buffer.from(JSON.stringify(parameters), 'utf16le'),
    ),
  },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 32 }).map((bytes) => Buffer.from(bytes)) },
)

function json(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value))
}

const PATHS = [
  '/',
  '//',
  '/graphql/',
  '/graphql/../graphql',
  '/graphql%00',
  '/%',
  '/%ff',
  '/GRAPHQL',
  '/graphql?',
  '/graphql?query',
  '/graphql?query=%',
  '/graphql?query=%00&variables=%7B',
  '/graphql?query=a&query=b',
  '/graphql?__proto__[query]=a&constructor=1',
  '/health/live',
  '/health/ready',
  '/metrics',
  '/health/../metrics',
  '/favicon.ico',
  '/graphql#a',
  `/${'a'.repeat(2_000)}`,
] as const

const target = fc.oneof(
  { weight: 8, arbitrary: fc.constant('/graphql') },
  {
    weight: 5,
    arbitrary: hostileParameters.map((parameters) => `/graphql?${queryOf(parameters)}`),
  },
  { weight: 2, arbitrary: fc.constantFrom<string>(...PATHS) },
)

function queryOf(parameters: Parameters): string {
  const fields = Object.entries(parameters).map(([name, value]) => {
    const text = typeof value === 'string' ? value : JSON.stringify(value)
    // Half of a surrogate pair has no place in a URL.
    return `${name}=${encodeURIComponent(text.toWellFormed())}`
  })
  return fields.join('&').slice(0, 8_000)
}

/** Anything that may be sent as a request and that HTTP itself lets through. */
export const hostileRequest: fc.Arbitrary<HostileRequest> = fc
  .record({
    method,
    target,
    contentType,
    accept,
    others,
    body,
    encoding: nearlyNever(fc.constantFrom('gzip', 'br', 'identity', 'x')),
    host: nearlyNever(fc.constantFrom('localhost', 'localhost:1', '', 'example.com')),
    missing: nearlyNever(fc.integer({ min: 1, max: 50 })),
    isChunked: fc.boolean(),
  })
  .map(
    ({ method, target, contentType, accept, others, body, encoding, host, missing, isChunked }) => {
      const sent = isChunked ? chunked(body) : body
      const headers = [
        `Host: ${lineOf(host ?? '127.0.0.1')}`,
        'Connection: close',
        `Content-Type: ${contentType}`,
        `Accept: ${accept}`,
        isChunked ? 'Transfer-Encoding: chunked' : `Content-Length: ${body.length}`,
        ...(encoding === null ? [] : [`Content-Encoding: ${encoding}`]),
        ...others.map(([name, value]) => `${name}: ${value}`),
      ]
      return { method, target, headers, body: sent, missing: Math.min(missing ?? 0, sent.length) }
    },
  )

function nearlyNever<T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | null> {
  return fc.option(arbitrary, { freq: 10 })
}

function lineOf(text: string): string {
  return Buffer.from(text.replaceAll(/[\r\n\0]/g, ' '), 'utf8').toString('latin1')
}

/** Seven bytes a chunk: so that characters are cut in two. */
function chunked(body: Buffer): Buffer {
  const chunks: Buffer[] = []
  for (let at = 0; at < Math.min(body.length, 7_000); at += 7)
    chunks.push(body.subarray(at, at + 7))
  chunks.push(body.subarray(7_000))
  const framed = chunks
    .filter((chunk) => chunk.length > 0)
    .flatMap((chunk) => [
      Buffer.from(`${chunk.length.toString(16)}\r\n`),
      chunk,
      Buffer.from('\r\n'),
    ])
  return Buffer.concat([...framed, Buffer.from('0\r\n\r\n')])
}

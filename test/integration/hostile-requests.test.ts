import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import type { Logger } from 'carillon'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { request, startServer, type TestServer } from '../support/carillon.ts'
import { nested } from '../support/fuzz/values.ts'
import { openAcknowledged } from '../support/websocket.ts'

// What the fuzzer has found, each in its smallest form.

const logged: unknown[] = []

let server: TestServer

beforeAll(async () => {
  const keep = (fields: object) => logged.push(fields)
  const logger: Logger = { debug: () => {}, info: () => {}, warn: keep, error: keep }
  server = await startServer({ logger })
})

afterAll(() => server[Symbol.asyncDispose]())

beforeEach(() => {
  logged.length = 0
})

/** All that is answered to a request that stands as it is on the wire. */
async function exchange(head: readonly string[], body = ''): Promise<string> {
  const { hostname, port } = new URL(server.url)
  const socket = connect(Number(port), hostname)
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`)
  return await text(socket)
}

test('a ping too deep to be written again closes its socket, and is no fault of the server', async () => {
  await using raw = await openAcknowledged(server.socketUrl)
  raw.socket.send(`{"type":"ping","payload":{"a":${nested(20_000)}}}`)
  expect(await raw.closed()).toEqual({ code: 4400, reason: 'Invalid message received' })
  expect(logged).toEqual([])
})

test('a client that breaks off in the middle of its request is no fault of the server', async () => {
  const head = ['POST /graphql HTTP/1.1', 'Host: a', 'Content-Type: application/json']
  await exchange([...head, 'Content-Length: 100'], '{"query":')
  await request(server.url, '{ viewer { userId } }')
  expect(logged).toEqual([])
})

// To be mended in transport/server.ts: the adapter throws for what makes no URL, and answers with its stack.
test.each([
  ['a Host that is none', 'POST /graphql', 'æ'],
  ['an empty Host', 'POST /graphql', ''],
  ['a whole URL as the target', 'POST http://example.com/graphql', 'example.com'],
  ['a star as the target', 'OPTIONS *', 'example.com'],
])('%s is answered with 400', async (_what, start, host) => {
  const head = [`${start} HTTP/1.1`, `Host: ${host}`, 'Content-Type: application/json']
  const answer = await exchange([...head, 'Connection: close', 'Content-Length: 2'], '{}')
  expect(answer).toMatch(/^HTTP\/1\.1 400 /)
  expect(answer).not.toContain('node_modules')
})

test.each(['application/json', 'multipart/mixed'])(
  'a client that takes %s and wants the connection closed sees it closed',
  async (accept) => {
    const head = ['POST /graphql HTTP/1.1', 'Host: localhost', 'Content-Type: application/json']
    const rest = [`Accept: ${accept}`, 'Connection: close', 'Content-Length: 2']
    expect(await exchange([...head, ...rest], '{}')).toContain('Must provide query string.')
  },
)

import { once } from 'node:events'
import type { RequestListener } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { expect, test } from 'vitest'
import {
  createHttpServer,
  DEFAULT_HTTP_BOUNDS,
  type HttpBounds,
} from '../../../src/transport/http-server.ts'

const SHORT = { headersTimeoutMs: 100, requestTimeoutMs: 300, keepAliveTimeoutMs: 100 }

const echo: RequestListener = async (request, response) => {
  response.end(await text(request).catch(() => ''))
}

async function start(bounds: Partial<HttpBounds> = {}) {
  const server = createHttpServer(echo, { ...DEFAULT_HTTP_BOUNDS, ...bounds })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    /** A connection, and everything that it is sent until it is closed. */
    async open(): Promise<{ socket: Socket; answered: Promise<string> }> {
      const socket = connect(port, '127.0.0.1')
      socket.on('error', () => undefined) // it may be cut
      await once(socket, 'connect')
      return { socket, answered: text(socket) }
    },
    async [Symbol.asyncDispose]() {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}

test.each([
  ['nothing', ''],
  ['half of its headers', 'POST / HTTP/1.1\r\nHost: x\r\n'],
])('cuts a connection that sends %s', async (_what, sent) => {
  await using server = await start(SHORT)
  const { socket, answered } = await server.open()
  socket.write(sent)
  expect(await answered).toMatch(/^HTTP\/1\.1 408 /)
})

test('cuts a connection that sends half a body', async () => {
  await using server = await start(SHORT)
  const { socket, answered } = await server.open()
  socket.write('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf')
  expect(await answered).toMatch(/^HTTP\/1\.1 408 /)
})

test('closes a connection that is kept and not used', async () => {
  await using server = await start(SHORT)
  const { socket, answered } = await server.open()
  socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
  expect(await answered).toMatch(/^HTTP\/1\.1 200 /)
})

test.each([
  ['as many headers', 4, 10, 200],
  ['one header more', 5, 10, 431],
  ['longer headers', 1, 2_000, 431],
])('of %s than there may be, answers with the status', async (_what, count, length, status) => {
  await using server = await start({ headers: 6, headerBytes: 1_024 })
  const { socket, answered } = await server.open()
  const lines = Array.from({ length: count }, (_, index) => `X-${index}: ${'x'.repeat(length)}`)
  const head = ['GET / HTTP/1.1', 'Host: x', 'Connection: close', ...lines]
  socket.write(`${head.join('\r\n')}\r\n\r\n`)
  expect(await answered).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `))
})

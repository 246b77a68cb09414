import { once } from 'node:events'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { startServer, type TestServer } from '../support/carillon.ts'

let server: TestServer

beforeAll(async () => {
  server = await startServer()
})
afterAll(() => server[Symbol.asyncDispose]())

const ALLOWED = ['http://localhost:5173', 'https://127.0.0.1', 'http://[::1]:3000'] as const
const REFUSED = ['https://example.com', 'null', 'http://localhost.example.com', 'nonsense'] as const

async function preflight(origin: string): Promise<string | null> {
  const response = await fetch(server.url, {
    method: 'OPTIONS',
    headers: {
      origin,
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'content-type,carillon-client-id',
    },
  })
  return response.headers.get('access-control-allow-origin')
}

/** The status with which an upgrade is answered: 101 where the socket opens. */
async function upgrade(headers: Record<string, string>): Promise<number> {
  const socket = new WebSocket(server.socketUrl, 'graphql-transport-ws', { headers })
  socket.on('error', () => undefined) // told by what `unexpected-response` says
  const status = await Promise.race([
    once(socket, 'open').then(() => 101),
    once(socket, 'unexpected-response').then(([, response]) => Number(response.statusCode)),
  ])
  socket.terminate()
  return status
}

test.each(ALLOWED)('pages of %s may use it over HTTP and WebSocket', async (origin) => {
  expect(await preflight(origin)).toBe(origin)
  expect(await upgrade({ origin })).toBe(101)
  const response = await fetch(server.url, {
    method: 'POST',
    headers: { origin, 'content-type': 'application/json' },
    body: JSON.stringify({ query: '{ viewer { userId } }' }),
  })
  expect(response.headers.get('access-control-allow-origin')).toBe(origin)
  expect(await response.json()).toEqual({ data: { viewer: { userId: 'anonymous' } } })
})

test.each(REFUSED)('pages of %s may not', async (origin) => {
  expect(await preflight(origin)).toBeNull()
  expect(await upgrade({ origin })).toBe(403)
})

test('pages of the server itself may, whatever it is called', async () => {
  const { port } = new URL(server.url)
  const headers = { origin: `http://carillon.test:${port}`, host: `carillon.test:${port}` }
  expect(await upgrade(headers)).toBe(101)
})

test('programs without an origin may', async () => {
  expect(await upgrade({})).toBe(101)
})

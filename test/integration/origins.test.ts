import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { WebSocket } from 'ws'
import { request, startServer, type TestServer } from '../support/carillon.ts'
import { requestByHand } from '../support/http.ts'

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
async function upgrade(headers: Record<string, string>, url = server.socketUrl): Promise<number> {
  const socket = new WebSocket(url, 'graphql-transport-ws', { headers })
  socket.on('error', () => undefined) // told by what `unexpected-response` says
  const status = await Promise.race([
    once(socket, 'open').then(() => 101),
    once(socket, 'unexpected-response').then(([, response]) => Number(response.statusCode)),
  ])
  socket.terminate()
  return status
}

/** What a GET is answered, with headers that `fetch` does not let be set. */
function answerOf(path: string, headers: Record<string, string>, url = server.url) {
  return requestByHand(new URL(path, url).href, { headers })
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

test('programs without an origin may', async () => {
  expect(await upgrade({})).toBe(101)
})

test.each(REFUSED)('what pages of %s ask for is not carried out', async (origin) => {
  for (const method of ['GET', 'POST', 'OPTIONS'] as const) {
    const response = await fetch(server.url, { method, headers: { origin } })
    expect(response.status).toBe(403)
    expect(await response.json()).toMatchObject({
      errors: [{ extensions: { code: 'PERMISSION_DENIED', retryable: false } }],
    })
  }
})

test.each([
  [
    'an image of another site',
    { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors' },
    403,
  ],
  [
    'a frame of another site',
    { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'iframe' },
    403,
  ],
  [
    'a link of another site',
    { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' },
    200,
  ],
  ['a page of the server', { 'sec-fetch-site': 'same-origin', 'sec-fetch-mode': 'cors' }, 200],
])('what %s asks for without an origin gets its status', async (_what, headers, status) => {
  // By hand: `fetch` sets these headers itself.
  expect((await answerOf('/graphql?query={__typename}', headers)).status).toBe(status)
})

describe('A server that only this machine reaches', () => {
  test.each([
    ['localhost', 200],
    ['LOCALHOST:80', 200],
    ['app.localhost', 200],
    ['127.0.0.1', 200],
    ['[::1]:4000', 200],
    ['rebound.example', 421],
    ['127.0.0.1.rebound.example', 421],
    ['127.0.0.1@rebound.example', 400],
  ])('answers what asks for %s with %i', async (host, status) => {
    const upgraded = status === 200 ? 101 : status
    expect((await answerOf('/graphql?query={__typename}', { host })).status).toBe(status)
    expect((await answerOf('/health/live', { host })).status).toBe(status)
    expect(await upgrade({ host, origin: `http://${host}` })).toBe(
      host.includes('@') ? 421 : upgraded,
    )
  })

  test('answers hosts of the origins that it was told', async () => {
    await using named = await startServer({ origins: ['https://*.example.com'] })
    const status = async (host: string) =>
      (await answerOf('/health/live', { host }, named.url)).status
    expect(await status('app.example.com')).toBe(200)
    expect(await status('example.com')).toBe(421)
  })
})

test('pages of the server itself may, whatever a host application calls it', async () => {
  const host = createServer()
  server.carillon.attach(host)
  host.listen(0, '127.0.0.1')
  await once(host, 'listening')
  const { port } = host.address() as AddressInfo
  const headers = { origin: `http://carillon.test:${port}`, host: `carillon.test:${port}` }
  expect(await upgrade(headers, `ws://127.0.0.1:${port}/graphql`)).toBe(101)
  host.close()
  host.closeAllConnections()
})

describe('In production', () => {
  let strict: TestServer

  beforeAll(async () => {
    vi.stubEnv('NODE_ENV', 'production')
    strict = await startServer()
    vi.unstubAllEnvs()
  })
  afterAll(() => strict[Symbol.asyncDispose]())

  test('pages of this machine may not, but those of the server itself', async () => {
    const { origin } = new URL(strict.url)
    expect(await upgrade({ origin: 'http://localhost:5173' }, strict.socketUrl)).toBe(403)
    expect(await upgrade({ origin }, strict.socketUrl)).toBe(101)
  })

  test.each(['/graphql', '/'])('a browser is told at %s that GraphiQL is off', async (path) => {
    const { status, body } = await answerOf(path, { accept: 'text/html' }, strict.url)
    expect(status).toBe(404)
    expect(body).toBe('There is no page here: GraphiQL is off.\n')
    expect(await request(strict.url, '{ viewer { userId } }')).toHaveProperty('data.viewer')
  })
})

test('GraphiQL is off where that is said', async () => {
  await using plain = await startServer({ graphiql: false })
  expect((await answerOf('/graphql', { accept: 'text/html' }, plain.url)).status).toBe(404)
})

describe('Behind a proxy', () => {
  const forwarded = { 'x-forwarded-host': 'app.example', 'x-forwarded-proto': 'https' }

  test('that is trusted, the own origin is what the proxy was asked for', async () => {
    await using trusting = await startServer({ trustProxy: 'loopback', origins: [] })
    const status = (origin: string) => upgrade({ ...forwarded, origin }, trusting.socketUrl)
    expect(await status('https://app.example')).toBe(101)
    expect(await status('http://app.example')).toBe(403)
  })

  test('that is not, headers have no effect', async () => {
    expect(await upgrade({ ...forwarded, origin: 'https://app.example' })).toBe(403)
    const { headers } = await answerOf('/graphql', forwarded)
    expect(headers['strict-transport-security']).toBeUndefined()
  })
})

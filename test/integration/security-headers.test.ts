import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startServer, type TestServer } from '../support/carillon.ts'
import { requestByHand } from '../support/http.ts'

const HEADERS = {
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'x-frame-options': 'DENY',
}
const NOTHING = "default-src 'none'; frame-ancestors 'none'"

let server: TestServer

beforeAll(async () => {
  server = await startServer()
})
afterAll(() => server[Symbol.asyncDispose]())

function get(path: string, headers: Record<string, string> = {}, url = server.url) {
  return requestByHand(new URL(path, url).href, { headers })
}

test.each([
  ['/graphql?query={__typename}', {}, 200],
  ['/graphql', { accept: 'application/graphql-response+json' }, 400],
  ['/graphql', { origin: 'https://example.com' }, 403],
  ['/health/live', {}, 200],
  ['/health/ready', {}, 200],
  ['/metrics', {}, 200],
  ['/', { accept: 'text/html' }, 302],
  ['/nowhere', {}, 404],
  ['/health/live', { host: 'rebound.example' }, 421],
] as const)(
  '%s with %j, which answers %i, tells browsers to make nothing of it',
  async (path, sent, status) => {
    const answer = await get(path, sent)
    expect(answer.status).toBe(status)
    expect(answer.headers).toMatchObject({ ...HEADERS, 'content-security-policy': NOTHING })
    expect(answer.headers['strict-transport-security']).toBeUndefined()
    expect(answer.headers['cache-control']).toBe(
      path.startsWith('/graphql') ? 'no-store' : undefined,
    )
  },
)

test('streams of results are not kept by anyone', async () => {
  const response = await fetch(server.url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'text/event-stream' },
    body: JSON.stringify({ query: '{ __typename }' }),
  })
  expect(response.headers.get('cache-control')).toBe('no-store')
  expect(response.headers.get('content-security-policy')).toBe(NOTHING)
  await response.body?.cancel()
})

test('GraphiQL runs its own scripts only, and reaches this server only', async () => {
  const { headers } = await get('/graphql', { accept: 'text/html', 'accept-encoding': 'gzip' })
  expect(headers).toMatchObject({ ...HEADERS, 'cache-control': 'no-cache' })
  const policy = String(headers['content-security-policy'])
  expect(policy).toMatch(/^default-src 'none'; script-src ('sha256-[\w+/]{43}=' ?)+; /)
  expect(policy).toMatch(/connect-src 'self'; .*frame-ancestors 'none'$/)
})

test('on a server of a host application, its own answers stay as they are', async () => {
  const host = createServer((_request, response) => response.end('host'))
  server.carillon.attach(host)
  host.listen(0, '127.0.0.1')
  await once(host, 'listening')
  const { port } = host.address() as AddressInfo
  const url = `http://127.0.0.1:${port}`
  expect((await get('/', {}, url)).headers).not.toHaveProperty('content-security-policy')
  expect((await get('/health/live', {}, url)).headers).toMatchObject(HEADERS)
  host.close()
  host.closeAllConnections()
})

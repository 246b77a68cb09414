import { once } from 'node:events'
import { createServer } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { createCarillon } from 'carillon'
import { expect, test } from 'vitest'
import { request, startServer } from '../support/carillon.ts'
import { rejection } from '../support/rejection.ts'

async function open(url: string): Promise<Socket> {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  socket.on('error', () => undefined) // the server may reset it
  await once(socket, 'connect')
  return socket
}

function upgradeTo(path: string, origin?: string): string {
  const lines = [
    `GET ${path} HTTP/1.1`,
    'Host: localhost',
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
    ...(origin === undefined ? [] : [`Origin: ${origin}`]),
  ]
  return `${lines.join('\r\n')}\r\n\r\n`
}

test.each([
  ['an unknown path', upgradeTo('/other')],
  ['a foreign origin', upgradeTo('/graphql', 'https://example.com')],
])('survives clients that reset an upgrade to %s', async (_what, head) => {
  await using server = await startServer()
  for (let round = 0; round < 200; round++) {
    const socket = await open(server.url)
    socket.write(head)
    socket.resetAndDestroy()
  }
  expect(await request(server.url, '{ viewer { userId } }')).toHaveProperty('data')
})

test('closes at once with connections that have sent nothing, half a request or half an upgrade', async () => {
  const server = await startServer()
  await open(server.url)
  const half = await open(server.url)
  half.write('POST /graphql HTTP/1.1\r\nHost: x\r\n')
  const refused = await open(server.url)
  refused.write(upgradeTo('/other'))
  await once(refused, 'data')
  const began = performance.now()
  await server[Symbol.asyncDispose]()
  expect(performance.now() - began).toBeLessThan(2_000)
})

test('listens once, and not after it was closed', async () => {
  const carillon = await createCarillon({ dataDir: 'memory:', logLevel: 'silent' })
  await carillon.listen({ port: 0 })
  expect(String(await rejection(carillon.listen({ port: 0 })))).toContain('listens already')
  await carillon.close()
  expect(await rejection(carillon.listen({ port: 0 }))).toMatchObject({ code: 'SHUTTING_DOWN' })
})

test('two servers attached to one host may close in any order', async () => {
  const host = createServer((_request, response) => response.end('host'))
  host.listen(0, '127.0.0.1')
  await once(host, 'listening')
  const { port } = host.address() as AddressInfo
  const [first, second] = await Promise.all(
    [1, 2].map(() => createCarillon({ dataDir: 'memory:', logLevel: 'silent' })),
  )
  first?.attach(host)
  second?.attach(host)
  await first?.close()
  const get = async (path: string) => (await fetch(`http://127.0.0.1:${port}${path}`)).text()
  expect(await get('/')).toBe('host')
  expect(await get('/health/live')).toBe('{"status":"ok"}')
  await second?.close()
  expect(await get('/')).toBe('host')
  host.close()
})

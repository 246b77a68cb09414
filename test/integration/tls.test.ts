import { once } from 'node:events'
import { connect } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { createCarillon } from 'carillon'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createFolder, type ThrowawayFolder } from '../support/carillon.ts'
import { type Certificate, makeCertificate } from '../support/certificate.ts'
import { requestByHand } from '../support/http.ts'
import { spawnCli } from '../support/process.ts'
import { rejection } from '../support/rejection.ts'
import { watchSources } from '../support/subscription-sources.ts'
import { openRawSocket } from '../support/websocket.ts'

const OPTIONS = { dataDir: 'memory:', logLevel: 'silent' } as const

let folder: ThrowawayFolder
let certificate: Certificate
let server: Awaited<ReturnType<typeof start>>

beforeAll(async () => {
  folder = await createFolder()
  certificate = await makeCertificate(folder.path)
  server = await start()
})
afterAll(async () => {
  await server.carillon.close()
  await folder[Symbol.asyncDispose]()
})

async function start() {
  const carillon = await createCarillon({ ...OPTIONS, origins: ['https://carillon.test'] })
  const { url } = await carillon.listen({ port: 0, tls: certificate })
  return { carillon, url }
}

/** A query of the address, by a client that trusts the certificate. */
function ask(url: string, query: string, headers: Record<string, string> = {}) {
  const asked = `${url}?query=${encodeURIComponent(query)}`
  return requestByHand(asked, { ca: certificate.cert, headers })
}

test('GraphQL is answered over TLS', async () => {
  expect(server.url).toMatch(/^https:\/\/127\.0\.0\.1:\d+\/graphql$/)
  const { body } = await ask(server.url, '{ __typename }')
  expect(JSON.parse(body)).toEqual({ data: { __typename: 'Query' } })
})

test('server-sent events are', async () => {
  const { status, headers, body } = await ask(server.url, '{ __typename }', {
    accept: 'text/event-stream',
  })
  expect(status).toBe(200)
  expect(headers['content-type']).toContain('text/event-stream')
  expect(body).toContain('data: {"data":{"__typename":"Query"}}')
})

test('messages of all lengths arrive whole over a WebSocket', async () => {
  const sources = watchSources(server.carillon)
  const options = { ca: certificate.cert }
  await using raw = await openRawSocket(
    server.url.replace('https', 'wss'),
    'graphql-transport-ws',
    options,
  )
  raw.send({ type: 'connection_init' })
  await raw.receive()
  const query = 'subscription { messages(topics: "tls:1") { payload } }'
  raw.send({ id: '1', type: 'subscribe', payload: { query } })
  await sources.opened('tls:1')
  const payloads = Array.from({ length: 60 }, (_, index) => 'x'.repeat((index * 997) % 30_000))
  await server.carillon.publishMany(payloads.map((payload) => ({ topic: 'tls:1', payload })))
  for (const payload of payloads) {
    expect(await raw.receive()).toMatchObject({ payload: { data: { messages: { payload } } } })
  }
})

test('browsers are told to come by TLS only, but on this machine', async () => {
  const told = async (host: string) =>
    (await ask(server.url, '{ __typename }', { host })).headers['strict-transport-security']
  expect(await told('carillon.test')).toBe('max-age=31536000')
  expect(await told('localhost:4000')).toBeUndefined()
})

test('closes at once with connections that have sent nothing, before the handshake or after it', async () => {
  const closing = await start()
  const to = { port: Number(new URL(closing.url).port), host: '127.0.0.1' }
  const connections = [connect(to), connectTls({ ...to, ca: certificate.cert })] as const
  for (const socket of connections) socket.on('error', () => undefined) // the server may reset it
  await Promise.all([once(connections[0], 'connect'), once(connections[1], 'secureConnect')])
  const began = performance.now()
  await closing.carillon.close()
  expect(performance.now() - began).toBeLessThan(2_000)
})

test('what is no certificate is told, and the next one is tried', async () => {
  await using carillon = await createCarillon(OPTIONS)
  const wrong = { key: certificate.key, cert: 'nonsense' }
  expect(await rejection(carillon.listen({ port: 0, tls: wrong }))).toBeInstanceOf(Error)
  expect((await carillon.listen({ port: 0, tls: certificate })).url).toMatch(/^https:/)
})

test('the command line reads files, and its banner shows https', async () => {
  await using cli = spawnCli(['serve'], {
    CARILLON_DATA_DIR: 'memory:',
    CARILLON_TLS_KEY: certificate.keyPath,
    CARILLON_TLS_CERT: certificate.certPath,
    CARILLON_GRAPHIQL: 'off',
  })
  const url = await cli.ready()
  expect(cli.output()).toMatch(/GraphQL +https:\/\/127\.0\.0\.1:/)
  const { body } = await ask(url, '{ __typename }')
  expect(JSON.parse(body)).toEqual({ data: { __typename: 'Query' } })
})

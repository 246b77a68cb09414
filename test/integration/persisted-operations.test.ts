import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startServer, type TestServer } from '../support/carillon.ts'
import { startListed } from '../support/listed.ts'
import { openAcknowledged } from '../support/websocket.ts'

const TEXT = 'query Me { viewer { userId } }'
const HASH = createHash('sha256').update(TEXT).digest('hex')
const BY_HASH = { extensions: { persistedQuery: { version: 1, sha256Hash: HASH } } }
const ME = { data: { viewer: { userId: 'anonymous' } } }

let server: TestServer
let without: TestServer

beforeAll(async () => {
  const file = JSON.stringify({ [HASH]: TEXT })
  server = await startListed(file)
  without = await startServer()
})
afterAll(async () => {
  await server[Symbol.asyncDispose]()
  await without[Symbol.asyncDispose]()
})

type Params = Record<string, unknown>

async function post({ url }: TestServer, params: Params) {
  const headers = {
    'content-type': 'application/json',
    accept: 'application/graphql-response+json',
  }
  const response = await fetch(url, { method: 'POST', headers, body: JSON.stringify(params) })
  return { status: response.status, body: await response.json() }
}

async function get({ url }: TestServer, params: Params) {
  const texts = Object.entries(params).map(([name, value]) => [
    name,
    typeof value === 'string' ? value : JSON.stringify(value),
  ])
  const headers = { accept: 'application/graphql-response+json' }
  const response = await fetch(`${url}?${new URLSearchParams(texts)}`, { headers })
  return { status: response.status, body: await response.json() }
}

async function overSocket({ socketUrl }: TestServer, params: Params) {
  await using raw = await openAcknowledged(socketUrl)
  raw.send({ id: '1', type: 'subscribe', payload: { query: '', ...params } })
  return await raw.receive()
}

const denied = [
  expect.objectContaining({ extensions: { code: 'PERMISSION_DENIED', retryable: false } }),
]
const invalid = [
  expect.objectContaining({ extensions: { code: 'INVALID_INPUT', retryable: false } }),
]

describe.each([
  ['POST', post],
  ['GET', get],
])('Over HTTP %s', (_, send) => {
  test.each([
    ['its text', { query: TEXT }],
    ['its id', { documentId: `sha256:${HASH}` }],
    ['its hash in the extensions', BY_HASH],
  ])('an operation of the list is executed by %s', async (_way, params) => {
    expect(await send(server, params)).toEqual({ status: 200, body: ME })
  })

  test('any other is refused', async () => {
    for (const params of [{ query: '{ __typename }' }, { documentId: 'f00' }]) {
      expect(await send(server, params)).toEqual({ status: 403, body: { errors: denied } })
    }
  })

  test('ids are refused where there is no list', async () => {
    for (const params of [{ documentId: HASH }, BY_HASH]) {
      expect(await send(without, params)).toEqual({ status: 400, body: { errors: invalid } })
    }
  })
})

describe('Over WebSocket', () => {
  test.each([
    ['its text', { query: TEXT }],
    ['its id', { documentId: `sha256:${HASH}` }],
    ['its hash in the extensions', BY_HASH],
  ])('an operation of the list is executed by %s', async (_way, params) => {
    expect(await overSocket(server, params)).toEqual({ id: '1', type: 'next', payload: ME })
  })

  test('any other is refused, and the socket goes on', async () => {
    await using raw = await openAcknowledged(server.socketUrl)
    for (const payload of [{ query: '{ __typename }' }, { query: '', documentId: 'f00' }]) {
      raw.send({ id: '1', type: 'subscribe', payload })
      expect(await raw.receive()).toMatchObject({ type: 'error', payload: denied })
    }
  })

  test('ids are refused where there is no list', async () => {
    for (const params of [{ documentId: HASH }, BY_HASH]) {
      expect(await overSocket(without, params)).toMatchObject({ type: 'error', payload: invalid })
    }
  })
})

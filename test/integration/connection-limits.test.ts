import { once } from 'node:events'
import { Agent, type IncomingMessage, request } from 'node:http'
import { text } from 'node:stream/consumers'
import { setTimeout } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { startServer, type TestServer } from '../support/carillon.ts'
import { requestByHand } from '../support/http.ts'
import { frame, OPCODES, RawWebSocket } from '../support/raw-websocket.ts'
import { openAcknowledged, openRawSocket } from '../support/websocket.ts'

/** The answer to an upgrade that is refused. */
async function refused({ socketUrl }: TestServer, headers: Record<string, string> = {}) {
  const socket = new WebSocket(socketUrl, 'graphql-transport-ws', { headers })
  socket.on('error', () => undefined) // told by what the response says
  const [, response] = (await once(socket, 'unexpected-response')) as [unknown, IncomingMessage]
  const { statusCode: status, headers: answered } = response
  return { status, headers: answered, body: JSON.parse(await text(response)) as unknown }
}

/** Lines of the metrics that begin so. */
async function metric({ carillon }: TestServer, start: string): Promise<readonly string[]> {
  return (await carillon.metrics()).split('\n').filter((line) => line.startsWith(start))
}

describe('Connections', () => {
  test('over `connections` are refused with 503 until one is closed', async () => {
    await using server = await startServer({ limits: { connections: 1 } })
    const first = await openAcknowledged(server.socketUrl)
    expect(await metric(server, 'carillon_connections ')).toEqual(['carillon_connections 1'])
    expect(await refused(server)).toMatchObject({
      status: 503,
      headers: { 'retry-after': '5', 'x-content-type-options': 'nosniff' },
      body: {
        errors: [
          { extensions: { code: 'SERVICE_UNAVAILABLE', limit: 'connections', retryable: true } },
        ],
      },
    })
    await first[Symbol.asyncDispose]()
    await expect
      .poll(() => metric(server, 'carillon_connections '))
      .toEqual(['carillon_connections 0'])
    await using again = await openAcknowledged(server.socketUrl)
    expect(again.socket.readyState).toBe(WebSocket.OPEN)
    expect(await metric(server, 'carillon_limit_exceeded_total')).toEqual([
      'carillon_limit_exceeded_total{limit="connections"} 1',
    ])
  })

  test('a handshake that fails, and an origin that is refused, take no room', async () => {
    await using server = await startServer({ limits: { connections: 1 } })
    for (let round = 0; round < 3; round++) {
      expect((await fetchUpgrade(server)).status).toBe(400)
      expect((await refused(server, { origin: 'https://example.com' })).status).toBe(403)
    }
    await using first = await openAcknowledged(server.socketUrl)
    expect(first.socket.readyState).toBe(WebSocket.OPEN)
  })

  test('of one address over `connectionsPerAddress` are refused with 429', async () => {
    await using server = await startServer({ limits: { connectionsPerAddress: 1 } })
    await using first = await openAcknowledged(server.socketUrl)
    expect(first.socket.readyState).toBe(WebSocket.OPEN)
    expect(await refused(server, { 'x-forwarded-for': '203.0.113.9' })).toMatchObject({
      status: 429,
      body: {
        errors: [{ extensions: { code: 'RATE_LIMIT_EXCEEDED', limit: 'connectionsPerAddress' } }],
      },
    })
  })

  test('behind a trusted proxy are counted by the address that it says', async () => {
    const limits = { connectionsPerAddress: 1 }
    await using server = await startServer({ limits, trustProxy: 1 })
    for (const address of ['203.0.113.9', '203.0.113.10']) {
      const headers = { 'x-forwarded-for': address }
      const socket = new WebSocket(server.socketUrl, 'graphql-transport-ws', { headers })
      await once(socket, 'open')
      expect((await refused(server, headers)).status).toBe(429)
    }
  })
})

describe('Sockets that have not said who they are', () => {
  test('make room from the oldest on, and those that have said it stay', async () => {
    await using server = await startServer({ limits: { unauthenticatedConnections: 2 } })
    await using known = await openAcknowledged(server.socketUrl)
    const silent = [await openRawSocket(server.socketUrl), await openRawSocket(server.socketUrl)]
    await using honest = await openAcknowledged(server.socketUrl)
    const reason = 'unauthenticatedConnections: too many others have not said either who they are'
    expect(await silent[0]?.closed()).toEqual({ code: 4408, reason })
    expect(silent[1]?.socket.readyState).toBe(WebSocket.OPEN)
    for (const { socket } of [known, honest]) expect(socket.readyState).toBe(WebSocket.OPEN)
    expect(await metric(server, 'carillon_limit_exceeded_total')).toEqual([
      'carillon_limit_exceeded_total{limit="unauthenticatedConnections"} 1',
    ])
    await silent[1]?.[Symbol.asyncDispose]()
  })

  test('a flood of them keeps nobody out', async () => {
    await using server = await startServer({ limits: { unauthenticatedConnections: 5 } })
    const flood = await Promise.all(
      Array.from({ length: 50 }, () => openRawSocket(server.socketUrl)),
    )
    await using honest = await openAcknowledged(server.socketUrl)
    expect(honest.socket.readyState).toBe(WebSocket.OPEN)
    await Promise.all(flood.slice(0, 40).map((raw) => raw.closed()))
    await Promise.all(flood.map((raw) => raw[Symbol.asyncDispose]()))
  })

  test('are closed after `initTimeoutMs`', async () => {
    await using server = await startServer({ limits: { initTimeoutMs: 50 } })
    await using raw = await openRawSocket(server.socketUrl)
    expect(await raw.closed()).toMatchObject({ code: 4408 })
  })
})

describe('Event streams', () => {
  const query = 'subscription { messages(topics: "a") { sequence } }'
  const open = ({ url }: TestServer, signal?: AbortSignal) => {
    const headers = { accept: 'text/event-stream' }
    return fetch(`${url}?query=${encodeURIComponent(query)}`, { headers, signal: signal ?? null })
  }

  test.each([
    ['connectionsPerAddress', 'RATE_LIMIT_EXCEEDED'],
    ['connections', 'SERVICE_UNAVAILABLE'],
  ])('count for `%s` until they end', async (limit, code) => {
    await using server = await startServer({ limits: { [limit]: 1 } })
    const client = new AbortController()
    await open(server, client.signal)
    await expectOpen(server, 1)
    const told = await (await open(server)).text()
    for (const one of [code, limit]) expect(told).toContain(one)
    expect((await refused(server)).body).toMatchObject({
      errors: [{ extensions: { code, limit } }],
    })
    client.abort()
    await expectOpen(server, 0)
    await using socket = await openAcknowledged(server.socketUrl)
    expect(socket.socket.readyState).toBe(WebSocket.OPEN)
  })

  test.each(['application/json', 'multipart/mixed', 'text/plain'])(
    'that are not taken, as the client asks for %s, do not count',
    async (accept) => {
      await using server = await startServer()
      const response = await fetch(`${server.url}?query=${encodeURIComponent(query)}`, {
        headers: { accept },
        signal: AbortSignal.timeout(5_000),
      })
      expect(response.status).toBe(406)
      await expectOpen(server, 0)
      const inProcess = await server.carillon.fetch(
        new Request(`${server.url}?query=${encodeURIComponent(query)}`, { headers: { accept } }),
      )
      expect(inProcess.status).toBe(406)
      await expectOpen(server, 0)
    },
  )

  test('of clients that leave before they begin do not count', async () => {
    let opened = 0
    let open = () => {}
    const gate = new Promise<void>((resolve) => {
      open = resolve
    })
    await using server = await startServer({
      authenticate: async () => {
        opened++
        await gate
        return { userId: 'ann', clientId: 'a' }
      },
    })
    const post = (signal: AbortSignal) => ({
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'text/event-stream' },
      body: JSON.stringify({ query }),
      signal,
    })
    const leaving = new AbortController()
    const requests = [
      fetch(server.url, post(leaving.signal)),
      server.carillon.fetch(new Request(server.url, post(leaving.signal))),
    ]
    await expect.poll(() => opened).toBe(2)
    leaving.abort()
    await Promise.allSettled(requests)
    open()
    await using socket = await openAcknowledged(server.socketUrl)
    expect(socket.socket.readyState).toBe(WebSocket.OPEN)
    await expectOpen(server, 1)
  })

  async function expectOpen(server: TestServer, count: number) {
    await expect
      .poll(() => metric(server, 'carillon_connections '))
      .toEqual([`carillon_connections ${count}`])
  }
})

describe('What is too long', () => {
  test('a frame over `frameBytes` closes the socket with 1009; one as long does not', async () => {
    await using server = await startServer({ limits: { frameBytes: 200 } })
    await using raw = await openAcknowledged(server.socketUrl)
    const empty = JSON.stringify({ type: 'ping', payload: { text: '' } }).length
    raw.send({ type: 'ping', payload: { text: 'x'.repeat(200 - empty) } })
    expect(await raw.receive()).toMatchObject({ type: 'pong' })
    raw.send({ type: 'ping', payload: { text: 'x'.repeat(201 - empty) } })
    expect(await raw.closed()).toEqual({
      code: 1009,
      reason: 'PAYLOAD_TOO_LARGE: A message has at most 200 bytes (frameBytes).',
    })
    await expect
      .poll(() => metric(server, 'carillon_limit_exceeded_total'))
      .toEqual(['carillon_limit_exceeded_total{limit="frameBytes"} 1'])
  })

  test('a message of too many parts closes the socket with 1008, which says so', async () => {
    await using server = await startServer({})
    const raw = await RawWebSocket.open(Number(new URL(server.url).port))
    raw.write(frame({ opcode: OPCODES.text, payload: 'a', fin: false }))
    const part = frame({ opcode: OPCODES.continuation, payload: 'a', fin: false })
    for (let parts = 0; parts < 1_024; parts++) raw.write(part)
    expect(await raw.ended).toContain('close 1008 Too many parts of a message')
  })

  test('a WebSocket that sends more than `initBytes` before it is let in is closed; afterwards it may', async () => {
    const params = { text: 'x'.repeat(200) }
    const bytes = JSON.stringify({ type: 'connection_init', payload: params }).length + 8 // of the frame
    await using server = await startServer({ limits: { initBytes: bytes } })
    await using raw = await openRawSocket(server.socketUrl)
    raw.send({ type: 'connection_init', payload: params })
    expect(await raw.receive()).toMatchObject({ type: 'connection_ack' })
    raw.send({ type: 'ping', payload: { text: 'x'.repeat(10 * bytes) } })
    expect(await raw.receive()).toMatchObject({ type: 'pong' })

    await using tooLong = await openRawSocket(server.socketUrl)
    tooLong.send({ type: 'connection_init', payload: { text: 'x'.repeat(201) } })
    const { code, reason } = await tooLong.closed()
    expect(code).toBe(4400)
    expect(reason).toContain('PAYLOAD_TOO_LARGE')
    expect(reason).toContain('initBytes')
    expect(await metric(server, 'carillon_limit_exceeded_total')).toEqual([
      'carillon_limit_exceeded_total{limit="initBytes"} 1',
    ])
  })

  test('a body over `bodyBytes` is refused with 413, which names it; one as long is not', async () => {
    await using server = await startServer({ limits: { bodyBytes: 200 } })
    const post = (length: number) => {
      const empty = JSON.stringify({ query: '{ __typename } #' }).length
      const query = `{ __typename } #${'x'.repeat(length - empty)}`
      const headers = { 'content-type': 'application/json' }
      return fetch(server.url, { method: 'POST', headers, body: JSON.stringify({ query }) })
    }
    expect((await post(200)).status).toBe(200)
    const response = await post(201)
    expect(response.status).toBe(413)
    expect(await response.json()).toMatchObject({
      errors: [{ extensions: { code: 'PAYLOAD_TOO_LARGE', limit: 'bodyBytes' } }],
    })
    expect(await metric(server, 'carillon_limit_exceeded_total')).toEqual([
      'carillon_limit_exceeded_total{limit="bodyBytes"} 1',
    ])
  })

  test('a client that sends a body over `bodyBytes` without saying how long it is gets to its answer', async () => {
    await using server = await startServer({ limits: { bodyBytes: 100_000 } })
    const agent = new Agent({ keepAlive: true })
    for (let times = 0; times < 2; times++) {
      const { response } = await stream(server, { agent, chunks: 15 })
      expect(response.statusCode).toBe(413)
      expect(JSON.parse(await text(response))).toMatchObject({
        errors: [{ extensions: { code: 'PAYLOAD_TOO_LARGE', limit: 'bodyBytes' } }],
      })
    }
    agent.destroy()
  })

  test('a body over `bodyBytes` that says how long it is leaves the connection to the next request', async () => {
    await using server = await startServer({ limits: { bodyBytes: 100_000 } })
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    const ports = new Set<number | undefined>()
    for (const bytes of [150_000, 90, 100_001, 90]) {
      const headers = { 'content-type': 'application/json', 'content-length': bytes }
      const client = request(server.url, { method: 'POST', headers, agent })
      const answered = once(client, 'response')
      for (let sent = 0; sent < bytes; sent += 10_000) {
        client.write(' '.repeat(Math.min(10_000, bytes - sent)))
        await setTimeout(1)
      }
      client.end()
      const [response] = (await answered) as [IncomingMessage]
      expect(response.statusCode).toBe(bytes > 100_000 ? 413 : 400)
      ports.add(client.socket?.localPort)
      const done = once(client, 'close') // upon which the connection goes back to the agent
      await text(response)
      await done
    }
    expect(ports.size).toBe(1)
    agent.destroy()
  })

  test('a client that goes on and on with a body over `bodyBytes` is cut', async () => {
    await using server = await startServer({ limits: { bodyBytes: 100_000 } })
    const agent = new Agent({ keepAlive: true })
    const { response, isCut } = await stream(server, { agent, chunks: Number.POSITIVE_INFINITY })
    expect(response.statusCode).toBe(413)
    await expect.poll(isCut, { timeout: 10_000 }).toBe(true)
    agent.destroy()
  })
})

/** Sends so many chunks of 10,000 bytes, and goes on with it after the answer has begun. */
async function stream({ url }: TestServer, { agent, chunks }: { agent: Agent; chunks: number }) {
  const headers = { 'content-type': 'application/json' }
  const client = request(url, { method: 'POST', headers, agent })
  let isCut = false
  client.on('error', () => {
    isCut = true
  })
  client.on('close', () => {
    isCut = true
  })
  const answered = once(client, 'response')
  void (async () => {
    for (let sent = 0; sent < chunks && !isCut; sent++) {
      client.write('x'.repeat(10_000))
      await setTimeout(1)
    }
    client.end()
  })()
  const [response] = (await answered) as [IncomingMessage]
  return { response, isCut: () => isCut }
}

/** An upgrade without a key, which `ws` refuses. */
function fetchUpgrade({ url }: TestServer) {
  const headers = { connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': '13' }
  return requestByHand(url, { headers })
}

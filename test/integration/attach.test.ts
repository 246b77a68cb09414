import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Carillon, createCarillon } from 'carillon'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { request } from '../support/carillon.ts'
import { readEvents } from '../support/event-stream.ts'
import { type Sources, watchSources } from '../support/subscription-sources.ts'
import { openAcknowledged } from '../support/websocket.ts'

const OPTIONS = { dataDir: 'memory:', logLevel: 'silent' } as const

let carillon: Carillon
let sources: Sources

beforeAll(async () => {
  carillon = await createCarillon(OPTIONS)
  sources = watchSources(carillon)
})

afterAll(() => carillon.close())

/** A host application: its own server, with routes of its own. */
interface Host extends AsyncDisposable {
  readonly server: Server
  /** A path of it over HTTP. */
  at(path: string): string
  /** A path of it over WebSocket. */
  socketAt(path: string): string
}

/** @param prepare what the host does with its server before it listens */
async function startHost(prepare: (server: Server) => void): Promise<Host> {
  const server = createServer(answer)
  prepare(server)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    server,
    at: (path) => `http://127.0.0.1:${port}${path}`,
    socketAt: (path) => `ws://127.0.0.1:${port}${path}`,
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
}

/** Answers everything, so that a test sees what came to it. */
function answer({ method, url }: IncomingMessage, response: ServerResponse): void {
  response.writeHead(url?.startsWith('/host') ? 200 : 404)
  response.end(`host: ${method} ${url}`)
}

async function textOf(url: string, init: RequestInit = {}): Promise<string> {
  return (await fetch(url, init)).text()
}

/** WebSockets that say everything back. */
function echoing(sockets: WebSocketServer): WebSocketServer {
  return sockets.on('connection', (socket) => {
    socket.on('message', (data) => socket.send(`host: ${data}`))
  })
}

async function expectEcho(url: string): Promise<void> {
  const socket = new WebSocket(url)
  await once(socket, 'open')
  socket.send('hello')
  const [data] = await once(socket, 'message')
  expect(String(data)).toBe('host: hello')
  const closed = once(socket, 'close')
  socket.terminate()
  await closed
}

/** A subscription over WebSocket gets what is published over HTTP. */
async function expectDelivery(host: Host, topic: string): Promise<void> {
  await using raw = await openAcknowledged(host.socketAt('/graphql'))
  const query = `subscription { messages(topics: "${topic}") { payload } }`
  raw.send({ id: '1', type: 'subscribe', payload: { query } })
  await sources.opened(topic)
  const publish = `mutation { publish(input: { topic: "${topic}", payload: 1 }) { duplicate } }`
  expect(await request(host.at('/graphql'), publish)).toEqual({
    data: { publish: { duplicate: false } },
  })
  expect(await raw.receive()).toEqual({
    id: '1',
    type: 'next',
    payload: { data: { messages: { payload: 1 } } },
  })
}

describe('Attached to a server of the host', () => {
  test('GraphQL works over HTTP and WebSocket', async () => {
    await using host = await startHost((server) => carillon.attach(server))
    await expectDelivery(host, 'attach:both')
  })

  test('it works as well where the server listens already', async () => {
    await using host = await startHost(() => undefined)
    carillon.attach(host.server)
    await expectDelivery(host, 'attach:listening')
  })

  test('health and GraphiQL are served', async () => {
    await using host = await startHost((server) => carillon.attach(server))
    expect(await (await fetch(host.at('/health/live'))).json()).toEqual({ status: 'ok' })
    expect(await (await fetch(host.at('/health/ready'))).json()).toMatchObject({ status: 'ok' })
    const page = await fetch(host.at('/graphql'), { headers: { accept: 'text/html' } })
    expect(await page.text()).toContain('<title>Carillon</title>')
  })

  test('the query of a URL does not matter to whose path it is', async () => {
    await using host = await startHost((server) => carillon.attach(server))
    const answered = await fetch(host.at('/graphql?query={__typename}'))
    expect(await answered.json()).toEqual({ data: { __typename: 'Query' } })
    await using raw = await openAcknowledged(host.socketAt('/graphql?token=x'))
    expect(raw.socket.readyState).toBe(WebSocket.OPEN)
    expect(await textOf(host.at('/host?path=/graphql'))).toBe('host: GET /host?path=/graphql')
  })

  test('every other path stays the host’s, / in a browser too', async () => {
    await using host = await startHost((server) => carillon.attach(server))
    expect(await textOf(host.at('/host/x'))).toBe('host: GET /host/x')
    expect(await textOf(host.at('/host'), { method: 'POST', body: 'x' })).toBe('host: POST /host')
    expect(await textOf(host.at('/'), { headers: { accept: 'text/html' } })).toBe('host: GET /')
    expect(await textOf(host.at('/graphql/x'))).toBe('host: GET /graphql/x')
    expect(await textOf(host.at('/metrics'))).toBe('host: GET /metrics')
  })

  test('each listener of the host is called once, with the server as its receiver', async () => {
    const receivers: unknown[] = []
    await using host = await startHost((server) => {
      server.on('request', function (this: Server) {
        receivers.push(this)
      })
      carillon.attach(server)
    })
    await textOf(host.at('/host'))
    expect(receivers).toEqual([host.server])
    await textOf(host.at('/graphql?query={__typename}'))
    expect(receivers).toHaveLength(1)
  })

  test('a WebSocket at another path is destroyed where the host has none', async () => {
    await using host = await startHost((server) => carillon.attach(server))
    const socket = new WebSocket(host.socketAt('/host'))
    await expect(once(socket, 'open')).rejects.toThrow('socket hang up')
  })

  // It answers upgrades at any path but its own with 400: Carillon's must not come to it.
  test('a WebSocketServer of the host keeps its path, and leaves Carillon’s alone', async () => {
    await using host = await startHost((server) => {
      echoing(new WebSocketServer({ server, path: '/host-socket' }))
      carillon.attach(server)
    })
    await expectEcho(host.socketAt('/host-socket'))
    await expectDelivery(host, 'attach:websocket-server')
    await expectEcho(host.socketAt('/host-socket'))
  })

  test('an upgrade listener of the host that picks its path keeps it', async () => {
    const sockets = echoing(new WebSocketServer({ noServer: true }))
    await using host = await startHost((server) => {
      server.on('upgrade', (incoming, socket, head) => {
        if (incoming.url !== '/host-socket') return
        sockets.handleUpgrade(incoming, socket, head, (opened) =>
          sockets.emit('connection', opened, incoming),
        )
      })
      carillon.attach(server)
    })
    await expectEcho(host.socketAt('/host-socket'))
    await expectDelivery(host, 'attach:upgrade-listener')
  })
})

describe('Closing', () => {
  test('detaches and leaves the server, its routes and its sockets to the host', async () => {
    await using own = await createCarillon(OPTIONS)
    const hostSockets = echoing(new WebSocketServer({ noServer: true }))
    await using host = await startHost((server) => {
      server.on('upgrade', (incoming, socket, head) => {
        if (incoming.url !== '/host-socket') return
        hostSockets.handleUpgrade(incoming, socket, head, (opened) =>
          hostSockets.emit('connection', opened, incoming),
        )
      })
      own.attach(server)
    })
    await using raw = await openAcknowledged(host.socketAt('/graphql'))
    const hostSocket = new WebSocket(host.socketAt('/host-socket'))
    await once(hostSocket, 'open')

    await own.close()

    expect(await raw.closed()).toEqual({ code: 1012, reason: 'The server is shutting down.' })
    expect(host.server.listening).toBe(true)
    expect(host.server.listenerCount('request')).toBe(1)
    expect(host.server.listenerCount('upgrade')).toBe(1)
    expect(await textOf(host.at('/host'))).toBe('host: GET /host')
    expect(await textOf(host.at('/graphql'))).toBe('host: GET /graphql')
    hostSocket.send('hello')
    const [data] = await once(hostSocket, 'message')
    expect(String(data)).toBe('host: hello')
    await expectEcho(host.socketAt('/host-socket'))
    hostSocket.terminate()
  })

  test('also stops what does not listen: requests are refused with SHUTTING_DOWN', async () => {
    const own = await createCarillon(OPTIONS)
    await own.close()
    const response = await own.fetch(
      new Request('http://host/graphql', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ query: '{ __typename }' }),
      }),
    )
    expect(response.status).toBe(503)
    expect(await response.json()).toEqual({
      errors: [expect.objectContaining({ extensions: { code: 'SHUTTING_DOWN', retryable: true } })],
    })
    expect(await own.fetch(new Request('http://host/health/ready'))).toMatchObject({ status: 503 })
  })
})

describe('Without a server', () => {
  function post(query: string, headers: Record<string, string> = {}): Promise<Response> {
    return carillon.fetch(
      new Request('http://host/graphql', {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: JSON.stringify({ query }),
      }),
    )
  }

  test('`fetch` answers queries and mutations', async () => {
    const published = await post(
      'mutation { publish(input: { topic: "fetch:post", payload: 1 }) { duplicate } }',
    )
    expect(published.status).toBe(200)
    expect(await published.json()).toEqual({ data: { publish: { duplicate: false } } })
    const asked = await carillon.fetch(
      new Request('http://host/graphql?query={topic(name:"fetch:post"){headSequence}}'),
    )
    expect(await asked.json()).toEqual({ data: { topic: { headSequence: 1 } } })
  })

  test('`fetch` reads the client id', async () => {
    const response = await post('{ viewer { clientId } }', { 'carillon-client-id': 'tab 1' })
    expect(await response.json()).toEqual({ data: { viewer: { clientId: 'tab 1' } } })
  })

  test('`fetch` answers health checks, and 404 for paths that there are not', async () => {
    const live = await carillon.fetch(new Request('http://host/health/live'))
    expect(await live.json()).toEqual({ status: 'ok' })
    const ready = await carillon.fetch(new Request('http://host/health/ready'))
    expect(await ready.json()).toMatchObject({ status: 'ok' })
    expect(await carillon.fetch(new Request('http://host/nope'))).toMatchObject({ status: 404 })
  })

  test('`fetch` serves GraphiQL', async () => {
    const page = await carillon.fetch(
      new Request('http://host/graphql', { headers: { accept: 'text/html' } }),
    )
    expect(await page.text()).toContain('<title>Carillon</title>')
  })

  test('`fetch` streams a subscription, until the body is cancelled', async () => {
    const response = await post('subscription { messages(topics: "fetch:stream") { payload } }', {
      accept: 'text/event-stream',
    })
    const source = await sources.opened('fetch:stream')
    await carillon.publish({ topic: 'fetch:stream', payload: 1 })
    const events = readEvents(response)
    expect((await events.next()).value).toEqual({
      event: 'next',
      data: '{"data":{"messages":{"payload":1}}}',
    })
    await events.return()
    await source.ended()
  })

  test('`fetch` releases a subscription whose request is aborted', async () => {
    const leaving = new AbortController()
    const response = await carillon.fetch(
      new Request('http://host/graphql', {
        method: 'POST',
        headers: { 'content-type': 'application/json', accept: 'text/event-stream' },
        body: JSON.stringify({
          query: 'subscription { messages(topics: "fetch:abort") { payload } }',
        }),
        signal: leaving.signal,
      }),
    )
    expect(response.status).toBe(200)
    const source = await sources.opened('fetch:abort')
    leaving.abort()
    await source.ended()
  })
})

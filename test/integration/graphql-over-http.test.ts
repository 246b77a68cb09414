import { once } from 'node:events'
import { get as httpGet, type IncomingMessage } from 'node:http'
import { buffer } from 'node:stream/consumers'
import { gunzipSync } from 'node:zlib'
import { serverAudits } from 'graphql-http'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { request, startServer, type TestServer } from '../support/carillon.ts'
import { readEvents } from '../support/event-stream.ts'
import { createDatabase, describeWithPostgresql } from '../support/postgresql.ts'
import { type Sources, watchSources } from '../support/subscription-sources.ts'
import { lockTable } from '../support/table-lock.ts'

let server: TestServer
let sources: Sources

beforeAll(async () => {
  server = await startServer()
  sources = watchSources(server.carillon)
})

afterAll(() => server[Symbol.asyncDispose]())

const JSON_TYPE = 'application/json'
const RESPONSE_TYPE = 'application/graphql-response+json'

function post(body: unknown, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(server.url, {
    method: 'POST',
    headers: { 'content-type': JSON_TYPE, ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  })
}

function get(parameters: Record<string, string>): Promise<Response> {
  return fetch(`${server.url}?${new URLSearchParams(parameters)}`)
}

/** Another path of the same server. */
function at(path: string): string {
  return new URL(path, server.url).href
}

function coded(code: string, retryable = false, limit?: string) {
  return expect.objectContaining({
    message: expect.any(String),
    extensions: { code, retryable, ...(limit === undefined ? {} : { limit }) },
  })
}

// https://graphql.github.io/graphql-over-http/draft/
describe('The audits of graphql-http', () => {
  const audits = serverAudits({ url: () => server.url })
  const [required, optional] = [true, false].map((isRequired) =>
    audits.filter(({ name }) => name.startsWith('MUST') === isRequired),
  )

  test.each((required ?? []).map(({ id, name, fn }) => [`${name} (${id})`, fn] as const))(
    '%s',
    async (_, fn) => {
      expect(await fn()).toMatchObject({ status: 'ok' })
    },
  )

  test('all that is recommended or optional passes too', async () => {
    const failed: string[] = []
    for (const { id, name, fn } of optional ?? []) {
      const { status } = await fn()
      if (status !== 'ok') failed.push(`${id} ${name}`)
    }
    expect(failed).toEqual([])
  })
})

describe('Requests', () => {
  test('a query by POST', async () => {
    const response = await post({
      query: 'query Name($name: TopicName!) { topic(name: $name) { name } }',
      operationName: 'Name',
      variables: { name: 'http:post' },
    })
    expect(response.status).toBe(200)
    expect(response.headers.get('content-type')).toMatch(/^application\/json/)
    expect(await response.json()).toEqual({ data: { topic: { name: 'http:post' } } })
  })

  test('a query by GET', async () => {
    const response = await get({
      query: 'query Name($name: TopicName!) { topic(name: $name) { name } }',
      operationName: 'Name',
      variables: JSON.stringify({ name: 'http:get' }),
    })
    expect(response.status).toBe(200)
    expect(await response.json()).toEqual({ data: { topic: { name: 'http:get' } } })
  })

  test('a mutation by POST is committed when it is answered', async () => {
    const { data } = await request(
      server.url,
      'mutation { publish(input: { topic: "http:mutation", payload: 1 }) { duplicate } }',
    )
    expect(data).toEqual({ publish: { duplicate: false } })
    const { messages } = await server.carillon.messages({ topic: 'http:mutation' })
    expect(messages.map(({ payload }) => payload)).toEqual([1])
  })

  test('a mutation by GET is refused with 405 and not carried out', async () => {
    const response = await get({
      query: 'mutation { publish(input: { topic: "http:get", payload: 1 }) { duplicate } }',
    })
    expect(response.status).toBe(405)
    expect(response.headers.get('allow')).toBe('POST')
    expect(await response.json()).toEqual({ errors: [coded('INVALID_INPUT')] })
    const { messages } = await server.carillon.messages({ topic: 'http:get' })
    expect(messages).toEqual([])
  })

  test.each(['PUT', 'DELETE', 'PATCH'])('%s is refused with 405', async (method) => {
    const response = await fetch(server.url, { method })
    expect(response.status).toBe(405)
    expect(response.headers.get('allow')).toBe('GET, POST')
    expect(await response.json()).toEqual({ errors: [coded('INVALID_INPUT')] })
  })

  test.each([JSON_TYPE, RESPONSE_TYPE])(
    'JSON that is none is refused with 400 where %s is accepted',
    async (accept) => {
      const response = await post('{ "not JSON', { accept })
      expect(await response.json()).toEqual({ errors: [coded('INVALID_INPUT')] })
      expect(response.status).toBe(400)
    },
  )

  test.each([
    ['null', null],
    ['a number', 1],
    ['an array', [{ query: '{ __typename }' }]],
    ['variables that are an array', { query: '{ __typename }', variables: [] }],
    ['a query that is a number', { query: 1 }],
  ])('a body that is %s is refused with 400', async (_, body) => {
    const response = await post(body)
    expect(response.status).toBe(400)
    expect(await response.json()).toEqual({ errors: [coded('INVALID_INPUT')] })
  })

  test.each(['variables', 'extensions'])(
    '%s of a GET that are not JSON are the client’s fault',
    async (parameter) => {
      const response = await get({ query: '{ __typename }', [parameter]: '{' })
      expect(await response.json()).toEqual({ errors: [coded('INVALID_INPUT')] })
      expect(response.status).toBe(400)
    },
  )

  test('a body without a content type is refused with 415', async () => {
    const body = new TextEncoder().encode('{"query":"{ __typename }"}')
    expect(await fetch(server.url, { method: 'POST', body })).toMatchObject({ status: 415 })
  })

  // What a page of any other origin may send without asking first: https://fetch.spec.whatwg.org/#cors-safelisted-method
  test.each<[string, (query: string) => BodyInit]>([
    ['text/plain', (query) => JSON.stringify({ query })],
    ['application/x-www-form-urlencoded', (query) => new URLSearchParams({ query })],
    ['multipart/form-data', multipart],
  ])('%s, which any web page may send, is refused with 415', async (_, bodyOf) => {
    const body = bodyOf(
      'mutation { publish(input: { topic: "http:form", payload: 1 }) { duplicate } }',
    )
    const response = await fetch(server.url, { method: 'POST', body })
    expect(response.status).toBe(415)
    const { messages } = await server.carillon.messages({ topic: 'http:form' })
    expect(messages).toEqual([])
  })
})

/** https://github.com/jaydenseric/graphql-multipart-request-spec */
function multipart(query: string): FormData {
  const form = new FormData()
  form.set('operations', JSON.stringify({ query }))
  form.set('map', '{}')
  return form
}

describe('Errors', () => {
  const byVariable = 'query ($name: TopicName!) { topic(name: $name) { name } }'

  test.each<[string, string, Record<string, unknown>]>([
    ['INVALID_TOPIC_NAME', byVariable, { name: 'a b' }],
    ['INVALID_TOPIC_NAME', byVariable, { name: 1 }],
    ['INVALID_INPUT', byVariable, {}],
    ['INVALID_INPUT', byVariable, { name: null }],
    [
      'INVALID_CURSOR',
      'query ($after: Cursor) { messages(topic: "x", after: $after) { headSequence } }',
      { after: 'x' },
    ],
    [
      'INVALID_TOPIC_NAME',
      'mutation ($input: PublishInput!) { publish(input: $input) { duplicate } }',
      { input: { topic: 'a b', payload: 1 } },
    ],
    [
      'INVALID_INPUT',
      'mutation ($input: PublishInput!) { publish(input: $input) { duplicate } }',
      { input: { topic: 'x', payload: 1, nope: 1 } },
    ],
  ])('%s for %s with %j', async (code, query, variables) => {
    const response = await post({ query, variables }, { accept: RESPONSE_TYPE })
    expect(response.status).toBe(400)
    expect(response.headers.get('content-type')).toContain(RESPONSE_TYPE)
    expect(await response.json()).toEqual({ errors: [coded(code)] })
  })

  test('of a document come as 400, or 200 for clients of old that accept only JSON', async () => {
    const body = { query: '{ nope }' }
    expect(await post(body, { accept: RESPONSE_TYPE })).toMatchObject({ status: 400 })
    const response = await post(body, { accept: JSON_TYPE })
    expect(response.status).toBe(200)
    expect(await response.json()).toEqual({ errors: [coded('INVALID_INPUT')] })
  })

  test('of a field come with 200, beside the data', async () => {
    const query = '{ __typename messages(topic: "x", first: 0) { headSequence } }'
    const response = await post({ query }, { accept: RESPONSE_TYPE })
    expect(response.status).toBe(200)
    expect(await response.json()).toEqual({
      data: null,
      errors: [
        expect.objectContaining({
          path: ['messages'],
          extensions: { code: 'INVALID_LIMIT', retryable: false, limit: 'page' },
        }),
      ],
    })
  })

  test.each([
    ['an unknown operation name', { operationName: 'C' }],
    ['no operation name', {}],
  ])('%s where there are two operations is INVALID_INPUT', async (_, rest) => {
    const query = 'query A { __typename } query B { __typename }'
    const response = await post({ query, ...rest }, { accept: RESPONSE_TYPE })
    expect(response.status).toBe(400)
    expect(await response.json()).toEqual({ errors: [coded('INVALID_INPUT')] })
  })
})

describe('The client id', () => {
  const query = '{ viewer { userId clientId } }'

  test('of the header is the viewer’s', async () => {
    const { data } = await request(server.url, query, {}, { 'carillon-client-id': 'tab 1' })
    expect(data).toEqual({ viewer: { userId: 'anonymous', clientId: 'tab 1' } })
  })

  test('is null without the header', async () => {
    const { data } = await request(server.url, query)
    expect(data).toEqual({ viewer: { userId: 'anonymous', clientId: null } })
  })

  test.each([
    ['is empty', ''],
    ['has 129 characters', 'x'.repeat(129)],
  ])('that %s refuses the request with 400', async (_, clientId) => {
    for (const accept of [JSON_TYPE, RESPONSE_TYPE]) {
      const response = await post({ query }, { accept, 'carillon-client-id': clientId })
      expect(response.status).toBe(400)
      expect(await response.json()).toEqual({ errors: [coded('INVALID_INPUT')] })
    }
  })
})

// https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md#distinct-connections-mode
describe('Subscriptions over server-sent events', () => {
  function subscribe(
    topic: string,
    { signal, args = '', clientId }: SubscribeOptions = {},
  ): Promise<Response> {
    return fetch(server.url, {
      method: 'POST',
      headers: {
        'content-type': JSON_TYPE,
        accept: 'text/event-stream',
        ...(clientId === undefined ? {} : { 'carillon-client-id': clientId }),
      },
      body: JSON.stringify({
        query: `subscription { messages(topics: "${topic}"${args}) { payload } }`,
      }),
      signal: signal ?? null,
    })
  }

  interface SubscribeOptions {
    readonly signal?: AbortSignal
    readonly args?: string
    readonly clientId?: string
  }

  function delivered(payload: unknown) {
    return { event: 'next', data: JSON.stringify({ data: { messages: { payload } } }) }
  }

  async function publish(topic: string, payload: unknown, clientId?: string): Promise<void> {
    const { errors } = await request(
      server.url,
      'mutation ($input: PublishInput!) { publish(input: $input) { duplicate } }',
      { input: { topic, payload } },
      clientId === undefined ? {} : { 'carillon-client-id': clientId },
    )
    expect(errors).toBeUndefined()
  }

  test('deliver what another request publishes, in order', async () => {
    const leaving = new AbortController()
    const response = await subscribe('sse:order', leaving)
    expect(response.status).toBe(200)
    expect(response.headers.get('content-type')).toMatch(/^text\/event-stream/)
    await sources.opened('sse:order')
    const events = readEvents(response)
    for (const payload of ['first', { n: 2 }, 'line\nbreak']) {
      await publish('sse:order', payload)
      expect((await events.next()).value).toEqual(delivered(payload))
    }
    leaving.abort()
  })

  test('are live once the response has begun', async () => {
    const leaving = new AbortController()
    const response = await subscribe('sse:live', leaving)
    await publish('sse:live', 'at once')
    expect((await readEvents(response).next()).value).toEqual(delivered('at once'))
    leaving.abort()
  })

  test('work by GET, as EventSource asks', async () => {
    const leaving = new AbortController()
    const query = 'subscription { messages(topics: "sse:get") { payload } }'
    const response = await fetch(`${server.url}?${new URLSearchParams({ query })}`, {
      headers: { accept: 'text/event-stream' },
      signal: leaving.signal,
    })
    await sources.opened('sse:get')
    await publish('sse:get', 1)
    expect((await readEvents(response).next()).value).toEqual(delivered(1))
    leaving.abort()
  })

  test('are released when the client leaves', async () => {
    const leaving = new AbortController()
    await subscribe('sse:leaving', leaving)
    const source = await sources.opened('sse:leaving')
    leaving.abort()
    await source.ended()
  })

  test('are released when the client leaves even if it never reads', async () => {
    const leaving = new AbortController()
    await subscribe('sse:stalled', leaving)
    const source = await sources.opened('sse:stalled')
    const payload = 'x'.repeat(30_000)
    const messages = Array.from({ length: 100 }, () => ({ topic: 'sse:stalled', payload }))
    await server.carillon.publishMany(messages)
    leaving.abort()
    await source.ended()
  })

  test('leave out what the same client published where `echo` is false', async () => {
    const leaving = new AbortController()
    const response = await subscribe('sse:echo', {
      signal: leaving.signal,
      args: ', echo: false',
      clientId: 'tab 1',
    })
    await sources.opened('sse:echo')
    await publish('sse:echo', 'own', 'tab 1')
    await publish('sse:echo', 'other', 'tab 2')
    expect((await readEvents(response).next()).value).toEqual(delivered('other'))
    leaving.abort()
  })

  test('end with the error where they cannot start', async () => {
    const response = await fetch(server.url, {
      method: 'POST',
      headers: { 'content-type': JSON_TYPE, accept: 'text/event-stream' },
      body: JSON.stringify({ query: 'subscription { messages(topics: []) { id } }' }),
    })
    const events = readEvents(response)
    const { value } = await events.next()
    expect(value?.event).toBe('next')
    expect(JSON.parse(value?.data ?? '')).toEqual({
      errors: [coded('INVALID_INPUT', false, 'subscriptionTopics')],
    })
    expect((await events.next()).value).toEqual({ event: 'complete', data: '' })
    expect((await events.next()).done).toBe(true)
  })
})

describe('Health', () => {
  test('the server is alive', async () => {
    const response = await fetch(at('/health/live'))
    expect(response.status).toBe(200)
    expect(response.headers.get('content-type')).toMatch(/^application\/json/)
    expect(await response.json()).toEqual({ status: 'ok' })
  })

  test('the server is ready', async () => {
    const response = await fetch(at('/health/ready'))
    expect(response.status).toBe(200)
    expect(response.headers.get('content-type')).toMatch(/^application\/json/)
    expect(await response.json()).toEqual({
      status: 'ok',
      database: 'up',
      bus: 'up',
      shuttingDown: false,
    })
  })
})

describe('Other paths', () => {
  test.each(['/nope', '/graphql/nope', '/health', '/'])('%s is 404', async (path) => {
    expect(await fetch(at(path))).toMatchObject({ status: 404 })
    const query = '{ __typename }'
    const body = JSON.stringify({ query })
    const headers = { 'content-type': JSON_TYPE }
    expect(await fetch(at(path), { method: 'POST', headers, body })).toMatchObject({ status: 404 })
  })

  test('a WebSocket at another path is refused with 404', async () => {
    const response = await new Promise((resolve, reject) => {
      const upgrade = upgradeElsewhere()
      upgrade.once('response', (message) => resolve(message.statusCode))
      upgrade.once('upgrade', () => reject(new Error('It was accepted.')))
      upgrade.once('error', reject)
    })
    expect(response).toBe(404)
  })
})

/** The upgrade request of a WebSocket, by hand: clients do not tell why they were refused. */
function upgradeElsewhere() {
  return httpGet(at('/nope'), {
    headers: {
      connection: 'Upgrade',
      upgrade: 'websocket',
      'sec-websocket-version': '13',
      'sec-websocket-key': Buffer.alloc(16).toString('base64'),
    },
  })
}

describe('GraphiQL', () => {
  const headers = { accept: 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8' }

  test('a browser at / is sent to /graphql', async () => {
    const response = await fetch(at('/'), { headers, redirect: 'manual' })
    expect(response.status).toBe(302)
    expect(response.headers.get('location')).toBe('/graphql')
  })

  test('is served plain', async () => {
    const response = await fetch(server.url, {
      headers: { ...headers, 'accept-encoding': 'identity' },
    })
    expect(response.status).toBe(200)
    expect(response.headers.get('content-type')).toBe('text/html; charset=utf-8')
    expect(response.headers.get('content-encoding')).toBeNull()
    expect(response.headers.get('vary')).toMatch(/accept-encoding/)
    expect(await response.text()).toMatch(/<title>Carillon<\/title>/)
  })

  test('is served gzipped, and is the same page', async () => {
    const [gzipped, plain] = await Promise.all([download('gzip'), download('identity')])
    expect(gzipped.headers['content-encoding']).toBe('gzip')
    expect(gzipped.body.length).toBeLessThan(plain.body.length / 2)
    expect(gunzipSync(gzipped.body).equals(plain.body)).toBe(true)
  })

  test('loads nothing from another host', async () => {
    const page = await (await fetch(server.url, { headers })).text()
    // What stands inside of scripts is code, not a reference of the page.
    const markup = page.replace(/(<script\b[^>]*>)[\s\S]*?<\/script>/g, '$1</script>')
    const references = [...markup.matchAll(/\s(?:src|href|action)\s*=\s*["']?([^"'\s>]*)/gi)]
    const styles = [...markup.matchAll(/(?:url\(|@import)\s*["']?([^"'\s)]*)/gi)]
    const imports = [...page.matchAll(/\b(?:import|importScripts)\s*\(\s*["'`]([^"'`]*)/g)]
    const urls = [...references, ...styles, ...imports].map(([, url]) => url ?? '')
    expect(references.length).toBeGreaterThan(0)
    expect(urls.filter((url) => /^(?:https?:)?\/\//i.test(url))).toEqual([])
  })

  test('is not what a client that accepts JSON gets', async () => {
    const response = await fetch(`${server.url}?query={__typename}`, {
      headers: { accept: JSON_TYPE },
    })
    expect(await response.json()).toEqual({ data: { __typename: 'Query' } })
  })

  /** As it is on the wire: `fetch` unzips. */
  async function download(encoding: string) {
    const [response] = (await once(
      httpGet(server.url, { headers: { ...headers, 'accept-encoding': encoding } }),
      'response',
    )) as [IncomingMessage]
    return { headers: response.headers, body: await buffer(response) }
  }
})

/** Well below the 5 seconds that requests in flight have to finish, in milliseconds. */
const AT_ONCE_MS = 3_000

async function timeToClose({ carillon }: TestServer): Promise<number> {
  const start = performance.now()
  await carillon.close()
  return performance.now() - start
}

describe('Shutdown', () => {
  test('cuts streams of server-sent events without complete: clients connect again', async () => {
    await using own = await startServer()
    const response = await fetch(own.url, {
      method: 'POST',
      headers: { 'content-type': JSON_TYPE, accept: 'text/event-stream' },
      body: JSON.stringify({ query: 'subscription { messages(topics: "x") { payload } }' }),
    })
    const events = readEvents(response)
    await own.carillon.publish({ topic: 'x', payload: 1 })
    expect((await events.next()).value?.event).toBe('next')
    const end = events.next()
    const cut = expect(end).rejects.toThrow('terminated')
    expect(await timeToClose(own)).toBeLessThan(AT_ONCE_MS)
    await cut
  })

  test('nobody is listening afterwards', async () => {
    await using own = await startServer()
    await own.carillon.close()
    await expect(fetch(own.url)).rejects.toThrow('fetch failed')
  })
})

describeWithPostgresql('Shutdown while a mutation runs', () => {
  test('answers it first, and does not wait for the connection to be given up', async () => {
    await using database = await createDatabase()
    await using own = await startServer({ databaseUrl: database.url })
    let answer: ReturnType<typeof request>
    let closing: Promise<void>
    {
      await using lock = await lockTable(database.url, 'carillon.messages')
      answer = request(
        own.url,
        'mutation { publish(input: { topic: "x", payload: 1 }) { message { sequence } } }',
      )
      await lock.untilAwaited()
      closing = own.carillon.close()
    }
    expect(await answer).toEqual({ data: { publish: { message: { sequence: 1 } } } })
    const answered = performance.now()
    await closing
    // The client keeps its connection alive for some seconds; nobody waits for it.
    expect(performance.now() - answered).toBeLessThan(1_000)
  })

  test('is not ready meanwhile, but alive, and refuses requests with SHUTTING_DOWN', async () => {
    await using database = await createDatabase()
    await using own = await startServer({ databaseUrl: database.url })
    let closing: Promise<void>
    {
      await using lock = await lockTable(database.url, 'carillon.messages')
      const answer = own.carillon.fetch(
        new Request(own.url, {
          method: 'POST',
          headers: { 'content-type': JSON_TYPE },
          body: JSON.stringify({
            query: 'mutation { publish(input: { topic: "x", payload: 1 }) { duplicate } }',
          }),
        }),
      )
      await lock.untilAwaited()
      closing = own.carillon.close()
      const ready = await own.carillon.fetch(new Request(new URL('/health/ready', own.url)))
      expect(ready.status).toBe(503)
      expect(await ready.json()).toMatchObject({ status: 'unavailable', shuttingDown: true })
      const live = await own.carillon.fetch(new Request(new URL('/health/live', own.url)))
      expect(live.status).toBe(200)
      const refused = await own.carillon.fetch(
        new Request(`${own.url}?${new URLSearchParams({ query: '{ __typename }' })}`),
      )
      expect(refused.status).toBe(503)
      expect(await refused.json()).toEqual({ errors: [coded('SHUTTING_DOWN', true)] })
      await lock[Symbol.asyncDispose]()
      expect(await (await answer).json()).toEqual({ data: { publish: { duplicate: false } } })
    }
    await closing
  })
})

test('a body past 8 MiB is refused with 413 and the catalogue code', async () => {
  const response = await fetch(server.url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query: `{ viewer { userId } } # ${'x'.repeat(8 * 1024 * 1024)}` }),
  })
  expect(response.status).toBe(413)
  expect(await response.json()).toMatchObject({
    errors: [{ extensions: { code: 'PAYLOAD_TOO_LARGE', retryable: false, limit: 'bodyBytes' } }],
  })
})

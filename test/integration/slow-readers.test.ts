import { createServer } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { type Carillon, type CarillonOptions, createCarillon } from 'carillon'
import { extendSchema, type GraphQLSchema, parse } from 'graphql'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Sources, watchSources } from '../support/subscription-sources.ts'
import { openAcknowledged, type ProtocolMessage, type RawSocket } from '../support/websocket.ts'

/** Much less than what the kernel holds for a socket: several megabytes. */
const SMALL = { maxBytes: 64 * 1024, chunkBytes: 16 * 1024 }

const PAYLOAD = 'x'.repeat(30_000)

/** Of these, no kernel holds all for a client that does not read. */
const MANY = 344

interface WatchedServer extends AsyncDisposable {
  readonly carillon: Carillon
  readonly sources: Sources
  /** How often it has answered the query `large`. */
  answered(): number
  /** Opens a socket, and answers the server’s end of it too. One after the other. */
  open(): Promise<{ readonly raw: RawSocket; readonly end: Socket }>
}

async function startWatched(options: CarillonOptions): Promise<WatchedServer> {
  let answered = 0
  const carillon = await createCarillon({
    dataDir: 'memory:',
    logLevel: 'silent',
    extendSchema: (schema) => withLarge(schema, () => answered++),
    ...options,
  })
  const server = createServer()
  let newest: Socket | undefined
  server.on('connection', (end: Socket) => {
    newest = end
  })
  carillon.attach(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const socketUrl = `ws://127.0.0.1:${(server.address() as AddressInfo).port}/graphql`
  return {
    carillon,
    sources: watchSources(carillon),
    answered: () => answered,
    async open() {
      const raw = await openAcknowledged(socketUrl)
      if (newest === undefined) throw new Error('The server knows nothing of this socket.')
      return { raw, end: newest }
    },
    async [Symbol.asyncDispose]() {
      await carillon.close()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** Adds a query with an answer of 64 KB. */
function withLarge(schema: GraphQLSchema, onAnswer: () => void): GraphQLSchema {
  const definition = 'extend type Query { large(padding: String): String! }'
  const extended = extendSchema(schema, parse(definition))
  const field = extended.getQueryType()?.getFields().large
  if (field === undefined) throw new Error('There is no such field.')
  field.resolve = () => {
    onAnswer()
    return 'x'.repeat(64 * 1024)
  }
  return extended
}

let server: WatchedServer
let topics = 0

beforeAll(async () => {
  server = await startWatched({ delivery: SMALL })
})
afterAll(() => server[Symbol.asyncDispose]())

function newTopic(): string {
  return `slow:${++topics}`
}

/** Resolves once it is live. */
async function subscribe(raw: RawSocket, id: string, topic: string, { sources } = server) {
  const query = `subscription { messages(topics: "${topic}") { sequence ephemeral payload } }`
  raw.send({ id, type: 'subscribe', payload: { query } })
  return await sources.opened(topic)
}

async function publish(topic: string, count: number, { carillon } = server): Promise<void> {
  for (let start = 0; start < count; start += 50) {
    const size = Math.min(50, count - start)
    const batch = Array.from({ length: size }, () => ({ topic, payload: PAYLOAD }))
    await carillon.publishMany(batch)
  }
}

interface Result {
  readonly data: { readonly messages: { readonly sequence: number | null } }
  readonly extensions?: { readonly carillon: { readonly dropped: number } }
}

function resultOf({ type, payload }: ProtocolMessage): Result {
  if (type !== 'next') throw new Error(`got ${type}`)
  return payload as Result
}

async function receiveSequences(raw: RawSocket, count: number): Promise<(number | null)[]> {
  const sequences: (number | null)[] = []
  while (sequences.length < count) {
    sequences.push(resultOf(await raw.receive()).data.messages.sequence)
  }
  return sequences
}

function upTo(last: number, first = 1): number[] {
  return Array.from({ length: last - first + 1 }, (_, n) => first + n)
}

describe('a slow reader: a client that stops reading', () => {
  test('keeps nobody waiting, and gets everything in order, once, when it reads again', async () => {
    const topic = newTopic()
    const { raw: slow, end } = await server.open()
    await using _ = slow
    await using other = (await server.open()).raw
    await subscribe(slow, 'slow', topic)
    await subscribe(other, 'other', topic)
    slow.socket.pause()
    await publish(topic, MANY)
    expect(await receiveSequences(other, MANY)).toEqual(upTo(MANY))
    expect(slow.pending()).toEqual([])
    expect(end.writableLength).toBeGreaterThan(0)
    slow.socket.resume()
    expect(await receiveSequences(slow, MANY)).toEqual(upTo(MANY))
    await publish(topic, 1)
    expect(await receiveSequences(slow, 1)).toEqual([MANY + 1])
    expect(slow.pending()).toEqual([])
  })

  test('stalls again while it catches up, and still gets everything in order, once', async () => {
    const topic = newTopic()
    const { raw: slow, end } = await server.open()
    await using _ = slow
    await subscribe(slow, 'slow', topic)
    slow.socket.pause()
    await publish(topic, MANY)
    slow.socket.resume()
    const some = await receiveSequences(slow, 20)
    slow.socket.pause()
    await publish(topic, MANY)
    await expect.poll(() => end.writableLength, { timeout: 20_000 }).toBeGreaterThan(0)
    slow.socket.resume()
    const rest = await receiveSequences(slow, 2 * MANY - 20)
    expect([...some, ...rest]).toEqual(upTo(2 * MANY))
  })

  test('gets each of its subscriptions in order, once', async () => {
    const [one, two] = [newTopic(), newTopic()]
    const { raw: slow } = await server.open()
    await using _ = slow
    await subscribe(slow, 'one', one)
    await subscribe(slow, 'two', two)
    slow.socket.pause()
    for (let n = 0; n < 4; n++) for (const topic of [one, two]) await publish(topic, MANY / 8)
    slow.socket.resume()
    const sequences: Record<string, (number | null)[]> = { one: [], two: [] }
    for (let n = 0; n < MANY; n++) {
      const message = await slow.receive()
      sequences[String(message.id)]?.push(resultOf(message).data.messages.sequence)
    }
    expect(sequences).toEqual({ one: upTo(MANY / 2), two: upTo(MANY / 2) })
  })

  test('is told how many ephemeral messages it has missed', async () => {
    const topic = newTopic()
    const { raw: slow } = await server.open()
    await using _ = slow
    await subscribe(slow, 'slow', topic)
    let [ephemeral, durable, received, dropped] = [0, 0, 0, 0]
    const publishEphemeral = async (count: number) => {
      for (let n = 0; n < count; n++) {
        await server.carillon.publish({ topic, payload: ephemeral++, ephemeral: true })
      }
    }
    const sequences: number[] = []
    const receive = async () => {
      const { data, extensions } = resultOf(await slow.receive())
      dropped += extensions?.carillon.dropped ?? 0
      if (data.messages.sequence === null) received++
      else sequences.push(data.messages.sequence)
    }
    await publishEphemeral(10)
    while (received < 10) await receive()
    slow.socket.pause()
    for (let n = 0; n < 4; n++) {
      await publish(topic, MANY / 4)
      durable += MANY / 4
      await publishEphemeral(25)
    }
    slow.socket.resume()
    while (sequences.length < durable) await receive()
    // What it has missed is told with what comes once it keeps up again.
    while (received + dropped < ephemeral) {
      await publish(topic, 1)
      durable++
      while (sequences.length < durable) await receive()
    }
    expect(received + dropped).toBe(ephemeral)
    expect(dropped).toBeGreaterThan(0)
    expect(sequences).toEqual(upTo(durable))
  })

  test('is told so also where it has missed nothing else', async () => {
    const topic = newTopic()
    const { raw: slow } = await server.open()
    await using _ = slow
    await subscribe(slow, 'slow', topic)
    slow.socket.pause()
    for (let n = 0; n < MANY; n++) {
      await server.carillon.publish({ topic, payload: PAYLOAD, ephemeral: true })
    }
    slow.socket.resume()
    let [received, dropped] = [0, 0]
    const sequences: number[] = []
    while (received + dropped < MANY) {
      await publish(topic, 1)
      const { length } = sequences
      while (sequences.length === length) {
        const { data, extensions } = resultOf(await slow.receive())
        dropped += extensions?.carillon.dropped ?? 0
        if (data.messages.sequence === null) received++
        else sequences.push(data.messages.sequence)
      }
    }
    expect(received + dropped).toBe(MANY)
    expect(dropped).toBeGreaterThan(0)
    expect(sequences).toEqual(upTo(sequences.length))
  })
})

/** Resolves once the server has begun to close a socket, which its client need not notice. */
function untilCloseFrame(end: Socket): Promise<void> {
  const { write } = end
  return new Promise((resolve) => {
    Object.assign(end, {
      write(...args: unknown[]): unknown {
        const [chunk] = args
        if (Buffer.isBuffer(chunk) && chunk[0] === CLOSE_FRAME) resolve()
        return Reflect.apply(write, end, args)
      },
    })
  })
}

/** FIN and the opcode of a close. */
const CLOSE_FRAME = 0x88

describe('A client that takes nothing for stallMs', () => {
  let impatient: WatchedServer

  beforeAll(async () => {
    impatient = await startWatched({ delivery: { ...SMALL, stallMs: 500 } })
  })
  afterAll(() => impatient[Symbol.asyncDispose]())

  test('is closed with 1013, and finds out when it reads', async () => {
    const topic = newTopic()
    const { raw: slow, end } = await impatient.open()
    await using _ = slow
    const source = await subscribe(slow, 'slow', topic, impatient)
    const closing = untilCloseFrame(end)
    slow.socket.pause()
    await publish(topic, MANY, impatient)
    await closing
    slow.socket.resume()
    expect(await slow.closed()).toEqual({
      code: 1013,
      reason: expect.stringMatching(/^SLOW_CONSUMER: /),
    })
    await source.ended()
    const count = slow.pending().length
    expect(count).toBeLessThan(MANY)
    expect(await receiveSequences(slow, count)).toEqual(upTo(count))
  })

  test('is closed also where its requests are not read any more', async () => {
    const { raw: slow, end } = await impatient.open()
    await using _ = slow
    const closing = untilCloseFrame(end)
    slow.socket.pause()
    askForMuch(slow)
    await closing
    // The server waits for the client’s answer, which stands behind all those requests.
    await expect.poll(() => end.isPaused(), { timeout: 5_000 }).toBe(false)
    slow.socket.resume()
    expect(await slow.closed()).toMatchObject({ code: 1013 })
  })
})

/** Asks for answers of 64 KB each, as often as no kernel can hold. */
function askForMuch(raw: RawSocket): void {
  const query = 'query ($padding: String) { large(padding: $padding) }'
  const variables = { padding: 'x'.repeat(8_000) }
  for (let n = 0; n < QUERIES; n++) {
    raw.send({ id: `query ${n}`, type: 'subscribe', payload: { query, variables } })
  }
}

const QUERIES = 600

test('A client that takes something now and then is not closed', async () => {
  const stallMs = 2_000
  await using patient = await startWatched({ delivery: { ...SMALL, stallMs } })
  const topic = newTopic()
  const count = 480
  const { raw: slow, end } = await patient.open()
  await using _ = slow
  await subscribe(slow, 'slow', topic, patient)
  slow.socket.pause()
  const publishing = publish(topic, count, patient)
  const sequences: (number | null)[] = []
  const until = performance.now() + 2 * stallMs
  while (performance.now() < until) {
    slow.socket.resume()
    // The kernel takes more only once a good part of what it holds has been read.
    const { bytesWritten } = end
    while (end.bytesWritten === bytesWritten && sequences.length < count) {
      sequences.push(...(await receiveSequences(slow, 1)))
    }
    slow.socket.pause()
    await delay(stallMs / 10)
  }
  slow.socket.resume()
  sequences.push(...(await receiveSequences(slow, count - sequences.length)))
  await publishing
  expect(sequences).toEqual(upTo(count))
  slow.send({ type: 'ping' })
  expect(await slow.receive()).toEqual({ type: 'pong' })
}, 60_000)

test('A client that asks on and on without reading is read from when it reads', async () => {
  const { raw: slow, end } = await server.open()
  await using _ = slow
  await using other = (await server.open()).raw
  const before = server.answered()
  slow.socket.pause()
  askForMuch(slow)
  await expect.poll(() => end.isPaused() && end.writableLength > 0, { timeout: 20_000 }).toBe(true)
  for (let n = 0; n < 20; n++) {
    other.send({ type: 'ping' })
    expect(await other.receive()).toEqual({ type: 'pong' })
  }
  expect(end.isPaused()).toBe(true)
  expect(server.answered() - before).toBeLessThan(QUERIES / 2)
  slow.socket.resume()
  const answers: unknown[] = []
  while (answers.length < QUERIES) {
    const { id, type } = await slow.receive()
    if (type === 'complete') answers.push(id)
  }
  expect(answers.sort()).toEqual(
    upTo(QUERIES)
      .map((n) => `query ${n - 1}`)
      .sort(),
  )
  expect(server.answered() - before).toBe(QUERIES)
  slow.send({ type: 'ping' })
  expect(await slow.receive()).toEqual({ type: 'pong' })
})

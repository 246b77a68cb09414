import { once } from 'node:events'
import { connect } from 'node:net'
import type { CarillonOptions, Logger } from 'carillon'
import { WebSocket } from 'ws'
import { ERRORS } from '../../../src/protocol/errors.ts'
import { startServer, type TestServer } from '../carillon.ts'
import { Caller } from './caller.ts'
import type { Sent } from './messages.ts'
import type { HostileRequest } from './requests.ts'

/** Which closes a client may bring upon itself; neither 4500 nor 1011 is one. */
const CLOSES = new Set([1000, 1005, 1007, 1009, 1013, 4400, 4401, 4403, 4409, 4429])

const TYPES = new Set(['connection_ack', 'ping', 'pong', 'next', 'error', 'complete'])

const TOPIC = 'well:behaved'

/** A server under attack, two where a Redis is between them, and what tells whether it is well. */
export class FuzzedServer implements AsyncDisposable {
  readonly servers: readonly TestServer[]
  readonly #probe: Probe
  /** What the server has logged since the last case, and what nobody has caught. */
  readonly #complaints: string[]
  readonly #onUncaught = (error: unknown) => {
    this.#complaints.push(`uncaught: ${describe(error)}`)
  }

  private constructor(servers: readonly TestServer[], probe: Probe, complaints: string[]) {
    this.servers = servers
    this.#probe = probe
    this.#complaints = complaints
    process.on('unhandledRejection', this.#onUncaught)
    process.on('uncaughtExceptionMonitor', this.#onUncaught)
  }

  static async start(options: CarillonOptions): Promise<FuzzedServer> {
    const complaints: string[] = []
    const logger = collector(complaints)
    const count = options.redisUrl === undefined ? 1 : 2
    const settings = { presence: { graceMs: 0 }, ...options, logger }
    const servers: TestServer[] = []
    while (servers.length < count) servers.push(await startServer(settings))
    const probe = await Probe.open(urlOf(servers, 0), urlOf(servers, 1))
    return new FuzzedServer(servers, probe, complaints)
  }

  /** The address for sockets of the first instance, and of the one that is not it where there are two. */
  get here(): string {
    return urlOf(this.servers, 0)
  }

  get there(): string {
    return urlOf(this.servers, 1)
  }

  /** @throws Error where the server does not stay well, or says what it must not */
  async playMessages(sent: readonly Sent[]): Promise<void> {
    const socket = new WebSocket(this.here, 'graphql-transport-ws')
    const received: string[] = []
    const answered = new Promise<void>((resolve) => {
      socket.on('message', (data) => {
        received.push(String(data))
        if (received.at(-1)?.includes(MARK) === true) resolve()
      })
    })
    const closed = once(socket, 'close') as Promise<[number]>
    await once(socket, 'open')
    for (const one of sent) send(socket, one)
    socket.send(JSON.stringify({ type: 'ping', payload: { mark: MARK } }))
    const code = await this.#probe.patiently(Promise.race([answered, closed.then(([c]) => c)]))
    await this.expectWell()
    socket.terminate()
    await closed
    if (typeof code === 'number' && !CLOSES.has(code)) throw new Error(`closed with ${code}`)
    checkMessages(received, sent)
  }

  /** @throws Error where the server does not stay well, or answers what it must not */
  async playRequest(request: HostileRequest): Promise<void> {
    const answer = await this.#exchange(request)
    await this.expectWell()
    if (answer === '' && request.missing === 0) throw new Error('closed without an answer')
    if (answer !== '') checkResponse(answer)
  }

  /** @throws Error where a good query, a good publish or its delivery fails, or something was logged */
  async expectWell(): Promise<void> {
    await this.#probe.run()
    const polluted = Object.keys(Object.prototype)
    if (polluted.length > 0) this.#complaints.push(`Object.prototype has ${polluted.join()}`)
    const complaints = this.#complaints.splice(0)
    if (complaints.length > 0) throw new Error(complaints.join('\n'))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#probe[Symbol.asyncDispose]()
    for (const server of this.servers) await server[Symbol.asyncDispose]()
    process.off('unhandledRejection', this.#onUncaught)
    process.off('uncaughtExceptionMonitor', this.#onUncaught)
  }

  /** All that is answered until the server closes, or of a stream what comes first. */
  async #exchange({ method, target, headers, body, missing }: HostileRequest): Promise<string> {
    const { hostname, port } = new URL(this.here)
    const socket = connect(Number(port), hostname)
    socket.on('error', () => undefined) // a server may reset what it does not want to read
    let answer = ''
    const streams = new Promise<void>((resolve) => {
      socket.on('data', (chunk: Buffer) => {
        if (answer.length > MAX_KEPT) return // GraphiQL has megabytes
        answer += chunk.toString('latin1')
        if (/^content-type: text\/event-stream/im.test(answer)) resolve()
      })
    })
    const closed = once(socket, 'close')
    socket.setNoDelay(true)
    socket.write(`${[`${method} ${target} HTTP/1.1`, ...headers].join('\r\n')}\r\n\r\n`, 'latin1')
    socket.write(body.subarray(0, body.length - missing))
    if (missing > 0) socket.end()
    await this.#probe.patiently(Promise.race([streams, closed]))
    socket.destroy()
    return answer
  }
}

/** Asks, publishes and listens as a client that wants nothing but that. */
class Probe implements AsyncDisposable {
  readonly #publisher: Caller
  readonly #subscriber: Caller
  #count = 0
  #onPayload: (payload: unknown) => void = () => {}

  private constructor(publisher: Caller, subscriber: Caller) {
    this.#publisher = publisher
    this.#subscriber = subscriber
  }

  static async open(here: string, there: string): Promise<Probe> {
    const probe = new Probe(await Caller.open(here), await Caller.open(there))
    const query = `subscription { messages(topics: "${TOPIC}") { payload } }`
    let isLive = false
    probe.#onPayload = () => {
      isLive = true
    }
    probe.#subscriber.listen(query, {}, (answer) => {
      const message = answer.data?.messages as { payload: unknown } | undefined
      probe.#onPayload(message?.payload)
    })
    while (!isLive) await probe.#publish(0)
    return probe
  }

  async run(): Promise<void> {
    const expected = ++this.#count
    const arrived = new Promise<void>((resolve) => {
      this.#onPayload = (payload) => {
        if (payload === expected) resolve()
      }
    })
    const [viewer] = await Promise.all([
      this.#publisher.ask('{ viewer { userId } }'),
      this.#publish(expected),
      this.#subscriber.patiently(arrived),
    ])
    const user = viewer.data?.viewer as { userId: string } | undefined
    if (user?.userId !== 'anonymous') throw new Error(`good query: ${JSON.stringify(viewer)}`)
  }

  patiently<T>(work: Promise<T>): Promise<T> {
    return this.#subscriber.patiently(work)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#publisher[Symbol.asyncDispose]()
    await this.#subscriber[Symbol.asyncDispose]()
  }

  async #publish(payload: number): Promise<void> {
    const query = `mutation { publish(input: { topic: "${TOPIC}", payload: ${payload} }) { duplicate } }`
    const answer = await this.#publisher.ask(query)
    if (answer.errors !== undefined) throw new Error(`good publish: ${JSON.stringify(answer)}`)
  }
}

/** Characters of an answer that are looked at, at least. */
const MAX_KEPT = 64 * 1024

/** In the pong that answers the last message of a case. */
const MARK = 'the end of this case'

function urlOf(servers: readonly TestServer[], index: number): string {
  const server = servers[index] ?? servers[0]
  if (server === undefined) throw new Error('There is no server.')
  return server.socketUrl
}

function collector(complaints: string[]): Logger {
  const keep = (fields: object, message: string) => {
    const { error } = fields as { error?: unknown }
    complaints.push(`${message} ${describe(error)}`)
  }
  return { debug: () => {}, info: () => {}, warn: keep, error: keep }
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const cause = error.cause === undefined ? '' : `\ncaused by ${describe(error.cause)}`
  return `${error.stack}${cause}`
}

function send(socket: WebSocket, { kind, body }: Sent): void {
  if (kind === 'text') socket.send(body)
  else if (kind === 'binary') socket.send(Buffer.from(body), { binary: true })
  else socket.send(Buffer.from(body, 'base64'), { binary: false })
}

interface Received {
  readonly type: string
  readonly id?: string
  readonly payload?: unknown
}

/** @throws Error where the server has said what is not of the protocol, or INTERNAL */
function checkMessages(received: readonly string[], sent: readonly Sent[]): void {
  const ids = new Set(sent.map(({ body }) => idIn(body)))
  for (const text of received) {
    const { type, id, payload } = JSON.parse(text) as Received
    if (!TYPES.has(type)) throw new Error(`got a message of the type ${type}`)
    if (id !== undefined && !ids.has(id)) throw new Error(`got something for ${JSON.stringify(id)}`)
    if (type === 'error') checkErrors(payload)
    if (type === 'next') checkErrors((payload as { errors?: unknown }).errors)
  }
}

function idIn(body: string): unknown {
  try {
    return (JSON.parse(body) as { id?: unknown } | null)?.id
  } catch {
    return undefined
  }
}

/** Every error has a code of the catalogue, and none is the server's fault. */
function checkErrors(errors: unknown): void {
  for (const error of (errors ?? []) as readonly { extensions?: { code?: string } }[]) {
    const code = error.extensions?.code
    if (code === undefined || !Object.hasOwn(ERRORS, code) || code === 'INTERNAL') {
      throw new Error(`got ${JSON.stringify(error)}`)
    }
  }
}

/** The server may refuse, for a limit or for now, but it is never at fault. */
function checkResponse(answer: string): void {
  const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1])
  const isRefusal = status === 503 && /"code":"SERVICE_UNAVAILABLE"/.test(answer)
  if (!(status < 500) && !isRefusal) throw new Error(answer.slice(0, 1_000))
  if (/"code":"INTERNAL"/.test(answer)) throw new Error(answer.slice(0, 1_000))
}

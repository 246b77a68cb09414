import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { WebSocket } from 'ws'
import { quantile } from '../../../bench/support/quantile.ts'

export interface CrowdOptions {
  readonly port: number
  readonly subscribers: number
  readonly perSecond: number
}

/** How those fared who do nothing but listen, and one who publishes, since the last question. */
export interface CrowdReport {
  /** Messages that the server has taken. */
  readonly published: number
  /** Publishes that it has refused, by their codes. */
  readonly refused: Readonly<Record<string, number>>
  readonly deliveries: number
  /** From sending the publish to its message at a subscriber, in milliseconds. */
  readonly p50: number
  readonly p99: number
  /** Over all phases. */
  readonly lost: number
  readonly repeated: number
  readonly disordered: number
  /** Sockets of the crowd that were closed. */
  readonly closed: readonly string[]
}

const TOPIC = 'crowd:1'
const QUERY = `subscription { messages(topics: "${TOPIC}") { sequence payload } }`
const PUBLISH = `mutation ($payload: JSON!) {
  publish(input: { topic: "${TOPIC}", payload: $payload }) { message { sequence } } }`

/** So that a message has some 300 bytes. */
const TEXT = 'All is well. '.repeat(15)

/** How long what was published may take to come at last, in milliseconds. */
const CATCH_UP_MS = 15_000

/** Well-behaved clients: subscribers that check what they get, and one publisher at an even pace. */
export class Crowd {
  readonly #options: CrowdOptions
  readonly #listeners: Listener[] = []
  readonly #closed: string[] = []
  #publisher: WebSocket | undefined
  #timer: NodeJS.Timeout | undefined
  #operations = 0
  #begun = 0
  #published = 0
  #head = 0
  #refused: Record<string, number> = {}
  #latencies: number[] = []

  constructor(options: CrowdOptions) {
    this.#options = options
  }

  /** Resolves once everyone hears everything. */
  async open(): Promise<void> {
    this.#publisher = await this.#connect((message) => this.#onAnswer(message))
    while (this.#listeners.length < this.#options.subscribers) await this.#listen()
    while (this.#listeners.some(({ last }) => last === 0)) {
      this.#publish()
      await sleep(50)
    }
    const pauseMs = 1_000 / this.#options.perSecond
    this.#timer = setInterval(() => this.#publish(), pauseMs)
  }

  /** Begins to count anew, but for what must never happen. */
  begin(): void {
    this.#begun = performance.now()
    this.#published = 0
    this.#refused = {}
    this.#latencies = []
  }

  report(): CrowdReport {
    const sum = (of: (listener: Listener) => number) =>
      this.#listeners.reduce((total, listener) => total + of(listener), 0)
    return {
      published: this.#published,
      refused: this.#refused,
      deliveries: this.#latencies.length,
      p50: this.#quantile(0.5),
      p99: this.#quantile(0.99),
      lost: sum(({ lost }) => lost),
      repeated: sum(({ repeated }) => repeated),
      disordered: sum(({ disordered }) => disordered),
      closed: this.#closed,
    }
  }

  /** Where nothing has come, it takes at least as long as was waited. */
  #quantile(share: number): number {
    if (this.#latencies.length === 0) return performance.now() - this.#begun
    return quantile(this.#latencies, share)
  }

  /** Publishes no more, waits for what is on its way, and counts what has not come as lost. */
  async finish(): Promise<CrowdReport> {
    clearInterval(this.#timer)
    await sleep(200) // what was published last is answered
    const until = performance.now() + CATCH_UP_MS
    const isBehind = ({ last }: Listener) => last < this.#head
    while (this.#listeners.some(isBehind) && performance.now() < until) await sleep(20)
    for (const listener of this.#listeners) listener.lost += Math.max(0, this.#head - listener.last)
    return this.report()
  }

  async #listen(): Promise<void> {
    const listener = new Listener()
    const socket = await this.#connect(({ type, payload }) => {
      if (type !== 'next') return
      const { messages } = (payload as Result).data
      listener.hear(messages.sequence)
      const { at } = messages.payload
      this.#latencies.push(performance.now() - at)
    })
    send(socket, { id: '1', type: 'subscribe', payload: { query: QUERY } })
    this.#listeners.push(listener)
  }

  async #connect(onMessage: (message: Message) => void): Promise<WebSocket> {
    const socket = new WebSocket(`ws://127.0.0.1:${this.#options.port}/graphql`, SUBPROTOCOL)
    socket.on('close', (code, reason) => this.#closed.push(`${code} ${String(reason)}`))
    socket.on('error', (error) => this.#closed.push(error.message))
    const acknowledged = new Promise<void>((resolve) => {
      socket.on('message', (data) => {
        const message = JSON.parse(String(data)) as Message
        if (message.type === 'connection_ack') resolve()
        else if (message.type === 'ping') send(socket, { type: 'pong', payload: message.payload })
        else onMessage(message)
      })
    })
    await once(socket, 'open')
    send(socket, { type: 'connection_init' })
    await acknowledged
    return socket
  }

  #publish(): void {
    if (this.#publisher === undefined) return
    const id = String(++this.#operations)
    const variables = { payload: { at: performance.now(), text: TEXT } }
    send(this.#publisher, { id, type: 'subscribe', payload: { query: PUBLISH, variables } })
  }

  #onAnswer({ type, payload }: Message): void {
    if (type === 'complete') return
    const errors = type === 'error' ? payload : (payload as Answer).errors
    const { data } = payload as Answer
    if (data != null) {
      this.#published++
      this.#head = Math.max(this.#head, data.publish.message.sequence)
      return
    }
    const code = (errors as Answer['errors'])?.[0]?.extensions?.code ?? 'unknown'
    this.#refused[code] = (this.#refused[code] ?? 0) + 1
  }
}

const SUBPROTOCOL = 'graphql-transport-ws'

interface Message {
  readonly type: string
  readonly payload?: unknown
}

interface Answer {
  readonly data?: { readonly publish: { readonly message: { readonly sequence: number } } } | null
  readonly errors?: readonly { readonly extensions?: { readonly code?: string } }[]
}

interface Result {
  readonly data: {
    readonly messages: { readonly sequence: number; readonly payload: { readonly at: number } }
  }
}

/** What has come to one subscriber. */
class Listener {
  last = 0
  lost = 0
  repeated = 0
  disordered = 0

  hear(sequence: number): void {
    if (this.last > 0 && sequence === this.last) this.repeated++
    else if (this.last > 0 && sequence < this.last) this.disordered++
    else if (this.last > 0) this.lost += sequence - this.last - 1
    this.last = Math.max(this.last, sequence)
  }
}

function send(socket: WebSocket, message: object): void {
  if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message))
}

import { setTimeout as delay } from 'node:timers/promises'
import type { GraphQLFormattedError } from 'graphql'
import { type Client, createClient } from 'graphql-ws'
import { WebSocket } from 'ws'
import { execute } from './api.ts'
import type { Message, Seen, SubscriberHistory, SubscriberKind } from './history.ts'
import type { Random } from './random.ts'

export interface SubscriberOptions {
  readonly name: string
  readonly kind: SubscriberKind
  /** What it asks for: topics or a pattern. */
  readonly patterns: readonly string[]
  /** What that stands for. */
  readonly topics: readonly string[]
  /** Where connections go through, and where instances are. */
  readonly networkPorts: readonly number[]
  readonly ports: readonly number[]
  readonly random: Random
  readonly startedAt: number
}

const QUERY = `subscription ($topics: [TopicPattern!]!, $after: [Cursor!], $consumer: ID) {
  messages(topics: $topics, after: $after, consumer: $consumer) { id topic sequence cursor payload }
}`

const ACK = 'mutation ($input: AckInput!) { ack(input: $input) { consumer { ackedSequence } } }'

/** Messages of a topic after which a consumer acknowledges. */
const ACK_EVERY = 10

interface Result {
  readonly data?: { readonly messages: Message & { readonly cursor: string } } | null
  readonly extensions?: { readonly carillon?: { readonly resumed?: boolean } }
}

/** With this code the library closes a socket that it gives up. */
const TERMINATED = 4499

/**
 * The library bounds the wait for an acknowledgement, not that for the socket to open. And it listens on to a socket
 * that it has given up: when the server comes to itself again, what that had still to say would come between what
 * the next connection says.
 */
class ImpatientWebSocket extends WebSocket {
  constructor(url: string, protocols: string | string[]) {
    super(url, protocols, { handshakeTimeout: PONG_MS })
  }

  override close(code?: number, reason?: string): void {
    super.close(code, reason)
    if (code !== TERMINATED) return
    this.onmessage = null
    this.terminate()
  }
}

/** How long a client waits for a pong until it gives a connection up, in milliseconds. */
const PONG_MS = 2_000

/** The pause before a subscription that was refused for the moment is tried again, in milliseconds. */
const RETRY_MS = 200

/** A graphql-ws client that listens through a bad network, and remembers what it saw. */
export class Subscriber implements AsyncDisposable {
  readonly #options: SubscriberOptions
  readonly #client: Client
  readonly #seen: Seen[] = []
  readonly #failures: string[] = []
  /** The newest sequence of each topic. */
  readonly #positions = new Map<string, number>()
  /** What the next connection begins behind; the client library sends the same object again. */
  readonly #variables: { topics: readonly string[]; after?: string[]; consumer?: string }
  readonly #cursors = new Map<string, string>()
  #connections = 0
  /** What the server has confirmed of each topic, and what of that before the connection of now. */
  readonly #acked = new Map<string, number>()
  #ackedBefore: ReadonlyMap<string, number> = new Map()
  #isDone = false
  #end: () => void = () => {}

  constructor(options: SubscriberOptions) {
    this.#options = options
    const { kind, name, patterns } = options
    this.#variables = { topics: patterns, ...(kind === 'consumer' ? { consumer: name } : {}) }
    this.#client = this.#connect()
    this.#subscribe()
  }

  get history(): SubscriberHistory {
    const { name, kind, topics } = this.#options
    return { name, kind, topics, seen: this.#seen, failures: this.#failures }
  }

  /** The newest sequence that it saw of a topic; 0 for none. */
  positionIn(topic: string): number {
    return this.#positions.get(topic) ?? 0
  }

  get connections(): number {
    return this.#connections
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isDone = true
    this.#end()
    // It rejects where it waits for a connection that nobody wants any more.
    await Promise.resolve(this.#client.dispose()).catch(() => undefined)
    this.#client.terminate()
  }

  /** As its users write it: it retries for ever, and gives up connections that are dead. */
  #connect(): Client {
    const { name, kind, networkPorts, random } = this.#options
    let pong: NodeJS.Timeout | undefined
    const client = createClient({
      url: () => `ws://127.0.0.1:${random.oneOf(networkPorts)}/graphql`,
      webSocketImpl: ImpatientWebSocket,
      connectionParams: kind === 'automatic' ? { clientId: name } : {},
      connectionAckWaitTimeout: PONG_MS,
      keepAlive: PONG_MS,
      retryAttempts: Number.POSITIVE_INFINITY,
      retryWait: () => delay(random.between(20, 300)),
      shouldRetry: () => true,
      on: {
        connected: () => this.#beginReading(),
        closed: () => clearTimeout(pong),
        ping: (received) => {
          if (!received) pong = setTimeout(() => client.terminate(), PONG_MS)
        },
        pong: (received) => {
          if (received) clearTimeout(pong)
        },
      },
    })
    return client
  }

  #subscribe(): void {
    let isRefused = false
    const end = this.#client.subscribe<Result['data']>(
      { query: QUERY, variables: this.#variables as Record<string, unknown> },
      {
        next: (result) => {
          isRefused = result.errors !== undefined
          if (isRefused) this.#onError(result.errors)
          else this.#see(result as Result)
        },
        error: (error) => this.#onError(error),
        complete: () => {
          if (!isRefused) this.#fail(new Error('The server completed the subscription.'))
        },
      },
    )
    this.#end = end
  }

  /** Who has cursors or a consumer may ask again where the server says so; who has neither is never told to. */
  #onError(error: unknown): void {
    const errors = Array.isArray(error) ? (error as readonly GraphQLFormattedError[]) : []
    const isRetryable =
      errors.length > 0 && errors.every((one) => one.extensions?.retryable === true)
    if (!isRetryable || this.#options.kind === 'automatic') {
      this.#fail(error)
      return
    }
    this.#beginReading()
    setTimeout(() => {
      if (!this.#isDone) this.#subscribe()
    }, RETRY_MS)
  }

  /** With a new connection, or after an error on the same one. */
  #beginReading(): void {
    this.#connections++
    this.#ackedBefore = new Map(this.#acked)
  }

  #see({ data, extensions }: Result): void {
    if (data == null) {
      this.#fail(new Error('A result without data.'))
      return
    }
    const { cursor, ...message } = data.messages
    const resumed = extensions?.carillon?.resumed === true
    const at = performance.now() - this.#options.startedAt
    const ackedBefore = this.#ackedBefore.get(message.topic) ?? 0
    this.#seen.push({ ...message, resumed, connection: this.#connections, ackedBefore, at })
    const known = this.positionIn(message.topic)
    if (message.sequence > known) this.#positions.set(message.topic, message.sequence)
    switch (this.#options.kind) {
      case 'cursor':
        this.#cursors.set(message.topic, cursor)
        this.#variables.after = [...this.#cursors.values()]
        return
      case 'consumer':
        if (message.sequence % ACK_EVERY === 0) void this.#ack(message)
        return
      case 'automatic':
        return
    }
  }

  async #ack({ topic, sequence }: Pick<Seen, 'topic' | 'sequence'>): Promise<void> {
    const { ports, random, name } = this.#options
    const input = { topic, consumer: name, sequence }
    try {
      await execute(random.oneOf(ports), ACK, { input })
      this.#acked.set(topic, Math.max(sequence, this.#acked.get(topic) ?? 0))
    } catch {
      // The next one makes up for it.
    }
  }

  #fail(error: unknown): void {
    if (this.#isDone) return
    this.#failures.push(error instanceof Error ? error.message : JSON.stringify(error))
  }
}

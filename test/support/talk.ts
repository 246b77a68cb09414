import {
  openAcknowledged,
  openRawSocket,
  type ProtocolMessage,
  type RawSocket,
} from './websocket.ts'

export interface TalkError {
  readonly message: string
  readonly extensions: {
    readonly code: string
    readonly limit?: string
    readonly retryAfterMs?: number
  }
}

/** What an operation answers: a result, the errors that end it, or that it is complete. */
export interface TalkResult {
  readonly type: string
  readonly data?: Record<string, unknown> | null
  readonly errors?: readonly TalkError[]
  readonly extensions?: { readonly carillon?: { readonly dropped?: number } }
}

/** One operation of a socket. */
export interface TalkOperation {
  /** All that has come of it. */
  readonly results: readonly TalkResult[]
  /** The next of them; rejects where the socket is closed instead. */
  next(): Promise<TalkResult>
  /** The codes of the errors that end it, what comes before left aside; none where it is complete. */
  ended(): Promise<readonly string[]>
  /** The client is through with it. */
  complete(): void
}

/** A raw socket whose operations are told apart. */
export interface Talk extends AsyncDisposable {
  readonly raw: RawSocket
  start(query: string, variables?: object, id?: string): TalkOperation
  /** The first answer of an operation, which is completed then. */
  ask(query: string, variables?: object): Promise<TalkResult>
}

/** Over a socket that has been acknowledged. */
export async function openTalk(
  socketUrl: string,
  connectionParams?: Record<string, unknown>,
): Promise<Talk> {
  return talkOver(await openAcknowledged(socketUrl, connectionParams))
}

/** How a server refuses these parameters of a connection. */
export async function refusedInit(socketUrl: string, payload: Record<string, unknown>) {
  await using raw = await openRawSocket(socketUrl)
  raw.send({ type: 'connection_init', payload })
  return await raw.closed()
}

export function talkOver(raw: RawSocket): Talk {
  const operations = new Map<string, Incoming>()
  let count = 0
  raw.socket.on('message', (data) => {
    const message = JSON.parse(String(data)) as ProtocolMessage
    if (message.id !== undefined) operations.get(message.id)?.push(resultOf(message))
  })
  void raw.closed().then(({ code, reason }) => {
    for (const operation of operations.values()) operation.fail(`closed with ${code} ${reason}`)
  })

  function start(query: string, variables: object = {}, id = `o${++count}`): TalkOperation {
    const incoming = new Incoming()
    operations.set(id, incoming)
    raw.send({ id, type: 'subscribe', payload: { query, variables } })
    const { results } = incoming
    return {
      results,
      next: () => incoming.next(),
      ended: () => incoming.ended(),
      complete: () => raw.send({ id, type: 'complete' }),
    }
  }

  return {
    raw,
    start,
    async ask(query, variables) {
      const operation = start(query, variables)
      const first = await operation.next()
      if (first.type === 'next') operation.complete()
      return first
    },
    [Symbol.asyncDispose]: () => raw[Symbol.asyncDispose](),
  }
}

function resultOf({ type, payload }: ProtocolMessage): TalkResult {
  if (type === 'error') return { type, errors: payload as readonly TalkError[] }
  return { type, ...(payload as Omit<TalkResult, 'type'> | undefined) }
}

class Incoming {
  readonly results: TalkResult[] = []
  #taken = 0
  #end: Error | undefined
  #wake: (() => void)[] = []

  push(result: TalkResult): void {
    this.results.push(result)
    this.#wakeAll()
  }

  fail(reason: string): void {
    this.#end = new Error(reason)
    this.#wakeAll()
  }

  async next(): Promise<TalkResult> {
    for (;;) {
      const result = this.results[this.#taken]
      if (result !== undefined) {
        this.#taken++
        return result
      }
      if (this.#end !== undefined) throw this.#end
      await new Promise<void>((resolve) => this.#wake.push(resolve))
    }
  }

  async ended(): Promise<readonly string[]> {
    for (;;) {
      const { type, errors = [] } = await this.next()
      if (type === 'complete') return []
      if (type === 'error' || errors.length > 0) return errors.map((one) => one.extensions.code)
    }
  }

  #wakeAll(): void {
    const waiting = this.#wake
    this.#wake = []
    for (const wake of waiting) wake()
  }
}

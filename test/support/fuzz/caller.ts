import { openAcknowledged, type RawSocket } from '../websocket.ts'

/** What an operation answers. */
export interface Answer {
  readonly data?: Readonly<Record<string, unknown>> | null
  readonly errors?: readonly { readonly extensions?: { readonly code?: string } }[]
}

type OnResult = (answer: Answer) => void

/** A client that behaves: one socket, over which it asks and listens. */
export class Caller implements AsyncDisposable {
  readonly #raw: RawSocket
  readonly #listeners = new Map<string, OnResult>()
  readonly #ended: Promise<never>
  #operations = 0

  private constructor(raw: RawSocket) {
    this.#raw = raw
    this.#ended = this.#read()
    this.#ended.catch(() => undefined) // told to whoever asks
  }

  /** @param identity its connection parameters */
  static async open(socketUrl: string, identity?: Record<string, unknown>): Promise<Caller> {
    return new Caller(await openAcknowledged(socketUrl, identity))
  }

  /** Rejects where the socket closes instead, or nothing comes for `PATIENCE_MS`. */
  ask(query: string, variables: Record<string, unknown> = {}): Promise<Answer> {
    return this.patiently(
      new Promise((resolve) => {
        const id = this.listen(query, variables, (answer) => {
          this.#listeners.delete(id)
          resolve(answer)
        })
      }),
    )
  }

  /** Hears every result of an operation; answers its id. */
  listen(query: string, variables: Record<string, unknown>, onResult: OnResult): string {
    const id = String(++this.#operations)
    this.#listeners.set(id, onResult)
    this.#raw.send({ id, type: 'subscribe', payload: { query, variables } })
    return id
  }

  /** Waits no longer than a server may take that is well. */
  async patiently<T>(work: Promise<T>): Promise<T> {
    let timer: NodeJS.Timeout | undefined
    const tooLate = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error('The server does not answer.')), PATIENCE_MS)
    })
    try {
      return await Promise.race([work, this.#ended, tooLate])
    } finally {
      clearTimeout(timer)
    }
  }

  [Symbol.asyncDispose](): Promise<void> | PromiseLike<void> {
    return this.#raw[Symbol.asyncDispose]()
  }

  async #read(): Promise<never> {
    for (;;) {
      const { type, id = '', payload } = await this.#raw.receive()
      if (type === 'ping') this.#raw.send({ type: 'pong', payload })
      else if (type === 'next') this.#listeners.get(id)?.(payload as Answer)
      else if (type === 'error')
        this.#listeners.get(id)?.({ errors: payload as Answer['errors'] & {} })
    }
  }
}

/** Much longer than any answer takes, on a busy machine too. */
const PATIENCE_MS = 8_000

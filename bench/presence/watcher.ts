import { randomUUID } from 'node:crypto'
import { Client, type ClientEvents, type Endpoint } from '../fanout/client.ts'
import { textFrame } from '../fanout/frame-reader.ts'
import type { Told } from './told.ts'

export interface Watching {
  readonly topic: string
  /** Those of a member, such as `userId state`. */
  readonly fields: string
}

const INIT = textFrame({ type: 'connection_init' })
const ACK = Buffer.from('"connection_ack"')
const NEXT = Buffer.from('","type":"next","payload":')
const ID_START = '{"id":"'.length
const ID_LENGTH = 36
const BODY_START = ID_START + ID_LENGTH + NEXT.length

/** A client over WebSocket that watches a topic, and counts what it gets, or keeps it. */
export class Watcher implements ClientEvents {
  readonly #client: Client
  readonly #told: Told | undefined
  readonly #numbers: number[] = []
  #acknowledged: (() => void) | undefined
  #synced: ((sync: { readonly ms: number; readonly bytes: number }) => void) | undefined
  #failed: (error: Error) => void = () => undefined
  #isAcknowledged = false
  #startedAt = 0
  #frames = 0
  #bytes = 0
  #fault: string | undefined

  /** @param told where what it gets is kept */
  constructor(endpoint: Endpoint, told?: Told) {
    this.#told = told
    this.#client = new Client(endpoint, this, { whole: told !== undefined })
  }

  /** Events that it was told. */
  get frames(): number {
    return this.#frames
  }

  get bytes(): number {
    return this.#bytes
  }

  get fault(): string | undefined {
    return this.#fault
  }

  /** The numbers of what it was told. */
  get numbers(): readonly number[] {
    return this.#numbers
  }

  async connect(): Promise<void> {
    await this.#client.opened()
    const acknowledged = new Promise<void>((resolve, reject) => {
      this.#acknowledged = resolve
      this.#failed = reject
    })
    this.#client.send(INIT)
    await acknowledged
  }

  /** Resolves when the whole SYNC is there; answers how long it took from asking, and its size. */
  watch({ topic, fields }: Watching): Promise<{ readonly ms: number; readonly bytes: number }> {
    const query = `subscription { presence(topics: ["${topic}"]) { type topic members { ${fields} } } }`
    const synced = new Promise<{ readonly ms: number; readonly bytes: number }>(
      (resolve, reject) => {
        this.#synced = resolve
        this.#failed = reject
      },
    )
    this.#startedAt = performance.now()
    this.#client.send(textFrame({ id: randomUUID(), type: 'subscribe', payload: { query } }))
    return synced
  }

  close(): void {
    this.#client.close()
  }

  onContent(_client: Client, buffer: Buffer, start: number, end: number): void {
    if (!this.#isAcknowledged) {
      if (!buffer.subarray(start, end).includes(ACK)) this.#fail(`${buffer.subarray(start, end)}`)
      return
    }
    const frame = buffer.subarray(start, end)
    const mark = frame.subarray(ID_START + ID_LENGTH, BODY_START)
    if (!mark.equals(NEXT)) this.#fail(`not an event: ${frame}`)
    else if (this.#told !== undefined) {
      const body = frame.subarray(BODY_START, frame.length - 1)
      this.#numbers.push(this.#told.note(body, this.#numbers.at(-1) ?? -1))
    }
  }

  onText(_client: Client, bytes: number): void {
    if (!this.#isAcknowledged) {
      this.#isAcknowledged = true
      this.#acknowledged?.()
      return
    }
    this.#frames += 1
    this.#bytes += bytes
    this.#synced?.({ ms: performance.now() - this.#startedAt, bytes })
    this.#synced = undefined
  }

  onLost(_client: Client, reason: string): void {
    this.#fail(reason)
  }

  #fail(reason: string): void {
    this.#fault ??= reason
    this.#failed(new Error(reason))
  }
}

import { randomUUID } from 'node:crypto'
import { Client, type ClientEvents, type Endpoint } from '../../fanout/client.ts'
import { textFrame } from '../../fanout/frame-reader.ts'
import { queryOf } from '../../fanout/selection.ts'

/** Where a subscriber begins. */
export interface Place {
  readonly topic: string
  /** What it had last. Default: it begins where the topic stands. */
  readonly after?: { readonly cursor: string; readonly sequence: number }
}

export interface ReaderEvents {
  onAcknowledged(): void
  /** `buffer` is only valid during the call, and the frame begins at `start`. */
  onMessage(reader: Reader, buffer: Buffer, start: number): void
  /** Told once. */
  onFault(reason: string): void
}

const INIT = textFrame({ type: 'connection_init' })
const ACK = Buffer.from('"connection_ack"')
const SEQUENCE = Buffer.from('"sequence":')
const ZERO = 0x30
const NINE = 0x39

/** A subscriber that looks into every frame: each has to be the message behind the one before. */
export class Reader implements ClientEvents {
  readonly #client: Client
  readonly #place: Place
  readonly #events: ReaderEvents
  #isAcknowledged = false
  #last: number | undefined
  #isFaulty = false

  constructor(endpoint: Endpoint, place: Place, events: ReaderEvents) {
    this.#place = place
    this.#events = events
    this.#last = place.after?.sequence
    this.#client = new Client(endpoint, this, { whole: true })
    void this.#client.opened().then(() => this.#client.send(INIT))
  }

  /** The sequence of the last message, or of the cursor; 0 for none, and once it had one that was wrong. */
  get last(): number {
    return this.#isFaulty ? 0 : (this.#last ?? 0)
  }

  onContent(_client: Client, buffer: Buffer, start: number, end: number): void {
    if (this.#isFaulty) return
    if (this.#isAcknowledged) this.#take(buffer, start, end)
    else this.#subscribe(buffer.subarray(start, end))
  }

  onText(): void {}

  onLost(_client: Client, reason: string): void {
    this.#fail(reason)
  }

  #subscribe(frame: Buffer): void {
    if (!frame.includes(ACK)) {
      this.#fail(`not acknowledged: ${frame}`)
      return
    }
    this.#isAcknowledged = true
    this.#events.onAcknowledged()
    const { topic, after } = this.#place
    const query = queryOf(topic, 0, after?.cursor)
    this.#client.send(textFrame({ id: randomUUID(), type: 'subscribe', payload: { query } }))
  }

  #take(buffer: Buffer, start: number, end: number): void {
    const sequence = readSequence(buffer, start, end)
    if (sequence === undefined) this.#fail(`not a message: ${buffer.subarray(start, end)}`)
    else if (this.#last !== undefined && sequence !== this.#last + 1) {
      this.#fail(`message ${sequence} came behind message ${this.#last}`)
    } else {
      this.#last = sequence
      this.#events.onMessage(this, buffer, start)
    }
  }

  #fail(reason: string): void {
    if (this.#isFaulty) return
    this.#isFaulty = true
    this.#events.onFault(reason)
    this.#client.close()
  }
}

/** Without parsing the JSON: there are millions of frames. */
function readSequence(buffer: Buffer, start: number, end: number): number | undefined {
  const mark = buffer.indexOf(SEQUENCE, start)
  if (mark < 0 || mark >= end) return undefined
  let sequence = 0
  for (let at = mark + SEQUENCE.length; at < end; at++) {
    const digit = buffer[at] ?? 0
    if (digit < ZERO || digit > NINE) break
    sequence = sequence * 10 + (digit - ZERO)
  }
  return sequence
}

import type { Duplex } from 'node:stream'
import { type Inlet, type Intake, readingCost } from './intake.ts'

/** What is passed on at once, in bytes: a few messages, or many tiny frames, which take about as long. */
const PART_BYTES = 2 * 1024

/** From so many bytes without a whole message on, what is read costs more: it stays in memory until the message is whole. */
const LONG_BYTES = 128 * 1024

/** So many times as much. */
const LONG_COST = 4

/** How often one that is held passes on a part, in milliseconds. */
const TRICKLE_MS = 1_000

/** What may come, in bytes. */
export interface Allowance {
  bytes: number
  /** Nothing is passed on from then on. */
  readonly onExceeded: () => void
}

export interface ReaderParts {
  /** The TCP or TLS socket under a WebSocket, which nothing was read from yet. */
  readonly raw: Duplex
  readonly intake: Intake
  /** Whether those behind want nothing for now; they call `goOn` once they do. */
  readonly isPaused: () => boolean
}

/**
 * Stands between a socket and `ws`: passes on what the client sends in parts, by turns with other clients. While
 * anything waits here, nothing is read from the socket, so that what the client sends waits on its own side.
 */
export class Reader implements Inlet {
  readonly #raw: Duplex
  readonly #intake: Intake
  readonly #isPaused: () => boolean
  /** As the stream has it: what listens to the socket comes and goes while it is used. */
  readonly #emit: (event: string | symbol, ...args: unknown[]) => boolean
  readonly #waiting: Buffer[] = []
  /** What may come before the client is known, in bytes, and who is told where there is more. */
  #allowance: Allowance | undefined
  /** Passed on since the last whole message, in bytes. */
  #unfinished = 0
  #isHeld = false
  /** Passes on a part now and then while it is held. */
  #trickle: NodeJS.Timeout | undefined
  /** The end of what is sent, which comes after what waits. */
  #end: unknown[] | undefined
  #rest: NodeJS.Timeout | undefined

  constructor({ raw, intake, isPaused }: ReaderParts) {
    this.#raw = raw
    this.#intake = intake
    this.#isPaused = isPaused
    this.#emit = raw.emit.bind(raw)
    raw.emit = (event: string | symbol, ...args: unknown[]) => this.#onEvent(event, args)
  }

  /** Whether the client cannot be heard, as nothing is read from it. */
  get isBehind(): boolean {
    return this.#waiting.length > 0
  }

  /** Bounds what may come from here on; undefined for any number. */
  allow(allowance: Allowance | undefined): void {
    this.#allowance = allowance
  }

  /** Passes nothing on from here on, until `release`; but for a part now and then, so that pings are answered. */
  hold(): void {
    this.#isHeld = true
    this.#trickle ??= setInterval(() => {
      if (!this.#isPaused()) this.#passOn()
    }, TRICKLE_MS).unref()
  }

  /** Ends a hold. */
  release(): void {
    if (!this.#isHeld) return
    this.#isHeld = false
    clearInterval(this.#trickle)
    this.#trickle = undefined
    this.goOn()
  }

  /** Passes nothing on for so many milliseconds. */
  rest(ms: number): void {
    this.#rest ??= setTimeout(() => {
      this.#rest = undefined
      this.goOn()
    }, ms)
  }

  /** Told of each message that is whole. */
  finishMessage(): void {
    this.#unfinished = 0
  }

  /** Looks again at whether those behind want what waits. */
  goOn(): void {
    if (!this.isBehind) return
    this.#raw.pause() // those behind may have resumed it
    this.#intake.add(this)
  }

  step(): boolean {
    if (this.#isHeld || this.#rest !== undefined || this.#isPaused()) return false
    this.#passOn()
    return this.isBehind
  }

  #onEvent(event: string | symbol, args: unknown[]): boolean {
    if (event === 'data' && Buffer.isBuffer(args[0])) {
      this.#receive(args[0])
      return true
    }
    if (event === 'end' && this.isBehind) {
      this.#end = args // what was sent before it is still carried out
      return true
    }
    if (event === 'close') this.#close()
    return this.#emit(event, ...args)
  }

  /** Where a connection was cut, nobody knows how much of what was sent has come. */
  #close(): void {
    this.#waiting.length = 0
    clearTimeout(this.#rest)
    clearInterval(this.#trickle)
  }

  #receive(chunk: Buffer): void {
    if (this.#isTooMuch(chunk)) return
    this.#waiting.push(chunk)
    this.#intake.add(this)
    if (this.isBehind) this.#raw.pause()
  }

  #isTooMuch(chunk: Buffer): boolean {
    const allowance = this.#allowance
    if (allowance === undefined) return false
    const wasEnough = allowance.bytes >= 0
    allowance.bytes -= chunk.length
    if (allowance.bytes >= 0) return false
    if (wasEnough) allowance.onExceeded()
    return true
  }

  #passOn(): void {
    const [chunk] = this.#waiting
    if (chunk === undefined) return
    if (chunk.length <= PART_BYTES) this.#waiting.shift()
    else this.#waiting[0] = chunk.subarray(PART_BYTES)
    const part = chunk.subarray(0, PART_BYTES)
    this.#unfinished += part.length
    const times = this.#unfinished > LONG_BYTES ? LONG_COST : 1
    this.#intake.spend(times * readingCost(part.length))
    this.#emit('data', part)
    if (this.isBehind) return
    if (this.#end !== undefined) this.#emit('end', ...this.#end)
    else if (!this.#isPaused()) this.#raw.resume()
  }
}

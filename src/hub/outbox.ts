import { CatchUp } from './catch-up.ts'
import type { Part } from './chunk-template.ts'
import { headerSize } from './frame.ts'
import type { Outboxes } from './outboxes.ts'

/** Where an outbox writes to: the TCP or TLS socket under a WebSocket. */
export interface Sink {
  /** What was written and not taken yet, in bytes. */
  readonly writableLength: number
  /**
   * Writes, or not, where the socket is on its way out. Calls back once it has been taken. Answers
   * whether nobody looks at the chunk any more, so that it may be written to.
   */
  write(chunk: Buffer, written: () => void): boolean
}

/** Whose frames these are: what the receiver needs in front, and whether it still wants them. */
export interface Sender {
  /** The text in front of each body. */
  readonly prefix: Buffer
  readonly isClosed: boolean
}

export interface OutboxListener {
  /** The client has taken nothing for too long. */
  onStalled(): void
  /** More is waiting than what the hub has put there: answers to what the client keeps asking. */
  onFlooded(): void
  /** What was waiting has gone out. */
  onDrained(): void
}

/** One text for the socket, in its parts. */
interface Entry {
  readonly sender: Sender
  readonly body: Buffer
  /** What stands behind the body. */
  readonly suffix: Buffer
  readonly bytes: number
}

/** The end of a `next` message behind the result. */
export const CLOSING_BRACE = Buffer.from('}')

const NO_BYTES = Buffer.alloc(0)

/** A text of the protocol itself stands alone. */
const PROTOCOL: Sender = { prefix: NO_BYTES, isClosed: false }

/** One that keeps its place among the results, also while these are held. */
const IN_ORDER: Sender = { prefix: NO_BYTES, isClosed: false }

/**
 * The frames for one WebSocket: what comes in one tick leaves in one write. Besides it, only `ws` writes
 * to the socket, and only whole control frames. While the client does not take what was written, the
 * rest waits here, and goes on in chunks, so that it shows when the client takes anything at all.
 */
export class Outbox {
  readonly #sink: Sink
  readonly #all: Outboxes
  readonly #listener: OutboxListener
  readonly #onWritten = () => this.#continue()
  /** Writes that the socket has not called back for. */
  #writes = 0
  #catchUp: CatchUp | undefined
  #entries: Entry[] = []
  /** Bytes of the entries. */
  #waiting = 0
  /** Waits for the socket to take what it was given. */
  #isBlocked = false
  #isFlooded = false
  #isClosed = false
  /** What the budget of all outboxes knows of this one. */
  #accounted = 0
  /** When the client last took something, on the clock of `performance.now()`. */
  #progressAt = 0
  #drained: (() => void)[] = []
  /** What is not to be sent before the outbox wakes; undefined while it is awake. */
  #held: Entry[] | undefined

  constructor(sink: Sink, all: Outboxes, listener: OutboxListener) {
    this.#sink = sink
    this.#all = all
    this.#listener = listener
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  /** What the client has not taken yet, in bytes. */
  get bytes(): number {
    return this.#waiting + (this.#isBlocked ? this.#sink.writableLength : 0)
  }

  /** Whether messages that come now may wait here. */
  get hasRoom(): boolean {
    if (this.#held !== undefined) return false
    if (!this.#isBlocked && this.#waiting === 0) return true
    const { maxBytes } = this.#all.bounds
    return this.bytes < maxBytes && !(this.#isBlocked && this.#all.isOverBudget)
  }

  /** Whether those who are behind may read on. */
  get wantsMore(): boolean {
    return !this.#isClosed && !this.isResting && this.bytes < this.#all.bounds.chunkBytes
  }

  get catchUp(): CatchUp {
    this.#catchUp ??= new CatchUp(this, this.#all.turns)
    return this.#catchUp
  }

  /** Whether only texts of the protocol are sent. */
  get isResting(): boolean {
    return this.#held !== undefined
  }

  /**
   * From now on only texts of the protocol are sent. Those who are fed find no room, and are behind until
   * the outbox wakes. Idempotent.
   */
  rest(): void {
    if (this.#isClosed || this.#held !== undefined) return
    this.flush()
    this.#held = this.#entries.filter(({ sender }) => sender !== PROTOCOL)
    this.#entries = this.#entries.filter(({ sender }) => sender === PROTOCOL)
    this.#waiting = this.#entries.reduce((sum, { bytes }) => sum + bytes, 0)
  }

  /** Everything is sent again, first what was held. Idempotent. */
  wake(): void {
    const held = this.#held
    if (this.#isClosed || held === undefined) return
    this.#held = undefined
    for (const entry of held) this.#add(entry)
    if (!this.#isBlocked) this.flush()
  }

  /** Adds a body between the sender's prefix and a suffix. */
  push(sender: Sender, body: Buffer, suffix: Buffer): void {
    if (this.#isClosed) return
    const { tick } = this.#all
    if (tick.isEnding && this.#isIdle) {
      this.#write(this.#all.template.chunk([{ prefix: sender.prefix, body, suffix }]))
      this.#settle()
      return
    }
    const bytes = sender.prefix.length + body.length + suffix.length
    const entry = { sender, body, suffix, bytes }
    // What was being rendered when the outbox went to rest.
    if (this.#held !== undefined && sender !== PROTOCOL) {
      this.#held.push(entry)
      return
    }
    this.#add(entry)
    if (this.#isBlocked) this.#account(this.bytes)
    else if (tick.isEnding) this.flush()
    else tick.write(this)
  }

  /** Adds a text of the protocol. Resolves once the client keeps up again. */
  send(text: string): Promise<void> {
    this.push(PROTOCOL, Buffer.from(text), NO_BYTES)
    const { maxBytes } = this.#all.bounds
    if (!this.#isFlooded && !this.#isClosed && this.bytes > 2 * maxBytes) {
      this.#isFlooded = true
      this.#listener.onFlooded()
    }
    if (!this.#isBlocked || this.#isClosed) return Promise.resolve()
    return new Promise((resolve) => this.#drained.push(resolve))
  }

  /** Adds a text of the protocol that says something about the results before it. */
  sendInOrder(text: string): void {
    this.push(IN_ORDER, Buffer.from(text), NO_BYTES)
  }

  /** Writes what waits, as far as the socket takes it. */
  flush(): void {
    while (!this.#isBlocked && !this.#isClosed && this.#entries.length > 0) {
      const chunk = this.#takeChunk()
      if (chunk.length === 0) break
      this.#write(chunk)
    }
    if (!this.#isClosed) this.#settle()
  }

  /** Nothing is written after this. Idempotent. */
  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#entries = []
    this.#held = undefined
    this.#waiting = 0
    this.#account(0)
    this.#all.remove(this)
    this.#resolveDrained()
  }

  /** Tells whether the client takes anything; called now and then while it is blocked. */
  check(now: number): void {
    if (this.#isBlocked && now - this.#progressAt > this.#all.bounds.stallMs) {
      this.#all.remove(this)
      this.#listener.onStalled()
    }
  }

  get #isIdle(): boolean {
    return !this.#isBlocked && this.#entries.length === 0 && this.#held === undefined
  }

  #add(entry: Entry): void {
    this.#entries.push(entry)
    this.#waiting += entry.bytes
  }

  /** The chunk may be that of the next socket, too. */
  #write(chunk: Buffer): void {
    this.#writes++
    if (!this.#sink.write(chunk, this.#onWritten)) this.#all.template.giveAway()
    this.#isBlocked = this.#sink.writableLength > 0
  }

  #settle(): void {
    if (this.#isBlocked) this.#block()
    else this.#goOn()
  }

  /** Whole frames: at least one, and more as long as they fit into a chunk. */
  #takeChunk(): Buffer {
    const { bounds, template } = this.#all
    const parts: Part[] = []
    let count = 0
    let size = 0
    for (const { sender, body, suffix, bytes } of this.#entries) {
      const frame = sender.isClosed ? 0 : bytes + headerSize(bytes)
      if (size > 0 && size + frame > bounds.chunkBytes) break
      if (frame > 0) parts.push({ prefix: sender.prefix, body, suffix })
      size += frame
      count++
      this.#waiting -= bytes
    }
    this.#entries = count === this.#entries.length ? [] : this.#entries.slice(count)
    return parts.length === 0 ? NO_BYTES : template.chunk(parts)
  }

  #block(): void {
    if (this.#progressAt === 0) {
      this.#progressAt = performance.now()
      this.#all.add(this)
    }
    this.#account(this.bytes)
  }

  /** Called for each write once the socket is through with it. */
  #continue(): void {
    this.#writes--
    if (!this.#isBlocked || this.#isClosed) return
    this.#progressAt = performance.now()
    if (this.#writes > 0) return // what else is left is of `ws`
    this.#isBlocked = false
    this.flush()
  }

  /** Nothing waits for the client any more. */
  #goOn(): void {
    if (this.#progressAt !== 0) {
      this.#progressAt = 0
      this.#account(0)
      this.#all.remove(this)
      this.#resolveDrained()
    }
    if (this.#isFlooded) {
      this.#isFlooded = false
      this.#listener.onDrained()
    }
    this.#catchUp?.run()
  }

  #resolveDrained(): void {
    const waiting = this.#drained
    this.#drained = []
    for (const resolve of waiting) resolve()
  }

  #account(bytes: number): void {
    this.#all.account(bytes - this.#accounted)
    this.#accounted = bytes
  }
}

import { setImmediate } from 'node:timers/promises'
import type { Message } from '../core/message.ts'
import type { Sequence } from '../core/sequence.ts'
import type { LiveTopic } from './live-topic.ts'
import type { SharedReads } from './shared-reads.ts'
import { gapError } from './start.ts'

export interface TopicReaderOptions {
  readonly reads: SharedReads
  /** Everything up to this counts as taken. */
  readonly position: Sequence
  /** Goes on with the oldest message where those before it are no longer kept. */
  readonly skipsGaps: boolean
}

/** A subscriber's place in one live topic. */
export class TopicReader {
  readonly #topic: LiveTopic
  readonly #reads: SharedReads
  readonly #skipsGaps: boolean
  #position: Sequence
  /** Read from the log at once; what is taken of it is behind the position. */
  #slice: readonly Message[] = NOTHING

  constructor(topic: LiveTopic, { reads, position, skipsGaps }: TopicReaderOptions) {
    this.#topic = topic
    this.#reads = reads
    this.#position = position
    this.#skipsGaps = skipsGaps
  }

  /** Everything up to this has been taken. */
  get position(): Sequence {
    return this.#position
  }

  /** How many messages of the topic are still to be taken. */
  get lag(): number {
    return Math.max(0, this.#topic.head - this.#position)
  }

  get isBehind(): boolean {
    return this.#position < this.#topic.head
  }

  /** Goes on behind another position. */
  moveTo(position: Sequence): void {
    this.#position = position
    this.#slice = NOTHING
  }

  /** The next message, where memory has it. */
  takeFromMemory(): Message | undefined {
    const message = this.#topic.get(this.#position + 1)
    if (message !== undefined) this.moveTo(message.sequence) // nothing stays of who keeps up
    return message
  }

  /**
   * The next message, from memory where it is there; undefined at the head.
   * @throws CarillonError SERVICE_UNAVAILABLE, after which the place is as before; CURSOR_EXPIRED
   */
  async next(): Promise<Message | undefined> {
    if (!this.isBehind) return undefined
    const inMemory = this.takeFromMemory()
    if (inMemory !== undefined) return inMemory
    const message = this.#fromSlice() ?? (await this.#fromLog())
    if (message === undefined) return undefined
    if (message.sequence !== this.#position + 1) this.#passGapTo(message.sequence)
    this.#position = message.sequence
    return message
  }

  async #fromLog(): Promise<Message | undefined> {
    const { topic, messages } = await this.#reads.read(this.#topic.name, this.#position, this.lag)
    await setImmediate() // the embedded database answers without a turn of the event loop
    const index = messages.findIndex(({ sequence }) => sequence > this.#position)
    if (index === -1) {
      this.#passGapTo((topic.head + 1) as Sequence)
      return undefined
    }
    this.#slice = index < messages.length - 1 ? messages : NOTHING
    return messages[index]
  }

  /** Goes on right before a message, where those in between are no longer kept. */
  #passGapTo(next: Sequence): void {
    const [fromSequence, toSequence] = [this.#position + 1, next - 1]
    if (!this.#skipsGaps) {
      throw gapError({ topic: this.#topic.name, fromSequence, toSequence, reason: 'RETENTION' })
    }
    this.#position = toSequence as Sequence
  }

  #fromSlice(): Message | undefined {
    const [first] = this.#slice
    const next = first && this.#slice[this.#position + 1 - first.sequence]
    if (next === this.#slice.at(-1)) this.#slice = NOTHING
    return next
  }
}

/** Shared by all who hold nothing. */
const NOTHING: readonly Message[] = []

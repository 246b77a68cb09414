import { setImmediate } from 'node:timers/promises'
import type { Message } from '../core/message.ts'
import type { Sequence } from '../core/sequence.ts'
import type { Log } from '../log/log.ts'
import { CarillonError } from '../protocol/errors.ts'
import type { LiveTopic } from './live-topic.ts'

/** Messages read from the log at once by a subscriber that memory has left behind; fewer if large. */
const READ_LIMIT = 100

/** A subscriber's place in one live topic. */
export class TopicReader {
  readonly #topic: LiveTopic
  readonly #log: Log
  #position: Sequence
  /** Read from the log at once; what is taken of it is behind the position. */
  #slice: readonly Message[] = NOTHING

  /** Stands at a position; where none is given, at the topic's head. */
  constructor(topic: LiveTopic, log: Log, position = topic.head) {
    this.#topic = topic
    this.#log = log
    this.#position = position
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
    if (message.sequence !== this.#position + 1) throw expired(message)
    this.#position = message.sequence
    return message
  }

  async #fromLog(): Promise<Message> {
    const { messages } = await this.#log.read(this.#topic.name, this.#position, READ_LIMIT)
    await setImmediate() // the embedded database answers without a turn of the event loop
    const [first] = messages
    this.#slice = messages.length > 1 ? messages : NOTHING
    if (first === undefined) throw new CarillonError('CURSOR_EXPIRED')
    return first
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

function expired({ topic, sequence }: Message): CarillonError {
  return new CarillonError(
    'CURSOR_EXPIRED',
    `The topic ${topic} no longer keeps the messages before ${sequence}.`,
  )
}

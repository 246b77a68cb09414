import { setImmediate } from 'node:timers/promises'
import type { Message } from '../core/message.ts'
import { BEFORE_ALL, type Epoch, type Position, type Sequence } from '../core/sequence.ts'
import type { Gap } from '../protocol/errors.ts'
import type { LiveTopic } from './live-topic.ts'
import type { SharedReads } from './shared-reads.ts'
import { gapError } from './start.ts'
import type { Story } from './story.ts'
import type { ControlEvent } from './topic-event.ts'

export interface TopicReaderOptions {
  readonly reads: SharedReads
  /** Everything up to this counts as taken. */
  readonly position: Sequence
  /** That of the position. Default: the topic's. */
  readonly epoch?: Epoch | undefined
  /** Only what is missing behind this is a gap. Default: the position. */
  readonly gapsBehind?: Sequence | undefined
  /** Goes on with the oldest message where those before it are no longer kept. */
  readonly skipsGaps: boolean
  /** Everything up to this may have been sent before, on another connection. Default: nothing. */
  readonly repeatsUpTo?: Sequence | undefined
  /** What is told besides messages, such as gaps, which then end nothing. Default: nothing. */
  readonly story?: Story | undefined
}

/**
 * A subscriber's place in one live topic. The epoch of the place is its own: that of the topic may have
 * changed since, and then everything here is of before.
 */
export class TopicReader {
  readonly #topic: LiveTopic
  readonly #reads: SharedReads
  readonly #skipsGaps: boolean
  readonly #story: Story | undefined
  #epoch: Epoch | undefined
  #position: Sequence
  #gapsBehind: Sequence
  #repeatsUpTo: Sequence
  /** Read from the log at once; what is taken of it is behind the position. */
  #slice: readonly Message[] = NOTHING

  constructor(topic: LiveTopic, options: TopicReaderOptions) {
    this.#topic = topic
    this.#reads = options.reads
    this.#skipsGaps = options.skipsGaps
    this.#story = options.story
    this.#epoch = options.epoch ?? topic.epoch
    this.#position = options.position
    this.#gapsBehind = options.gapsBehind ?? options.position
    this.#repeatsUpTo = options.repeatsUpTo ?? BEFORE_ALL
  }

  /** Where it stands, in the epoch that it is in. */
  get place(): Position {
    return { epoch: this.#epoch ?? this.#topic.state.epoch, sequence: this.#position }
  }

  /** Whether the subscriber may have got a message on a connection before this one. */
  mayRepeat(sequence: Sequence): boolean {
    return sequence <= this.#repeatsUpTo
  }

  /** Everything up to this has been taken. */
  get position(): Sequence {
    return this.#position
  }

  /** How many messages of the topic are still to be taken; of another epoch, none are known yet. */
  get lag(): number {
    return this.#isOfThisEpoch ? Math.max(0, this.#topic.head - this.#position) : 0
  }

  /** Whether there is more to take: messages, or events. */
  get isBehind(): boolean {
    if (this.#position < this.#topic.head || !this.#isOfThisEpoch) return true
    return this.#story?.isUntold === true
  }

  /** Whether what is taken now is taken because the subscriber was behind. */
  get isReplaying(): boolean {
    return this.#story?.isReplaying === true
  }

  /** Goes on behind another position. */
  moveTo(position: Sequence): void {
    this.#position = position
    this.#slice = NOTHING
  }

  /** The subscriber was up to date, and is so no longer. */
  fallBehind(): void {
    this.#story?.fallBehind()
  }

  /** The next thing to tell before the next message. */
  takeEvent(): ControlEvent | undefined {
    const story = this.#story
    if (story === undefined) return undefined
    const isAtEnd = this.#position >= this.#topic.head && !story.beginsWithSnapshot
    return story.take(isAtEnd ? this.#placeInTopic : undefined)
  }

  /** The next message, where memory has it. */
  takeFromMemory(): Message | undefined {
    if (!this.#isOfThisEpoch || this.#story?.beginsWithSnapshot === true) return undefined
    const message = this.#topic.get(this.#position + 1)
    if (message !== undefined) this.moveTo(message.sequence) // nothing stays of who keeps up
    return message
  }

  /**
   * The next message, from memory where it is there; undefined at the head, and where there is something
   * to find out or to tell first.
   * @throws CarillonError SERVICE_UNAVAILABLE, after which the place is as before; CURSOR_EXPIRED
   */
  async next(): Promise<Message | undefined> {
    if (this.#story?.beginsWithSnapshot === true) return this.#begin(this.#story)
    if (!this.#isOfThisEpoch) return this.#passToEpoch()
    if (this.#position >= this.#topic.head) return undefined
    const inMemory = this.takeFromMemory()
    if (inMemory !== undefined) return inMemory
    const message = this.#fromSlice() ?? (await this.#fromLog())
    if (message === undefined) return undefined
    if (message.sequence !== this.#position + 1) {
      this.#passGapTo(message.sequence)
      if (this.#story !== undefined) return undefined // the gap is told first
    }
    this.#position = message.sequence
    return message
  }

  get #isOfThisEpoch(): boolean {
    return this.#epoch === this.#topic.epoch
  }

  /** Undefined where the topic has another epoch by now. */
  get #placeInTopic(): Position | undefined {
    if (this.#epoch === undefined || !this.#isOfThisEpoch) return undefined
    return { epoch: this.#epoch, sequence: this.#position }
  }

  async #fromLog(): Promise<Message | undefined> {
    const place = this.#placeInTopic
    if (place === undefined) return undefined
    const { topic, messages } = await this.#reads.read(this.#topic.name, place, this.lag)
    await setImmediate() // the embedded database answers without a turn of the event loop
    if (topic.epoch !== place.epoch || topic.head < place.sequence) {
      await this.#topic.refresh()
      return undefined
    }
    const index = messages.findIndex(({ sequence }) => sequence > this.#position)
    if (index === -1) {
      this.#passGapTo((topic.head + 1) as Sequence)
      return undefined
    }
    this.#slice = index < messages.length - 1 ? messages : NOTHING
    return messages[index]
  }

  /** With the snapshot, if there is one of this epoch; else from where the place stands. */
  async #begin(story: Story): Promise<undefined> {
    const snapshot = await story.loadSnapshot()
    const { epoch, head } = this.#topic
    const isKnown =
      snapshot === undefined || (snapshot.epoch === epoch && snapshot.sequence <= head)
    if (!isKnown) await this.#topic.refresh()
    if (snapshot === undefined || snapshot.epoch !== this.#topic.epoch)
      return story.begin(undefined)
    this.#epoch = snapshot.epoch
    this.moveTo(snapshot.sequence)
    story.begin(snapshot)
  }

  /** What was not taken of the old epoch is gone; the new one is taken from its beginning. */
  #passToEpoch(): undefined {
    const missed = this.#position + 1
    this.#pass({ fromSequence: missed, toSequence: missed, reason: 'EPOCH_CHANGED' })
    this.#epoch = this.#topic.epoch
    this.#gapsBehind = BEFORE_ALL
    this.#repeatsUpTo = BEFORE_ALL
    this.moveTo(BEFORE_ALL)
  }

  /** Goes on right before a message, where those in between are no longer kept. */
  #passGapTo(next: Sequence): void {
    const fromSequence = Math.max(this.#position, this.#gapsBehind) + 1
    const toSequence = next - 1
    if (fromSequence <= toSequence) this.#pass({ fromSequence, toSequence, reason: 'RETENTION' })
    this.#position = toSequence as Sequence
  }

  #pass(gap: Omit<Gap, 'topic'>): void {
    const { name } = this.#topic
    if (this.#story !== undefined) this.#story.tell({ kind: 'gap', topic: name, ...gap })
    else if (!this.#skipsGaps) throw gapError({ topic: name, ...gap })
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

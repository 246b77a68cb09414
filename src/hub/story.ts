import { encodeCursor } from '../core/cursor.ts'
import type { Position } from '../core/sequence.ts'
import type { Snapshot } from '../core/snapshot.ts'
import type { TopicName } from '../core/topic-name.ts'
import type { ControlEvent } from './topic-event.ts'

/** The newest snapshot of the topic; undefined where there is none. */
export type LoadSnapshot = () => Promise<Snapshot | undefined>

export interface StoryOptions {
  readonly topic: TopicName
  /** Where it begins, if that is where the topic stands: it has caught up before anything comes. */
  readonly liveFrom: Position | undefined
  /** Where it begins with a snapshot, if there is one. */
  readonly loadSnapshot: LoadSnapshot | undefined
}

/**
 * What a subscriber of events is told about one topic besides its messages. A subscriber of messages
 * has none.
 */
export class Story {
  readonly #topic: TopicName
  readonly #untold: ControlEvent[] = []
  #loadSnapshot: LoadSnapshot | undefined
  #hasCaughtUp = false
  #isReplaying = true

  constructor({ topic, liveFrom, loadSnapshot }: StoryOptions) {
    this.#topic = topic
    this.#loadSnapshot = loadSnapshot
    if (liveFrom !== undefined) this.#catchUp(liveFrom)
  }

  /** Whether there is something to tell, or to find out, before the next message. */
  get isUntold(): boolean {
    return this.#untold.length > 0 || !this.#hasCaughtUp
  }

  /** Whether what is read now is read because the subscriber was behind. */
  get isReplaying(): boolean {
    return this.#isReplaying
  }

  get beginsWithSnapshot(): boolean {
    return this.#loadSnapshot !== undefined
  }

  async loadSnapshot(): Promise<Snapshot | undefined> {
    return this.#loadSnapshot?.()
  }

  /** Where it was to begin with a snapshot: with this one, or without. */
  begin(snapshot: Snapshot | undefined): undefined {
    this.#loadSnapshot = undefined
    if (snapshot !== undefined) this.tell({ kind: 'snapshot', snapshot })
  }

  /** The next event; `end` is where the subscriber stands if it has read all there is. */
  take(end: Position | undefined): ControlEvent | undefined {
    if (this.#untold.length === 0 && !this.#hasCaughtUp && end !== undefined) this.#catchUp(end)
    return this.#untold.shift()
  }

  tell(event: ControlEvent): void {
    this.#untold.push(event)
  }

  /** It was up to date, and is so no longer. */
  fallBehind(): void {
    this.#isReplaying = true
  }

  #catchUp(position: Position): void {
    this.#hasCaughtUp = true
    this.#isReplaying = false
    const cursor = encodeCursor({ topic: this.#topic, ...position })
    this.#untold.push({ kind: 'caughtUp', topic: this.#topic, cursor })
  }
}

import { type Cursor, encodeCursor } from './cursor.ts'
import type { JsonText, JsonValue } from './json.ts'
import type { Epoch, Sequence } from './sequence.ts'
import type { TopicName } from './topic-name.ts'

export interface SnapshotFields {
  readonly topic: TopicName
  readonly epoch: Epoch
  readonly sequence: Sequence
  readonly state: JsonText
  readonly savedAt: Date
}

/** Consolidated state of a topic as of one sequence. Immutable. */
export class Snapshot {
  readonly topic: TopicName
  readonly epoch: Epoch
  /** The newest message whose effect is in the state. */
  readonly sequence: Sequence
  readonly savedAt: Date
  readonly stateText: JsonText

  constructor({ topic, epoch, sequence, state, savedAt }: SnapshotFields) {
    this.topic = topic
    this.epoch = epoch
    this.sequence = sequence
    this.savedAt = savedAt
    this.stateText = state
  }

  /** The position right behind which the messages are whose effect is not in the state. */
  get cursor(): Cursor {
    return encodeCursor(this)
  }

  /** As it was saved. */
  get state(): JsonValue {
    return JSON.parse(this.stateText) as JsonValue
  }
}

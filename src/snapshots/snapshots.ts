import type { Limits } from '../access/limits.ts'
import { BEFORE_ALL, parseSequence, type Sequence } from '../core/sequence.ts'
import type { Snapshot } from '../core/snapshot.ts'
import { encodeState } from '../core/state.ts'
import { parseTopicName, type TopicName } from '../core/topic-name.ts'
import { CarillonError } from '../protocol/errors.ts'
import type { SnapshotStore } from './snapshot-store.ts'

/** State to save. */
export interface SnapshotRequest {
  readonly topic: string
  /** The newest message whose effect is in the state; at least 1, at most the topic's head. */
  readonly sequence: number
  /** Any JSON value but null; at most 1 MiB encoded and 100 levels deep. */
  readonly state: unknown
}

export interface SnapshotsParts {
  readonly store: SnapshotStore
  readonly limits: Limits
}

/** Validates snapshots, and looks them up. */
export class Snapshots {
  readonly #store: SnapshotStore
  readonly #limits: Limits

  constructor({ store, limits }: SnapshotsParts) {
    this.#store = store
    this.#limits = limits
  }

  /**
   * Saves a snapshot in the place of an older one.
   * @throws CarillonError INVALID_TOPIC_NAME, INVALID_INPUT, PAYLOAD_TOO_LARGE, SEQUENCE_CONFLICT,
   * SERVICE_UNAVAILABLE
   */
  async save(request: SnapshotRequest): Promise<Snapshot> {
    return this.#store.save({
      topic: parseTopicName(request.topic),
      sequence: parsePlace(request.sequence),
      state: this.#encode(request.state),
    })
  }

  /** The newest snapshot; undefined where none was saved. */
  snapshot(topic: TopicName): Promise<Snapshot | undefined> {
    return this.#store.snapshot(topic)
  }

  /** Which of these topics have one. */
  having(topics: readonly TopicName[]): Promise<ReadonlySet<TopicName>> {
    return this.#store.having(topics)
  }

  #encode(state: unknown) {
    if (state === null || state === undefined) {
      throw new CarillonError('INVALID_INPUT', 'The state is null; save a JSON value.')
    }
    const { snapshotBytes: maxBytes, jsonDepth: maxDepth } = this.#limits
    return encodeState(state, { maxBytes, maxDepth, limit: 'snapshotBytes' })
  }
}

function parsePlace(value: unknown): Sequence {
  const sequence = parseSequence(value)
  if (sequence !== BEFORE_ALL) return sequence
  throw new CarillonError('INVALID_INPUT', 'A snapshot is as of a message: its sequence is not 0.')
}

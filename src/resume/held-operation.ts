import { randomUUID } from 'node:crypto'
import type { Places } from '../core/resume.ts'
import type { Position } from '../core/sequence.ts'
import type { TopicName } from '../core/topic-name.ts'
import type { Resumable } from '../hub/resume-point.ts'
import type { Advance, OwnedRecord, ResumeKey } from './resume-store.ts'

/** One subscription of one connection: what the client has got for certain, and what it has been sent. */
export class HeldOperation {
  readonly key: ResumeKey
  readonly owner = randomUUID()
  readonly #digest: string
  readonly #subscription: Resumable
  /** What is certain. */
  #proven: Places
  #provenDelivered: number
  /** What a ping stands behind. */
  #asked: { readonly places: Places; readonly delivered: number } | undefined
  /** What the store has. */
  #saved: ReadonlyMap<TopicName, Position>

  constructor(key: ResumeKey, digest: string, subscription: Resumable) {
    this.key = key
    this.#digest = digest
    this.#subscription = subscription
    this.#proven = subscription.places()
    this.#provenDelivered = subscription.delivered
    this.#saved = this.#proven.topics
  }

  /** Whether anything has been sent that is not certain. Of one that has ended, nothing more becomes so: its places are gone. */
  get isAhead(): boolean {
    const { isClosed, delivered } = this.#subscription
    return !isClosed && delivered !== this.#provenDelivered
  }

  get hasBaselines(): boolean {
    return this.#proven.baselines.size > 0
  }

  /** A ping is about to be sent. */
  ask(): void {
    const { delivered } = this.#subscription
    this.#asked = { places: this.#subscription.places(), delivered }
  }

  /** The ping has been answered: the client has handled all that was sent before it. */
  prove(): void {
    if (this.#asked === undefined) return
    this.#proven = this.#asked.places
    this.#provenDelivered = this.#asked.delivered
    this.#asked = undefined
  }

  /** Where nothing was sent, what was passed over is certain without asking. */
  settle(): void {
    if (this.isAhead || this.#subscription.isClosed) return
    this.#proven = this.#subscription.places()
  }

  /** The whole of it, for the store. */
  record(): OwnedRecord {
    const { key, owner } = this
    this.#saved = this.#proven.topics
    return { key, owner, digest: this.#digest, places: this.#proven }
  }

  /** What the store does not know yet. */
  advance(): Advance {
    const topics = new Map<TopicName, Position>()
    for (const [topic, position] of this.#proven.topics) {
      const saved = this.#saved.get(topic)
      const isSame = saved?.sequence === position.sequence && saved.epoch === position.epoch
      if (!isSame) topics.set(topic, position)
    }
    this.#saved = this.#proven.topics
    return { key: this.key, owner: this.owner, topics }
  }
}

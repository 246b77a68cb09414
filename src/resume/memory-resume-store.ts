import { LRUCache } from 'lru-cache'
import type { Baseline } from '../core/resume.ts'
import type { Position } from '../core/sequence.ts'
import type { TopicName, TopicWildcard } from '../core/topic-name.ts'
import type {
  Advance,
  AdvanceOutcome,
  OwnedRecord,
  ResumeKey,
  ResumeRecord,
  ResumeStore,
} from './resume-store.ts'

/** Positions that are remembered at most, those of the same topic in several records counted apart. */
const MAX_POSITIONS = 1_000_000

interface Kept {
  readonly digest: string
  readonly owner: string
  readonly topics: Map<TopicName, Position>
  readonly baselines: ReadonlyMap<TopicWildcard, Baseline>
}

/** For a single instance. The least recent records are forgotten where there are too many. */
export class MemoryResumeStore implements ResumeStore {
  readonly #kept = new LRUCache<string, Kept>({
    maxSize: MAX_POSITIONS,
    // Heads are those of the pattern, and shared.
    sizeCalculation: ({ topics }) => 1 + topics.size,
  })

  async find(key: ResumeKey): Promise<ResumeRecord | undefined> {
    const kept = this.#kept.get(textOf(key))
    if (kept === undefined) return undefined
    const { digest, baselines } = kept
    return { digest, places: { topics: new Map(kept.topics), baselines } }
  }

  async put({ key, owner, digest, places }: OwnedRecord, keepMs: number): Promise<void> {
    const { topics, baselines } = places
    this.#kept.set(
      textOf(key),
      { digest, owner, topics: new Map(topics), baselines },
      { ttl: keepMs },
    )
  }

  async advance(advances: readonly Advance[], keepMs: number): Promise<readonly AdvanceOutcome[]> {
    return advances.map((advance) => this.#advance(advance, keepMs))
  }

  async remove(key: ResumeKey, owner: string): Promise<void> {
    const text = textOf(key)
    if (this.#kept.peek(text)?.owner === owner) this.#kept.delete(text)
  }

  get isEmpty(): boolean {
    return this.#kept.size === 0
  }

  /** All that is remembered, each with the time that is left to it. */
  *records(): Generator<{ readonly record: OwnedRecord; readonly leftMs: number }> {
    for (const [text, { digest, owner, topics, baselines }] of this.#kept.entries()) {
      const record = { key: keyOf(text), owner, digest, places: { topics, baselines } }
      yield { record, leftMs: this.#kept.getRemainingTTL(text) }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#kept.clear()
  }

  #advance({ key, owner, topics }: Advance, keepMs: number): AdvanceOutcome {
    const text = textOf(key)
    const kept = this.#kept.get(text)
    if (kept === undefined) return 'missing'
    if (kept.owner !== owner) return 'superseded'
    for (const [topic, position] of topics) kept.topics.set(topic, position)
    this.#kept.set(text, kept, { ttl: keepMs })
    return 'kept'
  }
}

function textOf({ userId, clientId, operationId }: ResumeKey): string {
  return JSON.stringify([userId, clientId, operationId])
}

function keyOf(text: string): ResumeKey {
  const [userId, clientId, operationId] = JSON.parse(text) as [string, string, string]
  return { userId, clientId, operationId }
}

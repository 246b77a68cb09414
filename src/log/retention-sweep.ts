import { setTimeout as delay } from 'node:timers/promises'
import type { TopicName } from '../core/topic-name.ts'
import { withFaults } from '../database/faults.ts'
import type { Prisma, PrismaClient } from '../generated/prisma/client.ts'
import { BatchSize } from './batch-size.ts'
import type { RetentionReport } from './retention.ts'
import { limitsOf, type ParsedRule } from './retention-rules.ts'
import {
  type DueTopic,
  dueStatement,
  type ExpiredRow,
  expireStatement,
  LOOK_AHEAD,
  type Locked,
  type MovedRow,
  moveTailStatement,
  type RemovedRow,
  removeStatement,
  type TopicId,
  topicsStatement,
} from './retention-statements.ts'

/** Topics that are looked at in one statement. */
const PAGE = 500

/** A delete should stay well below the 50 ms that it may take, also where the machine has to do other things. */
const BATCH = { start: 100, min: 10, max: 1_000, targetMs: 5 }

export interface RetentionSweepOptions {
  readonly prisma: PrismaClient
  readonly rules: readonly ParsedRule[]
  /** Ends the sweep after the statement under way. */
  readonly signal: AbortSignal
}

/** One run through everything that is due. Gives way to another instance that is at it. */
export class RetentionSweep {
  readonly #options: RetentionSweepOptions
  readonly #batch = new BatchSize(BATCH)
  readonly #removedByTopic = new Map<TopicName, number>()
  #removed = 0
  #isElsewhere = false

  constructor(options: RetentionSweepOptions) {
    this.#options = options
  }

  /** @throws CarillonError SERVICE_UNAVAILABLE */
  async run(): Promise<RetentionReport> {
    const touched = await this.#expire()
    // Without rules, a tail has to move only where messages have just expired.
    const pages = this.#options.rules.length > 0 ? this.#allTopics() : pagesOf(touched)
    for await (const topics of pages) await this.#trim(topics)
    return {
      removed: this.#removed,
      removedByTopic: this.#removedByTopic,
      isComplete: this.#goesOn,
    }
  }

  get #goesOn(): boolean {
    return !this.#isElsewhere && !this.#options.signal.aborted
  }

  /**
   * Removes expired messages; answers the topics that had some. Tails go along: whoever looks for the first message of
   * a topic would have to pass over all that were deleted.
   */
  async #expire(): Promise<readonly TopicId[]> {
    const touched = new Map<number, TopicId>()
    const sinceMove = new Map<number, number>()
    let from = 0
    for (let isDone = false; !isDone && this.#goesOn; ) {
      const size = this.#batch.current
      const done = await this.#timed(async () => {
        let removed = 0
        for (const row of await this.#locked<ExpiredRow>(expireStatement(from, size))) {
          const { id, name, reached } = row
          removed += row.removed ?? 0
          from = Math.max(from, reached ?? 0)
          if (id === null || name === null || row.removed === null) continue // none, or of a purged topic
          touched.set(id, { id, name })
          sinceMove.set(id, (sinceMove.get(id) ?? 0) + row.removed)
          this.#count(name, row.removed)
        }
        return removed
      })
      await this.#moveAlong(sinceMove)
      isDone = done < size
    }
    return [...touched.values()]
  }

  /** Moves the tails of topics that have lost many messages since theirs was moved; counted by topic id. */
  async #moveAlong(sinceMove: Map<number, number>): Promise<void> {
    for (const [id, removed] of sinceMove) {
      if (removed < LOOK_AHEAD || !this.#goesOn) continue
      sinceMove.set(id, 0)
      await this.#locked<MovedRow>(moveTailStatement({ id }, null, 0))
    }
  }

  async *#allTopics(): AsyncGenerator<readonly TopicId[], undefined> {
    for (let after = ''; this.#goesOn; ) {
      const topics = await this.#rows<TopicId>(topicsStatement(after, PAGE))
      yield topics
      const last = topics.at(-1)
      if (last === undefined || topics.length < PAGE) return
      after = last.name
    }
  }

  async #trim(topics: readonly TopicId[]): Promise<void> {
    const { rules } = this.#options
    const limited = topics.map(({ id, name }) => ({ id, name, limits: limitsOf(name, rules) }))
    const due = await this.#rows<DueTopic>(dueStatement(limited))
    for (const topic of due) await this.#trimTopic(topic)
  }

  /**
   * Moves the tail step by step, and deletes what is below it: also what another run, which ended or gave
   * way to this one, has left there.
   */
  async #trimTopic(topic: DueTopic): Promise<void> {
    const limits = limitsOf(topic.name, this.#options.rules)
    let from = topic.left ?? topic.tail
    while (this.#goesOn) {
      const [row] = await this.#locked<MovedRow>(moveTailStatement(topic, limits, from))
      if (row === undefined || row.tail <= from) return
      await this.#remove(topic, Math.max(from, row.swept), row.tail)
      from = row.tail
    }
  }

  /** Deletes what is below the tail, from a sequence to right before another. */
  async #remove(topic: DueTopic, from: number, before: number): Promise<void> {
    for (let start = from; start < before && this.#goesOn; ) {
      const end = Math.min(before, start + this.#batch.current)
      await this.#timed(async () => {
        const [row] = await this.#locked<RemovedRow>(removeStatement(topic, start, end))
        const removed = row?.removed ?? 0
        this.#count(topic.name, removed)
        return removed
      })
      start = end
    }
  }

  /** Then rests for as long as the work took: the database has more to do than this. */
  async #timed(work: () => Promise<number>): Promise<number> {
    const start = performance.now()
    const done = await work()
    const tookMs = performance.now() - start
    this.#batch.learn(done, tookMs)
    if (this.#goesOn) await rest(tookMs, this.#options.signal)
    return done
  }

  #count(topic: TopicName, removed: number): void {
    if (removed === 0) return
    this.#removed += removed
    this.#removedByTopic.set(topic, (this.#removedByTopic.get(topic) ?? 0) + removed)
  }

  async #locked<Row extends Locked>(statement: Prisma.Sql): Promise<readonly Row[]> {
    const rows = await this.#rows<Row>(statement)
    if (rows.some(({ taken }) => !taken)) this.#isElsewhere = true
    return rows
  }

  #rows<Row>(statement: Prisma.Sql): Promise<readonly Row[]> {
    return withFaults(() => this.#options.prisma.$queryRaw<Row[]>(statement))
  }
}

function* pagesOf(topics: readonly TopicId[]): Generator<readonly TopicId[], undefined> {
  for (let start = 0; start < topics.length; start += PAGE) yield topics.slice(start, start + PAGE)
}

/** Cut short by the signal. */
async function rest(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await delay(ms, undefined, { signal })
  } catch (error) {
    if (!signal.aborted) throw error
  }
}

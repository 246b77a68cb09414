import { type Cursor, checkPosition, encodeCursor } from '../core/cursor.ts'
import { isExpired, isVisible, type Message, type Reader } from '../core/message.ts'
import type { Position, Sequence } from '../core/sequence.ts'
import { isWildcard, prefixOf, type TopicName, type TopicPattern } from '../core/topic-name.ts'
import { gapError } from '../hub/start.ts'
import type { Log, TopicState } from '../log/log.ts'
import type { ConsumeOptions } from './consume-request.ts'
import type { ConsumerName, ConsumerStore } from './consumer-store.ts'
import { type Pause, patiently } from './patience.ts'

/** Some messages of one topic, oldest first. */
export interface CatchUpBatch {
  readonly topic: TopicName
  /** One at least. */
  readonly messages: readonly Message[]
  /** Everything up to this has been handed out, or is not for this reader: to be acknowledged. */
  readonly cursor: Cursor
}

export interface CatchUpParts {
  readonly log: Log
  readonly store: ConsumerStore
  readonly pause: Pause
}

export interface CatchUpOptions
  extends Pick<ConsumeOptions, 'topics' | 'batchSize' | 'maxBatches'> {
  readonly reader: Reader
  /** Undefined for whoever begins behind cursors. */
  readonly consumer: ConsumerName | undefined
  readonly after: ReadonlyMap<TopicName, Position>
  readonly signal: AbortSignal
}

/** Topics looked up at once. */
const TOPICS_PAGE = 1_000

/**
 * The messages of one topic after the other, up to where each stands when its turn comes. Holds a batch in
 * memory. Waits while the database is away.
 */
export async function* catchUp(
  options: CatchUpOptions,
  parts: CatchUpParts,
): AsyncGenerator<CatchUpBatch, undefined> {
  let batches = 0
  for await (const states of topicsOf(options, parts)) {
    const begins = await beginnings(states, options, parts)
    for (const state of states) {
      const position = begins.get(state.name)
      if (position === undefined) continue
      for await (const batch of batchesOf(state, position, { options, parts })) {
        yield batch
        if (++batches >= options.maxBatches) return
      }
    }
  }
}

interface Context {
  readonly options: CatchUpOptions
  readonly parts: CatchUpParts
}

async function* batchesOf(
  state: TopicState,
  position: Sequence,
  { options, parts }: Context,
): AsyncGenerator<CatchUpBatch, undefined> {
  const { name: topic, epoch, head } = state
  let done = position
  while (done < head && !options.signal.aborted) {
    const limit = Math.min(options.batchSize, head - done)
    const slice = await waiting(options, parts, () => parts.log.read(topic, done, limit))
    const last = slice?.messages.at(-1)
    if (slice === undefined || last === undefined) return
    if (slice.topic.epoch !== epoch) {
      const missed = done + 1
      throw gapError({ topic, fromSequence: missed, toSequence: missed, reason: 'EPOCH_CHANGED' })
    }
    done = last.sequence
    const messages = slice.messages.filter((message) => isFor(options.reader, message))
    if (messages.length > 0) {
      yield { topic, messages, cursor: encodeCursor({ topic, epoch, sequence: done }) }
    }
  }
}

function isFor(reader: Reader, message: Message): boolean {
  return isVisible(message, reader) && !isExpired(message, Date.now())
}

/** Those that are named, then those under each pattern; each once. */
async function* topicsOf(
  options: CatchUpOptions,
  parts: CatchUpParts,
): AsyncGenerator<readonly TopicState[], undefined> {
  const { topics } = options
  const names = [...new Set(topics.filter((pattern) => !isWildcard(pattern)))]
  const states = await waiting(options, parts, () => parts.log.topicStates(names))
  yield states ?? []
  const wildcards = topics.filter(isWildcard)
  for (const [index, wildcard] of wildcards.entries()) {
    const seen = [...names, ...wildcards.slice(0, index)]
    for await (const page of pagesUnder(prefixOf(wildcard), { options, parts })) {
      yield page.filter(({ name }) => !seen.some((pattern) => covers(pattern, name)))
    }
  }
}

async function* pagesUnder(
  prefix: string,
  { options, parts }: Context,
): AsyncGenerator<readonly TopicState[], undefined> {
  let after: TopicName | undefined
  do {
    const query = { prefix, limit: TOPICS_PAGE, after }
    const page = await waiting(options, parts, () => parts.log.topics(query))
    if (page === undefined) return
    yield page.topics
    after = page.hasNext ? page.topics.at(-1)?.name : undefined
  } while (after !== undefined)
}

function covers(pattern: TopicPattern, name: TopicName): boolean {
  return isWildcard(pattern) ? name.startsWith(prefixOf(pattern)) : pattern === name
}

/** Behind which sequence each topic begins; undefined for all where the signal is aborted before. */
async function beginnings(
  states: readonly TopicState[],
  { consumer, after, ...options }: CatchUpOptions,
  parts: CatchUpParts,
): Promise<ReadonlyMap<TopicName, Sequence>> {
  const begins = new Map<TopicName, Sequence>()
  const names = states.map(({ name }) => name)
  const acked =
    consumer === undefined
      ? undefined
      : await waiting(options, parts, () => parts.store.acked(consumer, names))
  for (const state of states) {
    const position = after.get(state.name)
    if (position !== undefined) checkBeginning(position, state)
    const first = beforeOldest(state)
    const begin = position?.sequence ?? acked?.get(state.name) ?? first
    begins.set(state.name, Math.max(begin, first) as Sequence)
  }
  return begins
}

/** What stands right before the oldest message that is kept. */
function beforeOldest({ head, tail }: TopicState): Sequence {
  return tail === 0 ? head : ((tail - 1) as Sequence)
}

function checkBeginning(position: Position, state: TopicState): void {
  const { name: topic, epoch, head: sequence } = state
  const fromSequence = position.sequence + 1
  if (position.epoch !== epoch) {
    throw gapError({ topic, fromSequence, toSequence: fromSequence, reason: 'EPOCH_CHANGED' })
  }
  checkPosition(position, { epoch, sequence })
  const toSequence = beforeOldest(state)
  if (fromSequence <= toSequence) {
    throw gapError({ topic, fromSequence, toSequence, reason: 'RETENTION' })
  }
}

function waiting<T>(
  { signal }: Pick<CatchUpOptions, 'signal'>,
  { pause }: CatchUpParts,
  work: () => Promise<T>,
): Promise<T | undefined> {
  return patiently(work, { pause, signal })
}

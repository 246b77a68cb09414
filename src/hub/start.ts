import { decodeCursor } from '../core/cursor.ts'
import { BEFORE_ALL, type Position, type Sequence } from '../core/sequence.ts'
import type { TopicName } from '../core/topic-name.ts'
import type { Log, TopicState } from '../log/log.ts'
import { CarillonError, type Gap } from '../protocol/errors.ts'

/** Topics that a consumer is looked up in at once. */
const ACKED_BATCH = 1_000

/** Where a subscriber begins in its topics, and what it does where it cannot. */
export interface Start {
  /** Behind these; at most one a topic. */
  readonly after: ReadonlyMap<TopicName, Position>
  /** In the other topics: behind what a durable consumer has acknowledged, or at the beginning. */
  readonly acked: Acked | undefined
  /** Else with the newest so many messages; undefined for where the topics stand. */
  readonly last: number | undefined
  /** Ends, or goes on with the oldest message that is still kept. */
  readonly onGap: 'fail' | 'skip'
}

/** What a consumer has acknowledged in each of these topics; those without any are left out. */
export type Acked = (topics: readonly TopicName[]) => Promise<ReadonlyMap<TopicName, Sequence>>

export const START_LIVE: Start = {
  after: new Map(),
  acked: undefined,
  last: undefined,
  onGap: 'fail',
}

/**
 * Cursors by their topics.
 * @throws CarillonError INVALID_CURSOR where one is none, or a topic has two
 */
export function parseAfter(
  cursors: readonly string[] | null | undefined,
): ReadonlyMap<TopicName, Position> {
  const positions = new Map<TopicName, Position>()
  for (const cursor of cursors ?? []) {
    const { topic, ...position } = decodeCursor(cursor)
    if (positions.has(topic)) {
      throw new CarillonError('INVALID_CURSOR', `There are two cursors of the topic ${topic}.`)
    }
    positions.set(topic, position)
  }
  return positions
}

/**
 * The sequence behind which a subscriber begins, in a topic that is live. It may be past what has come
 * here so far: another instance may know more.
 * @throws CarillonError CURSOR_EXPIRED with the gap, INVALID_CURSOR, SERVICE_UNAVAILABLE
 */
export async function startIn(state: TopicState, start: Start, log: Log): Promise<Sequence> {
  const position = start.after.get(state.name) ?? (await ackedPosition(state, start))
  if (position === undefined) {
    return start.acked === undefined ? startAtEnd(state, start.last) : begin(state)
  }
  const gap = gapBehind(position, state)
  if (gap !== undefined) {
    if (start.onGap === 'fail') throw gapError(gap)
    return begin(state)
  }
  if (position.sequence <= state.head) return position.sequence
  const { head } = await log.topic(state.name)
  if (position.sequence <= head) return position.sequence
  throw new CarillonError('INVALID_CURSOR', 'This cursor is past the head of the topic.')
}

/** What ends a subscription that may not skip what is no longer there. */
export function gapError(gap: Gap): CarillonError {
  const text =
    gap.reason === 'RETENTION'
      ? `The topic ${gap.topic} no longer keeps the messages ${gap.fromSequence} to ${gap.toSequence}.`
      : `The numbering of the topic ${gap.topic} started again after this cursor was given out.`
  return new CarillonError('CURSOR_EXPIRED', text, { gap })
}

async function ackedPosition(
  { name, epoch }: TopicState,
  { acked }: Start,
): Promise<Position | undefined> {
  const sequence = (await acked?.([name]))?.get(name)
  return sequence === undefined ? undefined : { epoch, sequence }
}

/**
 * Which of these topics a subscriber has something to read in at once, with where it begins where that
 * is known; of all others it wants to hear once something is published.
 */
export async function topicsBehind(
  heads: ReadonlyMap<TopicName, Sequence>,
  { acked, last }: Start,
): Promise<ReadonlyMap<TopicName, Sequence | undefined>> {
  const behind = new Map<TopicName, Sequence | undefined>()
  if (acked === undefined && last === undefined) return behind
  const names = [...heads.keys()]
  for (let start = 0; start < names.length; start += ACKED_BATCH) {
    const some = names.slice(start, start + ACKED_BATCH)
    const sequences = await acked?.(some)
    for (const name of some) {
      const sequence = sequences?.get(name)
      if ((sequence ?? BEFORE_ALL) < (heads.get(name) ?? BEFORE_ALL)) behind.set(name, sequence)
    }
  }
  return behind
}

function startAtEnd(state: TopicState, last: number | undefined): Sequence {
  if (last === undefined) return state.head
  return Math.max(begin(state), state.head - last) as Sequence
}

/** What stands right before the oldest message that is kept. */
function begin({ head, tail }: TopicState): Sequence {
  return tail === 0 ? head : ((tail - 1) as Sequence)
}

function gapBehind({ epoch, sequence }: Position, state: TopicState): Gap | undefined {
  const topic = state.name
  if (epoch !== state.epoch) {
    return { topic, fromSequence: sequence + 1, toSequence: sequence + 1, reason: 'EPOCH_CHANGED' }
  }
  const oldest = begin(state)
  if (sequence >= oldest) return undefined
  return { topic, fromSequence: sequence + 1, toSequence: oldest, reason: 'RETENTION' }
}

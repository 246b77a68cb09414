import { decodeCursor } from '../core/cursor.ts'
import type { Places } from '../core/resume.ts'
import { BEFORE_ALL, type Position, type Sequence } from '../core/sequence.ts'
import type { Snapshot } from '../core/snapshot.ts'
import { type TopicName, wildcardsOf } from '../core/topic-name.ts'
import type { TopicState } from '../log/log.ts'
import { CarillonError, type Gap } from '../protocol/errors.ts'
import type { LoadSnapshot } from './story.ts'

/** Topics that a consumer, or a snapshot, is looked up in at once. */
const LOOKUP_BATCH = 1_000

/** Where a subscriber begins in its topics, and what it does where it cannot. */
export interface Start {
  /** Behind these; at most one a topic. */
  readonly after: ReadonlyMap<TopicName, Position>
  /** In the other topics: behind what a durable consumer has acknowledged, or at the beginning. */
  readonly acked: Acked | undefined
  /** Else with the newest so many messages; undefined for where the topics stand. */
  readonly last: number | undefined
  /** With the newest snapshot, in the topics that have one and no valid place of the above two. */
  readonly snapshots?: SnapshotSource | undefined
  /** What the subscriber has got for certain on a connection before this one. */
  readonly resumed?: Places | undefined
  /** Ends, or goes on with the oldest message that is still kept, and tells of it or not. */
  readonly onGap: 'fail' | 'skip' | 'tell'
}

/** Where snapshots are. */
export interface SnapshotSource {
  /** The newest of a topic; undefined where there is none. */
  snapshot(topic: TopicName): Promise<Snapshot | undefined>
  /** Which of these topics have one. */
  having(topics: readonly TopicName[]): Promise<ReadonlySet<TopicName>>
}

/** The part of a live topic that says where a subscriber can begin. */
export interface Startable {
  readonly state: TopicState
  refresh(): Promise<void>
}

/** Where a subscriber begins in a topic. */
export interface Beginning {
  /** Everything up to this counts as taken. */
  readonly position: Position
  /**
   * Only what is missing behind this is a gap. One that was not there before begins with what is kept, and
   * the tail may have moved since it was looked at. Default: the position.
   */
  readonly gapsBehind?: Sequence | undefined
  /** Nothing that was published before is wanted. */
  readonly isLive: boolean
  /** Where to begin with a snapshot instead, if there is one. */
  readonly loadSnapshot: LoadSnapshot | undefined
  /** What the subscriber may have got before, on another connection; undefined for nothing. */
  readonly repeatsUpTo?: Sequence | undefined
}

/** What a consumer has acknowledged in each of these topics; those without any are left out. */
export type Acked = (topics: readonly TopicName[]) => Promise<ReadonlyMap<TopicName, Sequence>>

export const START_LIVE: Start = {
  after: new Map(),
  acked: undefined,
  last: undefined,
  onGap: 'fail',
}

/** Cursors of one subscription: each topic under a pattern may have one, and each is opened. */
const MAX_CURSORS = 10_000

/**
 * Cursors by their topics.
 * @throws CarillonError INVALID_CURSOR where one is none, or a topic has two
 */
export function parseAfter(
  cursors: readonly string[] | null | undefined,
): ReadonlyMap<TopicName, Position> {
  if ((cursors?.length ?? 0) > MAX_CURSORS) {
    throw new CarillonError('INVALID_INPUT', `At most ${MAX_CURSORS} cursors in one subscription.`)
  }
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
 * Where a subscriber begins, in a topic that is live. It may be past what has come here so far: another
 * instance may know more.
 * @throws CarillonError CURSOR_EXPIRED with the gap, INVALID_CURSOR, SERVICE_UNAVAILABLE
 */
export async function beginIn(topic: Startable, start: Start): Promise<Beginning> {
  const { name } = topic.state
  const resumed = resumedPosition(topic.state, start.resumed)
  if (resumed !== undefined) await topic.refresh() // other instances may have sent more than is here
  const given = start.after.get(name) ?? (await ackedPosition(topic.state, start))
  const position = laterOf(given, resumed, topic.state)
  const loadSnapshot = snapshotLoader(name, start, position)
  if (position === undefined) return startWithout(topic.state, start, loadSnapshot)
  if (isUnknown(position, topic.state)) await topic.refresh()
  const { state } = topic
  const gap = gapBehind(position, state)
  if (gap === undefined) {
    const isLive = position.sequence === state.head
    const repeatsUpTo = resumed === undefined ? undefined : state.head
    if (position.sequence <= state.head) {
      return { position, isLive, loadSnapshot: undefined, repeatsUpTo }
    }
    throw new CarillonError('INVALID_CURSOR', 'This cursor is past the head of the topic.')
  }
  if (start.onGap === 'fail') throw gapError(gap)
  const from = start.onGap === 'tell' ? position : oldest(state)
  return { position: from, isLive: false, loadSnapshot }
}

/** Whether a subscriber was in the topic of each of these places before, on another connection. */
export function wasThere(
  after: ReadonlyMap<TopicName, Position>,
  resumed: Places | undefined,
): boolean {
  return [...after].every(
    ([name, { epoch }]) => resumedPosition({ name, epoch }, resumed) !== undefined,
  )
}

/** Undefined where the subscriber was not there before, or the topic is none that it took in. */
function resumedPosition(
  { name, epoch }: Pick<TopicState, 'name' | 'epoch'>,
  resumed: Places | undefined,
): Position | undefined {
  if (resumed === undefined) return undefined
  const known = resumed.topics.get(name)
  if (known !== undefined) return known
  for (const wildcard of wildcardsOf(name)) {
    const baseline = resumed.baselines.get(wildcard)
    if (baseline !== undefined) return baseline.heads.get(name) ?? { epoch, sequence: BEFORE_ALL }
  }
  return undefined
}

/** Of two places that a subscriber has reached: what is behind either, it has got. */
function laterOf(
  given: Position | undefined,
  resumed: Position | undefined,
  { epoch }: TopicState,
): Position | undefined {
  if (given === undefined || resumed === undefined) return given ?? resumed
  if (given.epoch !== resumed.epoch) return given.epoch === epoch ? given : resumed
  return given.sequence > resumed.sequence ? given : resumed
}

/** Another instance may know of a newer epoch, or head. */
function isUnknown({ epoch, sequence }: Position, state: TopicState): boolean {
  return epoch !== state.epoch || sequence > state.head
}

/** One that takes the place of `position` has to be further on. */
function snapshotLoader(
  name: TopicName,
  { snapshots }: Start,
  position: Position | undefined,
): LoadSnapshot | undefined {
  if (snapshots === undefined) return undefined
  return async () => {
    const snapshot = await snapshots.snapshot(name)
    if (snapshot === undefined || position === undefined) return snapshot
    const isFurtherOn = snapshot.epoch !== position.epoch || snapshot.sequence > position.sequence
    return isFurtherOn ? snapshot : undefined
  }
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
 * Which of these topics a subscriber has something to read in at once; of all others it wants to hear
 * once something is published.
 */
export async function topicsBehind(
  heads: ReadonlyMap<TopicName, Position>,
  start: Start,
): Promise<ReadonlySet<TopicName>> {
  const { acked, last, snapshots, resumed } = start
  const behind = new Set<TopicName>()
  const isLive = acked === undefined && last === undefined
  if (resumed !== undefined) return movedOn(heads, start)
  if (isLive && snapshots === undefined) return behind
  const names = [...heads.keys()]
  for (let first = 0; first < names.length; first += LOOKUP_BATCH) {
    const some = names.slice(first, first + LOOKUP_BATCH)
    const sequences = await acked?.(some)
    const begun = await snapshots?.having(some)
    for (const name of some) {
      const head = heads.get(name)?.sequence ?? BEFORE_ALL
      const known = isLive ? head : (sequences?.get(name) ?? BEFORE_ALL)
      if (known < head || begun?.has(name) === true) behind.add(name)
    }
  }
  return behind
}

/** The topics that something was published to while the subscriber was away. */
function movedOn(heads: ReadonlyMap<TopicName, Position>, start: Start): ReadonlySet<TopicName> {
  const moved = new Set<TopicName>()
  for (const [name, { epoch, sequence: head }] of heads) {
    const position = resumedPosition({ name, epoch }, start.resumed)
    if (position?.epoch !== epoch || position.sequence < head) moved.add(name)
  }
  return moved
}

/** Where a subscriber begins that has no place yet. */
function startWithout(
  state: TopicState,
  { acked, last = 0 }: Start,
  loadSnapshot: LoadSnapshot | undefined,
): Beginning {
  const { epoch, head } = state
  const first = oldest(state).sequence
  const sequence = acked === undefined ? (Math.max(first, head - last) as Sequence) : first
  const isLive = sequence === head && loadSnapshot === undefined
  return { position: { epoch, sequence }, gapsBehind: head, isLive, loadSnapshot }
}

/** What stands right before the oldest message that is kept. */
function oldest({ epoch, head, tail }: TopicState): Position {
  return { epoch, sequence: tail === 0 ? head : ((tail - 1) as Sequence) }
}

function gapBehind({ epoch, sequence }: Position, state: TopicState): Gap | undefined {
  const topic = state.name
  if (epoch !== state.epoch) {
    return { topic, fromSequence: sequence + 1, toSequence: sequence + 1, reason: 'EPOCH_CHANGED' }
  }
  const before = oldest(state).sequence
  if (sequence >= before) return undefined
  return { topic, fromSequence: sequence + 1, toSequence: before, reason: 'RETENTION' }
}

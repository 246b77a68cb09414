import type { HistoryRequest } from 'carillon'
import { COMMON_SENDER, RARE_SENDER, TOPIC } from './fill.ts'

export interface HistoryCase {
  readonly filter: string
  readonly position: string
  /** Pages at different places of the topic, read in turn. */
  readonly requests: readonly HistoryRequest[]
  /** The user that asks; the backend where there is none. */
  readonly userId?: string | undefined
}

/** The cursor right at a message. */
export type CursorAt = (sequence: number) => Promise<string>

export const PAGE = 50

/** Places in the middle of the topic. */
const PLACES = 20

export const REFERENCE = { filter: 'none', position: 'newest' } as const

interface Filter {
  readonly filter: string
  readonly request: Pick<HistoryRequest, 'from' | 'types'>
  readonly userId?: string
}

const FILTERS: readonly Filter[] = [
  { filter: REFERENCE.filter, request: {} },
  { filter: 'none, as a user', request: {}, userId: 'user:2' },
  { filter: 'common from', request: { from: [COMMON_SENDER] } },
  { filter: 'rare from', request: { from: [RARE_SENDER] } },
  { filter: 'both from', request: { from: [COMMON_SENDER, RARE_SENDER] } },
  { filter: 'common type', request: { types: ['reaction'] } },
  { filter: 'rare type', request: { types: ['pinned'] } },
  { filter: 'from and type', request: { from: [COMMON_SENDER], types: ['message'] } },
  { filter: 'from and type, none', request: { from: [COMMON_SENDER], types: ['reaction'] } },
]

type Range = Omit<HistoryRequest, 'topic'>

/** Every filter at every position. */
export async function historyCases(
  messages: number,
  cursorAt: CursorAt,
): Promise<readonly HistoryCase[]> {
  const positions = await historyPositions(messages, cursorAt)
  return FILTERS.flatMap(({ filter, request, userId }) =>
    [...positions].map(([position, ranges]) => ({
      filter,
      position,
      requests: ranges.map((range) => ({ topic: TOPIC, ...request, ...range })),
      userId,
    })),
  )
}

/**
 * The middle is many places, in no order: PostgreSQL starts a sequential scan where the last one
 * stopped, so that one which should never happen would look fast at the same place again.
 */
async function historyPositions(
  messages: number,
  cursorAt: CursorAt,
): Promise<ReadonlyMap<string, readonly Range[]>> {
  const places = Array.from({ length: PLACES }, (_, index) => ((index * 7 + 3) % PLACES) + 0.5)
  const middle = await Promise.all(
    places.map((place) => cursorAt(Math.round((messages * place) / PLACES))),
  )
  return new Map<string, readonly Range[]>([
    [REFERENCE.position, [{ last: PAGE }]],
    ['newest, forward', [{ first: PAGE, after: await cursorAt(messages - PAGE) }]],
    ['middle, backward', middle.map((before) => ({ last: PAGE, before }))],
    ['middle, forward', middle.map((after) => ({ first: PAGE, after }))],
    ['oldest', [{ first: PAGE }]],
    ['oldest, backward', [{ last: PAGE, before: await cursorAt(PAGE + 1) }]],
  ])
}

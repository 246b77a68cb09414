import type { Gap } from '../protocol/errors.ts'
import type { Caller } from './caller.ts'
import { DOCUMENTS } from './documents.ts'
import { carillonError } from './error.ts'
import type { TopicEvent } from './event.ts'
import type { WirePage } from './history.ts'
import type { Place } from './place.ts'
import type { Filters } from './subscribe-options.ts'

/** Messages that are read at once. */
const PAGE = 100

export interface RepairRequest {
  readonly topic: string
  readonly filters: Filters
  /** What the reader has had. */
  readonly place: Place
  /** The sequence at which it goes on with what it holds; undefined for the present. */
  readonly until: () => number | undefined
  /** Whose own messages are left out, where it wants no echo. */
  readonly ownClientId: () => string | undefined
  readonly signal: AbortSignal
}

type WireRepair = WirePage & { readonly topic: { readonly tailSequence: number } }

/** Reads from history what a reader has not held, behind its place; a gap where the topic no longer keeps it. */
export async function* repair(
  caller: Caller,
  request: RepairRequest,
): AsyncGenerator<TopicEvent, void> {
  const { topic, place, until, signal } = request
  for (;;) {
    const answer = await read(caller, request)
    if (answer === undefined) {
      const sequence = place.sequence + 1
      const gap: Gap = {
        topic,
        fromSequence: sequence,
        toSequence: sequence,
        reason: 'EPOCH_CHANGED',
      }
      yield { kind: 'gap', gap }
      return
    }
    const { tailSequence } = answer.topic
    if (tailSequence > place.sequence + 1) {
      const toSequence = Math.min(tailSequence, until() ?? tailSequence) - 1
      const gap: Gap = { topic, fromSequence: place.sequence + 1, toSequence, reason: 'RETENTION' }
      yield { kind: 'gap', gap }
    }
    const { nodes, pageInfo } = answer.messages
    for (const message of nodes) {
      if (signal.aborted || (message.sequence ?? 0) >= (until() ?? Number.POSITIVE_INFINITY)) return
      if (isWanted(message, request)) yield { kind: 'message', message: Object.freeze(message) }
      else place.take(message)
    }
    if (!pageInfo.hasNextPage) return
  }
}

/** Undefined where the numbering of the topic started again. */
async function read(
  caller: Caller,
  { topic, filters: { types, from }, place, signal }: RepairRequest,
): Promise<WireRepair | undefined> {
  try {
    const variables = { topic, types, from, first: PAGE, after: place.historyCursor }
    const limits = { timeout: Number.POSITIVE_INFINITY, signal }
    return await caller.call<WireRepair>(DOCUMENTS.repair, variables, limits)
  } catch (error) {
    if (carillonError(error).code === 'CURSOR_EXPIRED') return undefined
    throw error
  }
}

function isWanted(
  { clientId }: { readonly clientId: string | null },
  { filters, ownClientId }: RepairRequest,
): boolean {
  return filters.echo !== false || clientId === null || clientId !== ownClientId()
}

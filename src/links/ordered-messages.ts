import { readCursor } from '../client/cursor.ts'
import { merged, withItem } from '../client/in-order.ts'

/** A message as far as lists of messages look at it. */
export interface Ordered {
  readonly sequence?: number | null | undefined
  readonly cursor?: string | null | undefined
}

/**
 * A list with one more message in its place, and once; the same list where it is in it. A message of a new epoch, which its
 * cursor tells, begins a new list. Ephemeral messages have no place and are not in it.
 */
export function addMessage<M extends Ordered>(
  messages: readonly M[],
  message: M | null | undefined,
): readonly M[] {
  if (message?.sequence == null) return messages
  return isOfOtherEpoch(messages.at(-1), message)
    ? [message]
    : withItem(messages, message, sequenceOf)
}

/**
 * Pages of history and live messages of one topic as one list: ordered by sequence, without doubles. Of two messages with the same
 * sequence, that of the later list stays.
 */
export function mergeMessages<M extends Ordered>(
  ...lists: readonly (readonly M[] | null | undefined)[]
): readonly M[] {
  let all: readonly M[] = []
  for (const list of lists) {
    const placed = (list ?? []).filter(({ sequence }) => sequence != null)
    all = isOfOtherEpoch(all.at(-1), placed.at(-1)) ? placed : merged(all, placed, sequenceOf)
  }
  return all
}

function sequenceOf({ sequence }: Ordered): number {
  return sequence ?? 0
}

function isOfOtherEpoch(one: Ordered | undefined, other: Ordered | undefined): boolean {
  const [before, after] = [readCursor(one?.cursor)?.epoch, readCursor(other?.cursor)?.epoch]
  return before !== undefined && after !== undefined && before !== after
}

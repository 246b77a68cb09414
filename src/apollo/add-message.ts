import type { ApolloCache, Reference, StoreObject } from '@apollo/client'
import { withLive } from '../links/message-list.ts'
import {
  type Connection,
  connectionOf,
  entryOf,
  type Filter,
  listOf,
  type ReadField,
} from './connection.ts'

/** A message as a subscription delivers it. Of `from` and `type` those are needed by which lists are filtered. */
export interface LiveMessage {
  readonly __typename?: 'Message' | undefined
  readonly id: string
  readonly topic: string
  readonly sequence?: number | null | undefined
  readonly cursor?: string | null | undefined
  readonly from?: string | undefined
  readonly type?: string | undefined
}

/**
 * Puts a live message into the lists that `carillonCache` keeps: those of `Query.messages`, and of `Query.topic`. It comes in its place,
 * and once, however often it is added. A list that does not reach up to the present yet gets it with its later pages; lists that the
 * message is not in by their filters do not, nor do ephemeral messages, which have no place. For lists to need no query again,
 * a subscription selects what they select.
 */
export function addMessage(cache: ApolloCache, message: LiveMessage | null | undefined): void {
  if (message?.sequence == null) return
  const add = adderOf({ __typename: 'Message', ...message, sequence: message.sequence })
  cache.batch({
    update: (batch) => {
      batch.modify<Lists>({ fields: { messages: add } })
      for (const id of topicsNamed(batch, message.topic)) {
        batch.modify<Lists>({ id, fields: { messages: add } })
      }
    },
  })
}

interface Lists {
  readonly [field: string]: unknown
  readonly messages: Connection
}

interface Details {
  readonly readField: unknown
  readonly toReference: (object: StoreObject, mergeIntoStore?: boolean) => Reference | undefined
}

type Added = LiveMessage & { readonly sequence: number }

function adderOf(message: Added) {
  return (value: unknown, { readField, toReference }: Details): never => {
    const existing = value as Connection // as the policy keeps it
    const node = isIn(existing.carillonFilter, message)
      ? toReference(message as unknown as StoreObject, true)
      : undefined
    if (node === undefined) return existing as never
    const read = readField as ReadField
    const entry = { ...entryOf(node, read), sequence: message.sequence }
    const list = listOf(existing, read)
    const changed = withLive(list, entry)
    return (changed === list ? existing : connectionOf(existing, changed)) as never
  }
}

/** Lists of a topic by its own field do not say which topic: they are found by it. */
function isIn(filter: Filter | undefined, { topic, from, type }: Added): boolean {
  if (filter === undefined || (filter.topic ?? topic) !== topic) return false
  const isFrom = filter.from == null || (from !== undefined && filter.from.includes(from))
  return isFrom && (filter.types == null || (type !== undefined && filter.types.includes(type)))
}

/** The ids in the cache of what `Query.topic` has answered. */
function topicsNamed(cache: ApolloCache, name: string): readonly string[] {
  const ids: string[] = []
  cache.modify<Record<string, unknown>>({
    fields: (value, { fieldName, readField, isReference }) => {
      const isTopic = fieldName === 'topic' && isReference(value)
      if (isTopic && readField('name', value) === name) ids.push(value.__ref)
      return value
    },
  })
  return ids
}

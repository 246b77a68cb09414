import type { FieldPolicy, InMemoryCacheConfig } from '@apollo/client'
import type { FieldMergeFunction } from '@apollo/client/cache'
import { withPage } from '../links/message-list.ts'
import { type Connection, connectionOf, type Filter, listOf, type ReadField } from './connection.ts'

/**
 * Configuration for the cache: `new InMemoryCache(carillonCache())`. All pages of the messages of a topic are one list: ordered by
 * sequence, without doubles, however they were asked for. `addMessage` puts live messages into it. Queries have to select `id` and
 * `sequence` of the messages, and `startCursor`, `endCursor`, `hasPreviousPage` and `hasNextPage` of `pageInfo`.
 *
 * A page that was asked for without a cursor takes the place of a list that it does not touch, as after a long time offline:
 * else there would be a hole between them. So does any page of a new epoch.
 */
export function carillonCache() {
  const last: FieldPolicy = { merge: (_existing, incoming) => incoming }
  return {
    possibleTypes: {
      Node: ['Consumer', 'DeadLetter', 'Message', 'Topic'],
      TopicEvent: ['CaughtUpEvent', 'GapEvent', 'MessageEvent', 'SnapshotEvent'],
    },
    typePolicies: {
      Query: { fields: { messages: messagesOf(['topic', 'from', 'types']) } },
      Topic: { fields: { messages: messagesOf(['from', 'types']) } },
      PresenceMember: { keyFields: false },
      Snapshot: { keyFields: false },
      Subscription: { fields: { events: last, presence: last } },
    },
  } satisfies InMemoryCacheConfig
}

/** @param keyArgs the arguments that make another list; all others only say which part of it */
function messagesOf(keyArgs: string[]): FieldPolicy<Connection> {
  return { keyArgs, merge }
}

const merge: FieldMergeFunction<Connection, Connection> = (existing, incoming, options) => {
  const args: Record<string, unknown> = options.args ?? {}
  const read = options.readField as ReadField // of fields that are what the schema says
  const page = listOf(incoming, read)
  const { topic, from, types } = args as Filter
  return connectionOf(
    { ...existing, ...incoming, carillonFilter: { topic, from, types } },
    existing === undefined ? page : withPage(listOf(existing, read), page, args),
  )
}

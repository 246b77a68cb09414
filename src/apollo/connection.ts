import type { Reference } from '@apollo/client'
import type { Entry, MessageList } from '../links/message-list.ts'
import type { PageInfo } from '../links/page-info.ts'

interface Edge {
  readonly __typename?: string
  readonly cursor?: string
  readonly node: Reference
  /** That of the message, which is not read again from the cache for each change of its list. No field of the schema. */
  readonly carillonSequence?: number
}

/** A `MessageConnection` as the cache keeps it: with what was asked for, and in whatever form messages were asked for in both. */
export interface Connection {
  readonly __typename?: string
  readonly edges?: readonly Edge[]
  readonly nodes?: readonly Reference[]
  readonly pageInfo?: PageInfo
  readonly headSequence?: number
  /** Which messages are in it. No field of the schema. */
  readonly carillonFilter?: Filter
}

export interface Filter {
  readonly topic?: string | undefined
  readonly from?: readonly string[] | null | undefined
  readonly types?: readonly string[] | null | undefined
}

/** Reads fields of messages that are in the cache. */
export type ReadField = <T>(field: string, message: Reference) => T | null | undefined

/** Ephemeral messages are in no list. */
export function entryOf(node: Reference, read: ReadField): Entry<Reference> {
  const sequence = read<number>('sequence', node)
  if (typeof sequence === 'number') return { node, sequence, cursor: read('cursor', node) ?? null }
  throw new Error('Select `sequence` of the messages: their list is ordered by it.')
}

export function listOf(
  { edges, nodes = [], pageInfo = {} }: Connection,
  read: ReadField,
): MessageList<Reference> {
  const entries =
    edges?.map((edge) => entryOfEdge(edge, read)) ?? nodes.map((node) => entryOf(node, read))
  return { entries, pageInfo }
}

function entryOfEdge(
  { node, cursor, carillonSequence: sequence }: Edge,
  read: ReadField,
): Entry<Reference> {
  if (sequence !== undefined) return { node, sequence, cursor: cursor ?? null }
  return { ...entryOf(node, read), ...(cursor === undefined ? {} : { cursor }) }
}

export function connectionOf(
  connection: Connection,
  { entries, pageInfo }: MessageList<Reference>,
): Connection {
  const newest = entries.at(-1)?.sequence ?? 0
  const { headSequence } = connection
  return {
    ...connection,
    edges: entries.map(({ node, sequence, cursor }) => ({
      __typename: 'MessageEdge',
      node,
      carillonSequence: sequence,
      ...(cursor === null ? {} : { cursor }),
    })),
    nodes: entries.map(({ node }) => node),
    pageInfo,
    ...(headSequence === undefined ? {} : { headSequence: Math.max(headSequence, newest) }),
  }
}

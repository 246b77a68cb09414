import { readCursor } from '../client/cursor.ts'
import { type Entry, type MessageList, withLive, withPage } from '../links/message-list.ts'
import type { PageInfo } from '../links/page-info.ts'

/** The cache of `@urql/exchange-graphcache`, as far as it is touched, so that who does not use it need not have it. */
export interface GraphCache {
  resolve(entity: string, field: string, args?: Args | null): unknown
  inspectFields(entity: string): readonly FieldOfEntity[]
  keyOfEntity(entity: { readonly __typename: string; readonly id: string }): string | null
  link(entity: string, field: string, args: Args | null | undefined, value: string[]): void
}

type Args = Record<string, unknown>

interface FieldOfEntity {
  readonly fieldKey: string
  readonly fieldName: string
  readonly arguments: Args | null
}

interface Info {
  readonly parentKey: string
  readonly fieldName: string
}

/** The field of the cache that live messages of a topic are in. No field of the schema. */
const LIVE = 'carillonLive'

/** Arguments that make another list; all others only say which part of it. */
const KEY_ARGS = ['topic', 'from', 'types']

/**
 * For `cacheExchange` of Graphcache: all pages of the messages of a topic, and what subscriptions to `messages` and `events`
 * deliver, are one list, ordered by sequence, without doubles. Queries and subscriptions have to select `id`, `topic`, `sequence` and
 * `cursor` of the messages, lists that are filtered `from` and `type`, and queries the four fields of `pageInfo`.
 */
export function carillonCache() {
  return {
    keys: {
      MessageConnection: () => null,
      MessageEdge: () => null,
      PageInfo: () => null,
      MessageEvent: () => null,
      CaughtUpEvent: () => null,
      GapEvent: () => null,
      SnapshotEvent: () => null,
      Snapshot: () => null,
    },
    resolvers: { Query: { messages: resolveMessages } },
    updates: {
      Subscription: {
        messages: (result: Args, _args: unknown, cache: GraphCache) => {
          addLive(cache, result.messages)
        },
        events: (result: Args, _args: unknown, cache: GraphCache) => {
          addLive(cache, (result.events as { message?: unknown } | null)?.message)
        },
      },
    },
  }
}

function addLive(cache: GraphCache, delivered: unknown): void {
  const message = delivered as { id: string; topic: string; sequence?: number | null } | undefined
  if (message?.sequence == null) return
  const key = cache.keyOfEntity({ __typename: 'Message', id: message.id })
  if (key === null) return
  const { topic } = message
  const all = keysIn(cache.resolve('Query', LIVE, { topic }))
  // A new numbering begins a new list: sequences of two say nothing about their order.
  const epoch = epochOf(cache, key)
  const live = all.filter((one) => epochOf(cache, one) === epoch)
  cache.link('Query', LIVE, { topic }, [...live.filter((one) => one !== key), key])
}

function epochOf(cache: GraphCache, key: string): string | undefined {
  const cursor = cache.resolve(key, 'cursor')
  return typeof cursor === 'string' ? readCursor(cursor)?.epoch : undefined
}

/** Undefined where the page that is asked for is not there: then it is fetched. */
function resolveMessages(_parent: unknown, args: Args, cache: GraphCache, info: Info) {
  const { parentKey, fieldName } = info
  if (cache.resolve(parentKey, fieldName, args) == null) return undefined
  let list: MessageList<string> | undefined
  let headSequence = 0
  for (const one of cache.inspectFields(parentKey)) {
    if (one.fieldName !== fieldName || !isSameList(one.arguments, args)) continue
    const page = pageAt(cache, cache.resolve(parentKey, one.fieldKey))
    if (page === undefined) continue
    list = list === undefined ? page : withPage(list, page, one.arguments ?? {})
    headSequence = Math.max(headSequence, page.headSequence)
  }
  if (list === undefined) return undefined
  return connectionOf(withLiveOf(cache, list, args), headSequence)
}

function withLiveOf(cache: GraphCache, list: MessageList<string>, args: Args): MessageList<string> {
  const live = keysIn(cache.resolve('Query', LIVE, { topic: args.topic }))
    .filter((key) => isIn(cache, key, args))
    .map((key) => entryOf(cache, key))
    .sort((one, other) => one.sequence - other.sequence)
  return live.reduce<MessageList<string>>((all, entry) => withLive(all, entry), list)
}

function isIn(cache: GraphCache, key: string, { from, types }: Args): boolean {
  const isFrom = !Array.isArray(from) || from.includes(cache.resolve(key, 'from'))
  return isFrom && (!Array.isArray(types) || types.includes(cache.resolve(key, 'type')))
}

function isSameList(one: Args | null, other: Args): boolean {
  return KEY_ARGS.every((key) => text(one?.[key]) === text(other[key]))
}

function text(value: unknown): string {
  return JSON.stringify(value ?? null)
}

function pageAt(cache: GraphCache, connection: unknown) {
  if (typeof connection !== 'string') return undefined
  const edges = keysIn(cache.resolve(connection, 'edges'))
  const nodes =
    edges.length > 0
      ? edges.flatMap((edge) => keysIn([cache.resolve(edge, 'node')]))
      : keysIn(cache.resolve(connection, 'nodes'))
  return {
    entries: nodes.map((key) => entryOf(cache, key)),
    pageInfo: pageInfoOf(cache, cache.resolve(connection, 'pageInfo')),
    headSequence: Number(cache.resolve(connection, 'headSequence') ?? 0),
  }
}

function pageInfoOf(cache: GraphCache, key: unknown): PageInfo {
  if (typeof key !== 'string') return {}
  const fields = ['startCursor', 'endCursor', 'hasPreviousPage', 'hasNextPage']
  return Object.fromEntries(
    fields
      .map((field) => [field, cache.resolve(key, field)] as const)
      .filter(([, value]) => value !== undefined),
  )
}

function entryOf(cache: GraphCache, key: string): Entry<string> {
  const sequence = cache.resolve(key, 'sequence')
  if (typeof sequence !== 'number') {
    throw new Error('Select `sequence` of the messages: their list is ordered by it.')
  }
  const cursor = cache.resolve(key, 'cursor')
  return { node: key, sequence, cursor: typeof cursor === 'string' ? cursor : null }
}

function connectionOf({ entries, pageInfo }: MessageList<string>, headSequence: number) {
  return {
    __typename: 'MessageConnection',
    nodes: entries.map(({ node }) => node),
    edges: entries.map(({ node, cursor }) => ({ __typename: 'MessageEdge', node, cursor })),
    pageInfo: { __typename: 'PageInfo', ...pageInfo },
    headSequence: Math.max(headSequence, entries.at(-1)?.sequence ?? 0),
  }
}

function keysIn(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((one) => typeof one === 'string') : []
}

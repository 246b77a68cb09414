import type { Call } from './call.ts'
import { DOCUMENTS } from './documents.ts'
import { type At, cursorOf, type Message } from './message.ts'
import type { Filters } from './subscribe-options.ts'

/** Which page. With neither `first` nor `last`: the newest 25, or the 25 that follow `after`. */
export interface HistoryOptions extends Omit<Filters, 'echo'> {
  /** The oldest so many, 1 to 1000. Not together with `last`. */
  readonly first?: number | undefined
  /** The newest so many, 1 to 1000. */
  readonly last?: number | undefined
  /** Behind a message that the client has, or its cursor. Not together with `before`. */
  readonly after?: At | undefined
  /** In front of a message that the client has, or its cursor. */
  readonly before?: At | undefined
  /** How long it may take in all, in milliseconds. Default: that of the client. */
  readonly timeout?: number | undefined
}

/** A page of history, always oldest first. */
export interface Page<T = unknown> {
  readonly messages: readonly Message<T>[]
  /** Whether there are more in the direction that was asked for: newer ones for `first` and `after`, else older ones. */
  readonly hasMore: boolean
  readonly hasNextPage: boolean
  readonly hasPreviousPage: boolean
  /** For `before` of the page in front; null where the page is empty. */
  readonly startCursor: string | null
  /** For `after` of the page behind; null where the page is empty. */
  readonly endCursor: string | null
  /** The newest sequence of the topic; 0 where it is empty. */
  readonly headSequence: number
}

export interface ReplayOptions extends Omit<Filters, 'echo'> {
  /** Behind a message, or its cursor. Default: from the beginning. */
  readonly after?: At | undefined
  /** Messages that are read at once, 1 to 1000. Default 100. */
  readonly pageSize?: number | undefined
  /** Ends it: instead of another page, its reason is thrown. */
  readonly signal?: AbortSignal | undefined
}

export interface WirePage {
  readonly messages: {
    readonly nodes: readonly Message[]
    readonly headSequence: number
    readonly pageInfo: Omit<Page, 'messages' | 'hasMore' | 'headSequence'>
  }
}

/** @throws CarillonError INVALID_LIMIT, INVALID_HISTORY_OPTS, INVALID_CURSOR, CURSOR_EXPIRED, PERMISSION_DENIED, … */
export async function readPage<T>(
  call: Call,
  topic: string,
  { timeout, after, before, ...rest }: HistoryOptions,
): Promise<Page<T>> {
  const variables = { topic, ...rest, after: cursorOf(after), before: cursorOf(before) }
  const page = await call<WirePage>(DOCUMENTS.history, variables, timeout)
  const { nodes, pageInfo, headSequence } = page.messages
  const isForward = rest.first ?? (after && !rest.last)
  return {
    ...pageInfo,
    hasMore: isForward ? pageInfo.hasNextPage : pageInfo.hasPreviousPage,
    headSequence,
    messages: nodes.map((node) => Object.freeze(node) as Message<T>), // as the caller says
  }
}

/** Everything up to the present, oldest first, a page at a time; it ends by itself. */
export async function* replay<T>(
  call: Call,
  topic: string,
  { after, pageSize = 100, signal, ...rest }: ReplayOptions,
): AsyncGenerator<Message<T>, void> {
  for (let from = after; ; ) {
    signal?.throwIfAborted()
    const page = await readPage<T>(call, topic, { ...rest, first: pageSize, after: from })
    yield* page.messages
    if (!page.hasNextPage || !page.endCursor) return
    from = page.endCursor
  }
}

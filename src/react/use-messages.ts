import { useMemo, useSyncExternalStore } from 'react'
import type { Message } from '../client/message.ts'
import type { Gap } from '../protocol/errors.ts'
import { type ListOptions, MessageList, type MessageListState } from './message-list.ts'
import { useCarillon } from './provider.ts'
import { useLatest } from './use-latest.ts'

export interface UseMessagesOptions<T = unknown> extends ListOptions {
  /** Told of each message as it comes, also of history when it begins, and of ephemeral ones. Default: nobody is told. */
  readonly onMessage?: ((message: Message<T>) => void) | undefined
  /**
   * Told which messages can no longer be delivered. Where the numbering started again, the list begins anew. Default:
   * nobody is told.
   */
  readonly onGap?: ((gap: Gap) => void) | undefined
}

export interface UseMessagesResult<T = unknown> extends MessageListState<T> {
  /** Reads a page of earlier messages. Resolves when it is there, or `error` says why not. Always the same function. */
  readonly loadEarlier: () => Promise<void>
}

/**
 * The messages of a topic: history and what comes live as one list, in order and once, through every lost connection. Another topic or
 * other filters begin another list; callbacks may be new each time. `T` is what payloads are: nothing checks it here; a server can.
 */
export function useMessages<T = unknown>(
  topic: string,
  options: UseMessagesOptions<T> = {},
): UseMessagesResult<T> {
  const client = useCarillon()
  const { history, keep, types, from, echo, onMessage, onGap } = options
  const latest = useLatest({ onMessage, onGap })
  const chosen = JSON.stringify({ history, keep, types, from, echo })
  const list = useMemo(() => {
    const listeners = () => latest.current as { onMessage?: (message: Message) => void } // as the caller says
    return new MessageList(client, topic, { ...(JSON.parse(chosen) as ListOptions), listeners })
  }, [client, topic, chosen, latest])
  const state = useSyncExternalStore(list.subscribe, list.getSnapshot, list.getServerSnapshot)
  return useMemo(
    () => ({ ...(state as MessageListState<T>), loadEarlier: list.loadEarlier }),
    [state, list],
  )
}

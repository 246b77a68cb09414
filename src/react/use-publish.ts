import { useMemo } from 'react'
import type { Message } from '../client/message.ts'
import type { OutgoingMessage } from '../client/outgoing-message.ts'
import type { PublishOptions } from '../client/publish-options.ts'
import { Outbox } from './outbox.ts'
import { useCarillon } from './provider.ts'

export interface UsePublishResult<T = unknown> {
  /** Resolves with the message as it is stored. Rejects with a `CarillonError`. */
  readonly publish: (payload: T, options?: PublishOptions) => Promise<Message<T>>
  /**
   * Publishes a message that is shown at once: it is in `outgoing` of `useMessages` until it is stored, and then in `messages`,
   * without a moment in which it is in both or in none.
   * @throws CarillonError INVALID_TOPIC_NAME
   */
  readonly send: (payload: T, options?: PublishOptions) => OutgoingMessage<T>
}

/** How to publish to a topic: always the same functions for the same topic. */
export function usePublish<T = unknown>(topic: string): UsePublishResult<T> {
  const client = useCarillon()
  return useMemo(
    () => ({
      publish: async (payload, options) => client.topic<T>(topic).publish(payload, options),
      send: (payload, options) =>
        Outbox.of(client, topic).send(payload, options) as OutgoingMessage<T>, // of this payload
    }),
    [client, topic],
  )
}

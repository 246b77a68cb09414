import { uniqueId } from './unique-id.ts'

export interface PublishOptions {
  /** What kind of event this is, 1 to 128 characters. Default `message`. */
  readonly type?: string | undefined
  /**
   * 1 to 128 characters: the same key in the same topic again is the same message. Default: one that is made for each
   * publish. An ephemeral message has none.
   */
  readonly idempotencyKey?: string | undefined
  /** Any JSON value of at most 4 KiB, carried along unread. Default: none. */
  readonly metadata?: unknown
  /** The only users that may see it, 1 to 1000. Default: everyone. */
  readonly to?: readonly string[] | undefined
  /**
   * Fan out only: not stored, never replayed. It is sent once, at once: where the connection is lost before the answer, or there
   * is none, that is an error, and nothing is tried again. Default false.
   */
  readonly ephemeral?: boolean | undefined
  /** Says that the payload is end-to-end encrypted. Default false. */
  readonly encrypted?: boolean | undefined
  /** Seconds until it expires, 1 to 315360000. Default: never. */
  readonly ttl?: number | undefined
  /** Publish only if the head of the topic is this sequence, else SEQUENCE_CONFLICT; 0 for an empty topic. Default: whatever it is. */
  readonly expectedHead?: number | undefined
  /** How long it may take in all, in milliseconds: waiting for a connection, sending, trying again. Default: that of the client. */
  readonly timeout?: number | undefined
}

/** With a key, by which the server knows it again. Ephemeral messages have none. */
export function keyed(options: PublishOptions): PublishOptions {
  const { ephemeral, idempotencyKey = ephemeral ? undefined : uniqueId() } = options
  return { ...options, idempotencyKey }
}

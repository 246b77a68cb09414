import type { Gap } from '../protocol/errors.ts'
import type { CarillonError } from './error.ts'
import type { At, Message, Snapshot } from './message.ts'

/**
 * Told of a message. One that answers a promise is waited for before it is told of the next one: it never runs twice at the
 * same time. What it throws, or rejects with, goes to `onError` of the client, and it goes on with the next message.
 */
export type MessageHandler<T> = (message: Message<T>) => unknown

/** Which messages. */
export interface Filters {
  /** Only those of these types, at most 100. Default: of all. */
  readonly types?: readonly string[] | undefined
  /** Only those from these users, at most 100. Default: from all. */
  readonly from?: readonly string[] | undefined
  /** False: not those that this same client published. Default true. */
  readonly echo?: boolean | undefined
}

/** Where to begin: at the present, unless one of these says otherwise. */
export interface Start {
  /** Behind a message, or its cursor. */
  readonly after?: At | undefined
  /** With the newest so many messages, 1 to 1000. */
  readonly last?: number | undefined
  /** Behind what this durable consumer has acknowledged; at the beginning of the topic where it never has. */
  readonly consumer?: string | undefined
}

export interface SubscribeOptions extends Filters, Start {
  /**
   * At most so many messages a second, 1 or more; when more come, the oldest of each second are left out. Default: all.
   */
  readonly limit?: number | undefined
  /**
   * Told which messages can no longer be delivered: the topic no longer keeps them, or its numbering started again. It
   * goes on behind them. Default: `onError` of the client is told, with CURSOR_EXPIRED.
   */
  readonly onGap?: ((gap: Gap) => unknown) | undefined
  /** Told once, when all that was kept has been delivered and what follows is live. Default: nobody is told. */
  readonly onCaughtUp?: (() => unknown) | undefined
  /**
   * Told the newest snapshot of the topic, where there is one: what came after it follows. Default: no snapshot is asked for.
   */
  readonly snapshot?: ((snapshot: Snapshot) => unknown) | undefined
  /** Told why the subscription has ended by itself, such as PERMISSION_DENIED. Default: `onError` of the client. */
  readonly onError?: ((error: CarillonError) => void) | undefined
}

export interface Subscription extends Disposable {
  /** No message comes any more. Doing it twice does nothing. */
  unsubscribe(): void
  /** Resolves once it has ended, by `unsubscribe()`, by `close()` of the client, or by itself. */
  readonly ended: Promise<void>
}

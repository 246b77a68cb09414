import type { AnyMessage } from '../core/message.ts'
import type { Subscription } from './subscription.ts'

/** Called with each message, one after the other: the next waits until a promise has settled. */
export type MessageHandler = (message: AnyMessage) => unknown

/** A subscription with a handler. */
export interface HandlerSubscription
  extends Pick<Subscription, 'dropped' | 'isPaused' | 'resume'>,
    AsyncDisposable {
  /** Ends the subscription; no call of the handler begins after this. Idempotent. */
  unsubscribe(): Promise<void>
  /**
   * Settles when the subscription has ended: rejects with what the handler threw, which ends it, or
   * with the error that ended it.
   */
  readonly ended: Promise<void>
}

/** Hands the messages of a subscription to a handler until it ends. */
export function handle(subscription: Subscription, handler: MessageHandler): HandlerSubscription {
  const ended = run(subscription, handler)
  ended.catch(() => undefined) // who wants to know awaits `ended`
  const unsubscribe = async () => subscription.close()
  return {
    ended,
    unsubscribe,
    get dropped() {
      return subscription.dropped
    },
    get isPaused() {
      return subscription.isPaused
    },
    resume: () => subscription.resume(),
    [Symbol.asyncDispose]: unsubscribe,
  }
}

async function run(subscription: Subscription, handler: MessageHandler): Promise<void> {
  for await (const message of subscription) {
    if (subscription.isClosed) return // it was handed over before the subscription ended
    await handler(message)
  }
}

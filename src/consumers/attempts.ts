import { inspect } from 'node:util'
import type { Message } from '../core/message.ts'
import type { ConsumerHandler } from './consume-request.ts'
import type { Failure } from './dead-letter-store.ts'
import type { Pause } from './patience.ts'
import { delayAfter, type RetryPolicy } from './retry.ts'

/** How much is kept of what a handler failed with, in UTF-16 code units. */
const MAX_ERROR_LENGTH = 1_000

export interface AttemptParts {
  readonly handler: ConsumerHandler
  readonly retry: RetryPolicy
  readonly pause: Pause
  /** Aborted where the topic is another's: told to the handler. */
  readonly lost: AbortSignal
  /** Aborted where no further attempt shall begin. */
  readonly interrupted: AbortSignal
  /** Resolves with whether the next attempt may begin. */
  readonly mayGoOn: () => Promise<boolean>
}

/** What became of a message. */
export type Handled =
  | { readonly kind: 'handled' }
  | { readonly kind: 'failed'; readonly failure: Failure }
  | { readonly kind: 'interrupted' }

/** Hands a message to the handler, again and again where it fails, as often as the policy says. */
export async function attempt(message: Message, parts: AttemptParts): Promise<Handled> {
  const { handler, retry, lost, interrupted } = parts
  for (let attempts = 1; ; attempts++) {
    try {
      await handler(message, { attempt: attempts, signal: lost })
      return { kind: 'handled' }
    } catch (error) {
      if (attempts >= retry.attempts) {
        return { kind: 'failed', failure: { attempts, error: textOf(error) } }
      }
      await parts.pause(delayAfter(attempts, retry, Math.random()), interrupted)
      if (!(await parts.mayGoOn())) return { kind: 'interrupted' }
    }
  }
}

/** What can be stored of anything that is thrown; databases take no NUL. */
function textOf(error: unknown): string {
  const text = error instanceof Error ? error.message || error.name : inspect(error)
  return text.slice(0, MAX_ERROR_LENGTH).replaceAll('\0', '\uFFFD').toWellFormed()
}

import { backoffMs } from './backoff.ts'
import type { Context } from './context.ts'
import type { CarillonError } from './error.ts'
import { pause } from './timing.ts'

export interface Tries {
  /** How many have failed before, one after the other. */
  readonly failures: number
  /** By `performance.now()`. */
  readonly deadline: number
}

/** Waits until another try may be better; rejects with the error where none will be by the deadline. */
export async function recover(
  { connector, backoff }: Context,
  error: CarillonError,
  { failures, deadline }: Tries,
): Promise<void> {
  const { code, retryable, retryAfterMs } = error
  if (connector.end) throw connector.end
  if (code === 'NETWORK_ERROR') return // the next connection will tell
  if (code === 'UNAUTHENTICATED' && failures === 0 && (await connector.renew())) return
  const waitMs = retryAfterMs ?? backoffMs(failures, backoff)
  if (!retryable || performance.now() + waitMs > deadline) throw error
  await pause(waitMs)
}

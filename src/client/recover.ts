import { type BackoffOptions, backoffMs } from './backoff.ts'
import type { Connector } from './connector.ts'
import type { CarillonError } from './error.ts'
import { pause } from './timing.ts'

/** Waits until another try may be better; rejects with the error where none will be by the deadline. */
export type Recover = (error: CarillonError, failures: number, deadline: number) => Promise<void>

export function recoverer(connector: Readonly<Connector>, backoff?: BackoffOptions): Recover {
  return async (error, failures, deadline) => {
    const { code, retryable, retryAfterMs } = error
    if (connector.end) throw connector.end
    if (code === 'NETWORK_ERROR') return // the next connection will tell
    if (code === 'UNAUTHENTICATED' && failures === 0 && (await connector.renew())) return
    const waitMs = retryAfterMs ?? backoffMs(failures, backoff)
    if (!retryable || performance.now() + waitMs > deadline) throw error
    await pause(waitMs)
  }
}

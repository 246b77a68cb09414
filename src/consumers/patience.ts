import { setTimeout as delay } from 'node:timers/promises'
import { CarillonError } from '../protocol/errors.ts'

/** Waits so many milliseconds, or until the signal is aborted. Does not reject. */
export type Pause = (ms: number, signal: AbortSignal) => Promise<void>

/** How long after a fault of the database the same is tried again, in milliseconds. */
export const RETRY_MS = 1_000

export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (!signal.aborted) await delay(ms, undefined, { signal }).catch(() => undefined)
}

export interface PatienceOptions {
  readonly pause: Pause
  readonly signal: AbortSignal
}

/**
 * Tries again where the database is away, until it is back; undefined where the signal is aborted before.
 * Rejects with what does not pass by itself.
 */
export async function patiently<T>(
  work: () => Promise<T>,
  { pause, signal }: PatienceOptions,
): Promise<T | undefined> {
  for (;;) {
    try {
      return await work()
    } catch (error) {
      if (!isPassing(error)) throw error
      await pause(RETRY_MS, signal)
      if (signal.aborted) return undefined
    }
  }
}

/** Whether an error means that the same can succeed later. */
export function isPassing(error: unknown): boolean {
  return error instanceof CarillonError && error.retryable
}

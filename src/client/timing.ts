import type { CarillonError } from './error.ts'

/** What a timer can wait for at most, in milliseconds; more would be no wait at all. */
const MAX_TIMER_MS = 2 ** 31 - 1

/** What ends work before its time. */
export interface Limits {
  /** By `performance.now()`. */
  readonly deadline: number
  readonly signal?: AbortSignal | undefined
}

/** Calls back once, after so many milliseconds; answers how to call it off. */
export function after(ms: number, callback: () => void): () => void {
  const timer = setTimeout(callback, Math.min(Math.max(0, ms), MAX_TIMER_MS))
  return () => clearTimeout(timer)
}

/** Waits; less where the signal is aborted meanwhile. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted === true) return resolve()
    const done = () => {
      cancel()
      signal?.removeEventListener('abort', done)
      resolve()
    }
    const cancel = after(ms, done)
    signal?.addEventListener('abort', done)
  })
}

/** The point in time that is so many milliseconds away. */
export function deadlineIn(ms: number): number {
  return performance.now() + ms
}

/** Rejects where the work takes longer than its limits; the work itself is not ended. */
export function within<T>(
  { deadline, signal }: Limits,
  tooLate: () => CarillonError,
  work: Promise<T>,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => settle(() => reject(signal?.reason))
    const cancel =
      deadline === Number.POSITIVE_INFINITY
        ? () => {}
        : after(deadline - performance.now(), () => settle(() => reject(tooLate())))
    const settle = (how: () => void) => {
      cancel()
      signal?.removeEventListener('abort', abort)
      how()
    }
    if (signal?.aborted === true) return abort()
    signal?.addEventListener('abort', abort)
    work.then(
      (value) => settle(() => resolve(value)),
      (error) => settle(() => reject(error)),
    )
  })
}

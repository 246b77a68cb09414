import { CarillonError, type CarillonErrorCode } from './error.ts'

/** What a timer can wait for at most, in milliseconds; more would be no wait at all. */
const MAX_TIMER_MS = 2 ** 31 - 1

/** Calls back once, after so many milliseconds; answers how to call it off. */
export function after(ms: number, callback: () => void): () => void {
  const timer = setTimeout(callback, Math.min(ms, MAX_TIMER_MS))
  return () => clearTimeout(timer)
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => after(ms, resolve))
}

/** By `performance.now()`: the point in time that is so many milliseconds away. */
export function deadlineIn(ms: number): number {
  return performance.now() + ms
}

/** Rejects with an error of this code where the work takes longer; the work itself is not ended. */
export function within<T>(deadline: number, code: CarillonErrorCode, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const cancel = after(deadline - performance.now(), () => reject(new CarillonError(code)))
    work.finally(cancel).then(resolve, reject)
  })
}

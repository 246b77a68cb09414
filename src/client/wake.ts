/** Timers are late by less than this, in milliseconds, unless the machine or the tab was asleep. */
const ASLEEP_MS = 3_000

const TICK_MS = 2_000

/** Where a browser tells of what wakes a page. Elsewhere there is nothing of it. */
interface Scope {
  addEventListener?(type: string, listener: () => void, until: { signal: AbortSignal }): void
  readonly document?: Scope & { readonly visibilityState?: string }
}

/**
 * Tells when it is worth looking at the connection at once: the network is back, the page is shown again, or the
 * clock has jumped because the machine slept. Answers how to stop.
 */
export function onWake(wake: () => void): () => void {
  const scope = globalThis as Scope
  const { document } = scope
  const show = () => {
    if (document?.visibilityState !== 'hidden') wake()
  }
  let last = Date.now()
  const clock = setInterval(() => {
    const now = Date.now()
    if (now - last > TICK_MS + ASLEEP_MS) wake()
    last = now
  }, TICK_MS)
  const listening = new AbortController()
  for (const type of ['online', 'pageshow']) scope.addEventListener?.(type, wake, listening)
  document?.addEventListener?.('visibilitychange', show, listening)
  return () => {
    listening.abort()
    clearInterval(clock)
  }
}

import { setTimeout as sleep } from 'node:timers/promises'

const POLL_MS = 50

/** Whether it came about in time. */
export async function until(
  isSo: () => Promise<boolean>,
  { withinMs }: { readonly withinMs: number },
): Promise<boolean> {
  const end = performance.now() + withinMs
  do {
    if (await isSo()) return true
    await sleep(POLL_MS)
  } while (performance.now() < end)
  return false
}

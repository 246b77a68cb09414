import { setTimeout as sleep } from 'node:timers/promises'
import type { Received } from './subscribers.ts'

/** How long a published probe is given to arrive before the next is sent, in milliseconds. */
const PROBE_MS = 100
const MAX_PROBES = 100
const POLL_MS = 50

type Receiving = () => Promise<Received>

/**
 * Nothing in the protocol says when a subscription has begun: its first message does. Publishes
 * until every client has got one, and waits until no more are under way.
 */
export async function untilLive(publish: () => Promise<void>, receiving: Receiving): Promise<void> {
  for (let probes = 0; probes < MAX_PROBES; probes++) {
    await publish()
    await sleep(PROBE_MS)
    const { fewest } = await receiving()
    if (fewest > 0) return await untilQuiet(receiving)
  }
  throw new Error('Not every client was subscribed in time.')
}

async function untilQuiet(receiving: Receiving): Promise<void> {
  let { frames } = await receiving()
  for (let before = -1; frames !== before; ) {
    before = frames
    await sleep(PROBE_MS)
    frames = (await receiving()).frames
  }
}

/** Whether every client that reads has got that many messages in time. */
export async function hasAll(
  receiving: Receiving,
  { messages, withinMs }: { readonly messages: number; readonly withinMs: number },
): Promise<boolean> {
  const until = performance.now() + withinMs
  do {
    if ((await receiving()).fewest >= messages) return true
    await sleep(POLL_MS)
  } while (performance.now() < until)
  return false
}

// A server that tells its parent how much memory it needs. Run with --expose-gc.
import { createCarillon } from 'carillon'

const carillon = await createCarillon({
  dataDir: 'memory:',
  logLevel: 'silent',
  limits: { initTimeoutMs: 60_000 }, // a hundred connect at once, from a process that may have to wait
})
const { url } = await carillon.listen({ port: 0 })

/** What is left once everything has gone that can: some of it goes in later turns of the event loop. */
async function heapUsed() {
  for (let n = 0; n < 5; n++) {
    await new Promise((resolve) => setTimeout(resolve, 50))
    globalThis.gc()
  }
  return process.memoryUsage().heapUsed
}

/** So many at once. */
const AT_ONCE = 100

async function subscribeAndLeave(count) {
  for (let n = 0; n < count; n += AT_ONCE) {
    const subscribing = Array.from({ length: AT_ONCE }, async () => {
      const subscription = await carillon.subscribe({ topics: ['memory:library', 'memory:*'] })
      await subscription.return()
    })
    await Promise.all(subscribing)
  }
}

process.on('message', async ({ kind, count }) => {
  if (kind === 'subscribe') await subscribeAndLeave(count)
  process.send({ kind, heapUsed: await heapUsed() })
})
process.on('disconnect', () => process.exit(0))
process.send({ kind: 'ready', url })

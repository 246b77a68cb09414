// A process that consumes `work:*` and prints a line for each message that it has handled.
// node consumer-process.mjs DATABASE_URL NAME LEASE_MS
// SIGTERM stops it gracefully. A message with the payload "hold" is not finished before SIGUSR2.
import { once } from 'node:events'
import process from 'node:process'
import { createCarillon } from 'carillon'

const [databaseUrl, name, leaseMs] = process.argv.slice(2)
const carillon = await createCarillon({ databaseUrl, maxConnections: 4, logLevel: 'silent' })

function print(...values) {
  process.stdout.write(`${JSON.stringify(values)}\n`)
}

const consumption = await carillon.consume({
  topics: ['work:*'],
  consumer: 'worker',
  leaseMs: Number(leaseMs),
  batchSize: 5,
  handler: async ({ topic, sequence, payload }) => {
    // Listens before it says that it has begun: a signal that nobody listens to ends the process.
    const released = payload === 'hold' ? once(process, 'SIGUSR2') : undefined
    print('begun', name, topic, sequence)
    await released
    print('handled', name, topic, sequence)
  },
})

process.once('SIGTERM', async () => {
  await carillon.close()
  process.exit(0)
})

print('ready', name)
await consumption.ended

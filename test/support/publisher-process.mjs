// A process that publishes through the library and prints a line for each acknowledged message.
// node publisher-process.mjs DATABASE_URL NAME COUNT TOPIC…
import process from 'node:process'
import { createCarillon } from 'carillon'

const [databaseUrl, name, count, ...topics] = process.argv.slice(2)
const carillon = await createCarillon({ databaseUrl, maxConnections: 2, logLevel: 'silent' })

let next = 0

async function publishInTurn() {
  while (next < Number(count)) {
    const number = next++
    const topic = topics[number % topics.length]
    const { message } = await carillon.publish({ topic, payload: `${name}:${number}` })
    process.stdout.write(`${JSON.stringify([topic, message.sequence, message.payload])}\n`)
  }
}

process.stdout.write('ready\n')
await Promise.all(Array.from({ length: 8 }, publishInTurn))
await carillon.close()

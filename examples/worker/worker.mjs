// Handles every message of a topic at least once, also those that came while it was not running. Stop it with Ctrl+C.
import process from 'node:process'
import { createClient } from 'carillon/client'
import { WebSocket } from 'ws' // which Node has by itself from version 22 on

const { CARILLON_URL: url = 'http://127.0.0.1:4000/graphql', CARILLON_TOKEN: token } = process.env
const [topic = 'orders', consumer = 'worker'] = process.argv.slice(2)

const carillon = createClient({ url, token, webSocketImpl: WebSocket, clientId: consumer })
carillon.onState(({ state, reason }) =>
  console.error(`${state}${reason ? `: ${reason.message}` : ''}`),
)

const stopping = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => stopping.abort())

const orders = carillon.topic(topic)
for await (const message of orders.messages({ consumer, signal: stopping.signal })) {
  console.log(message.sequence, JSON.stringify(message.payload)) // here the work is done
  await orders.ack(message) // from here on it is not delivered to this consumer again
}
await carillon.close()

// In a worker: says how many messages came through the client, with the WebSocket of the platform where there is one.
import { parentPort, workerData } from 'node:worker_threads'
import { createClient } from 'carillon/client'

const webSocketImpl = globalThis.WebSocket ?? (await import('ws')).WebSocket
const carillon = createClient({ url: workerData.url, webSocketImpl })
const room = carillon.topic('worker:1')
const seen = []
const subscription = room.subscribe(
  ({ sequence }) => {
    seen.push(sequence)
    if (seen.length === workerData.count) subscription.unsubscribe()
  },
  { onCaughtUp: () => parentPort.postMessage('live') },
)
await subscription.ended
await carillon.close()
parentPort.postMessage(seen)

import { once } from 'node:events'
import { WebSocket } from 'ws'

/** Users that are present in a topic, each with a socket of its own; they ask for nothing that takes time to read. */
export interface PresentCrowd extends AsyncDisposable {
  readonly sockets: readonly WebSocket[]
}

export interface CrowdOptions {
  readonly socketUrl: string
  readonly topic: string
  readonly userIds: readonly string[]
}

/** Resolves once everyone is present. */
export async function openCrowd({
  socketUrl,
  topic,
  userIds,
}: CrowdOptions): Promise<PresentCrowd> {
  const sockets = await Promise.all(userIds.map((userId) => enter(socketUrl, topic, userId)))
  return {
    sockets,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.terminate()
    },
  }
}

async function enter(socketUrl: string, topic: string, userId: string): Promise<WebSocket> {
  const socket = new WebSocket(socketUrl, 'graphql-transport-ws')
  socket.on('error', () => {}) // its server is killed
  await once(socket, 'open')
  const send = (message: object) => socket.send(JSON.stringify(message))
  send({ type: 'connection_init', payload: { userId, clientId: 'tab' } })
  await once(socket, 'message')
  const query = `subscription { presence(topics: "${topic}", enter: {}) { type } }`
  send({ type: 'subscribe', id: '1', payload: { query } })
  await once(socket, 'message')
  return socket
}

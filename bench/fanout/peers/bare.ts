import { randomUUID } from 'node:crypto'
import { createServer } from 'node:http'
import { type WebSocket, WebSocketServer } from 'ws'
import { listening } from './listening.ts'
import { messageOf } from './message.ts'
import type { Body, Peer } from './peer.ts'

/** The limit of what `ws` can do: one ready frame, sent to each socket. It only plays GraphQL. */
export async function openBare(): Promise<Peer> {
  const server = createServer()
  const topics = new Map<string, Set<WebSocket>>()
  const accepted = new WebSocketServer({
    server,
    perMessageDeflate: false,
    handleProtocols: () => 'graphql-transport-ws',
  })
  accepted.on('connection', (socket) => {
    socket.on('error', () => socket.terminate())
    socket.once('message', () => {
      socket.send('{"type":"connection_ack"}')
      socket.once('message', (message) => {
        const sockets = socketsOf(topics, String(message))
        sockets.add(socket)
        socket.on('close', () => sockets.delete(socket))
      })
    })
  })
  return {
    path: '/graphql',
    port: await listening(server),
    async publish(topic, bodies) {
      for (const body of bodies) {
        const frame = frameOf(body)
        for (const socket of topics.get(topic) ?? []) socket.send(frame, { binary: false })
      }
    },
  }
}

function socketsOf(topics: Map<string, Set<WebSocket>>, subscribe: string): Set<WebSocket> {
  const topic = /bench:[\d:]+/.exec(subscribe)?.[0] ?? ''
  const sockets = topics.get(topic) ?? new Set()
  topics.set(topic, sockets)
  return sockets
}

function frameOf(body: Body): Buffer {
  const payload = { data: { messages: messageOf(body) } }
  return Buffer.from(JSON.stringify({ id: randomUUID(), type: 'next', payload }))
}

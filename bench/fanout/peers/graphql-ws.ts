import { createServer } from 'node:http'
import { buildSchema } from 'graphql'
import { useServer } from 'graphql-ws/use/ws'
import { WebSocketServer } from 'ws'
import { listening } from './listening.ts'
import { type MessagesArguments, messageOf, type PeerMessage, TYPE_DEFINITIONS } from './message.ts'
import type { Peer } from './peer.ts'
import { TopicQueues } from './topic-queues.ts'

/** By https://the-guild.dev/graphql/ws/get-started, with `ws`. */
export async function openGraphqlWs(): Promise<Peer> {
  const queues = new TopicQueues<{ readonly messages: PeerMessage }>()
  const path = '/graphql'
  const server = createServer()
  useServer(
    {
      schema: buildSchema(TYPE_DEFINITIONS),
      roots: {
        subscription: {
          messages: ({ topics: [topic = ''] }: MessagesArguments) => queues.subscribe(topic),
        },
      },
    },
    new WebSocketServer({ server, path }),
  )
  return {
    path,
    port: await listening(server),
    async publish(topic, bodies) {
      for (const body of bodies) queues.publish(topic, { messages: messageOf(body) })
    },
  }
}

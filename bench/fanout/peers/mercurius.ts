import type { AddressInfo } from 'node:net'
import { fastify } from 'fastify'
import { mercurius } from 'mercurius'
import { type MessagesArguments, messageOf, TYPE_DEFINITIONS } from './message.ts'
import type { Peer } from './peer.ts'

/** By https://mercurius.dev/#/docs/subscriptions, over its own emitter. */
export async function openMercurius(): Promise<Peer> {
  const app = fastify()
  await app.register(mercurius, {
    schema: TYPE_DEFINITIONS,
    resolvers: {
      Subscription: {
        messages: {
          subscribe: (_root: unknown, { topics }: MessagesArguments, { pubsub }) =>
            pubsub.subscribe([...topics]),
        },
      },
    },
    subscription: true,
    jit: 1,
  })
  await app.listen({ host: '127.0.0.1', port: 0 })
  return {
    path: '/graphql',
    port: (app.server.address() as AddressInfo).port,
    async publish(topic, bodies) {
      for (const body of bodies) {
        app.graphql.pubsub.publish({ topic, payload: { messages: messageOf(body) } })
      }
    },
  }
}

import { createServer } from 'node:http'
import { createRedisEventTarget } from '@graphql-yoga/redis-event-target'
import type { ExecutionArgs } from 'graphql'
import { useServer } from 'graphql-ws/use/ws'
import { createPubSub, createSchema, createYoga, type PubSub } from 'graphql-yoga'
import { Redis } from 'ioredis'
import pg from 'pg'
import { WebSocketServer } from 'ws'
import { listening } from './listening.ts'
import { type MessagesArguments, messageOf, type PeerMessage, TYPE_DEFINITIONS } from './message.ts'
import type { Peer, PeerSettings } from './peer.ts'

type Messages = { readonly messages: [topic: string, message: PeerMessage] }

/** What the recipe hands from `onSubscribe` to `execute` and `subscribe`. */
interface Enveloped {
  readonly execute: (args: ExecutionArgs) => Promise<never>
  readonly subscribe: (args: ExecutionArgs) => Promise<never>
}

/**
 * By https://the-guild.dev/graphql/yoga-server/docs/features/subscriptions: graphql-ws, its own
 * PubSub, and with a Redis its event target. With a database, each publish is an INSERT first.
 */
export async function openYoga({ databaseUrl, redisUrl }: PeerSettings): Promise<Peer> {
  const pubSub: PubSub<Messages> =
    redisUrl === undefined ? createPubSub() : createPubSub({ eventTarget: openRedis(redisUrl) })
  const record = redisUrl === undefined ? undefined : await openTable(databaseUrl)
  const schema = createSchema({
    typeDefs: TYPE_DEFINITIONS,
    resolvers: {
      Subscription: {
        messages: {
          subscribe: (_root: unknown, { topics: [topic = ''] }: MessagesArguments) =>
            pubSub.subscribe('messages', topic),
          resolve: (message: PeerMessage) => message,
        },
      },
    },
  })
  const yoga = createYoga({ schema })
  const path = yoga.graphqlEndpoint
  const server = createServer(yoga)
  serveSockets(yoga, new WebSocketServer({ server, path }))
  return {
    path,
    port: await listening(server),
    async publish(topic, bodies) {
      for (const body of bodies) {
        const message = messageOf(body)
        await record?.(topic, message)
        pubSub.publish('messages', topic, message)
      }
    },
  }
}

function serveSockets(yoga: ReturnType<typeof createYoga>, sockets: WebSocketServer): void {
  useServer(
    {
      execute: (args) => (args.rootValue as Enveloped).execute(args),
      subscribe: (args) => (args.rootValue as Enveloped).subscribe(args),
      async onSubscribe(context, _id, params) {
        const { schema, execute, subscribe, contextFactory, parse, validate } = yoga.getEnveloped({
          ...context,
          req: context.extra.request,
          socket: context.extra.socket,
          params,
        })
        const args = {
          schema,
          operationName: params.operationName ?? null,
          document: parse(params.query),
          variableValues: params.variables ?? null,
          contextValue: await contextFactory(),
          rootValue: { execute, subscribe },
        }
        const errors = validate(args.schema, args.document)
        return errors.length > 0 ? errors : args
      },
    },
    sockets,
  )
}

function openRedis(url: string) {
  return createRedisEventTarget({
    publishClient: new Redis(url),
    subscribeClient: new Redis(url),
  })
}

async function openTable(databaseUrl: string | undefined) {
  const pool = new pg.Pool({ connectionString: databaseUrl, max: 10 })
  await pool.query(
    'CREATE TABLE IF NOT EXISTS bench_messages (id text PRIMARY KEY, topic text, body jsonb)',
  )
  return (topic: string, { id, payload }: PeerMessage) =>
    pool.query('INSERT INTO bench_messages (id, topic, body) VALUES ($1, $2, $3)', [
      `${process.pid}:${id}`,
      topic,
      payload,
    ])
}

import { type Carillon, type CarillonOptions, createCarillon } from 'carillon'
import type { GraphQLInputObjectType } from 'graphql'
import type { Body, Peer, PeerSettings } from './peer.ts'

type Mode = 'durable' | 'ephemeral'

/** As docs/library.md has it: PostgreSQL where there is one, else the embedded database. */
export async function openCarillon(settings: PeerSettings): Promise<Peer> {
  const { databaseUrl, redisUrl } = settings
  const mode: Mode = settings.peer === 'carillon-ephemeral' ? 'ephemeral' : 'durable'
  const carillon = await createCarillon({
    ...databaseOptions(databaseUrl),
    ...(redisUrl === undefined ? {} : { redisUrl }),
  })
  if (mode === 'ephemeral' && !knowsEphemeral(carillon)) {
    throw new Error('This version of Carillon has no ephemeral messages.')
  }
  const { port } = await carillon.listen({ port: 0 })
  return { path: '/graphql', port, publish: publisherOf(carillon, mode) }
}

function publisherOf(carillon: Carillon, mode: Mode): Peer['publish'] {
  const asked = mode === 'ephemeral' ? { ephemeral: true } : {}
  const requestOf = (topic: string, payload: Body) => ({ topic, payload, ...asked })
  return async (topic, bodies) => {
    const [first] = bodies
    if (first !== undefined && bodies.length === 1) await carillon.publish(requestOf(topic, first))
    else await carillon.publishMany(bodies.map((body) => requestOf(topic, body)))
  }
}

function knowsEphemeral({ schema }: Carillon): boolean {
  const input = schema.getType('PublishInput') as GraphQLInputObjectType | undefined
  return input?.getFields().ephemeral !== undefined
}

/** Whether the build has ephemeral messages. Leaves a database that is migrated. */
export async function hasEphemeral(databaseUrl: string | undefined): Promise<boolean> {
  await using carillon = await createCarillon(databaseOptions(databaseUrl))
  return knowsEphemeral(carillon)
}

function databaseOptions(databaseUrl: string | undefined): CarillonOptions {
  return databaseUrl === undefined ? { dataDir: 'memory:' } : { databaseUrl }
}

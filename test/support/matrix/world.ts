import type { AnyMessage, Carillon } from 'carillon'
import { fieldOf, request, startServer, type TestServer } from '../carillon.ts'
import { SECRET, tokenOf } from '../tokens.ts'
import { AUDIENCE, TOPIC, USER } from './credentials.ts'
import type { Prepared } from './operations.ts'
import { CLIENT_ID } from './transports.ts'

/** A server with something of everything in the topic of the matrix. */
export interface World extends AsyncDisposable {
  readonly server: TestServer
  readonly prepared: Prepared
  /** A token of the user for everything. */
  readonly token: string
  /** All that an operation could change. */
  fingerprint(): Promise<unknown>
  /** Types of all messages that were delivered, ephemeral ones too. */
  delivered(): ReadonlySet<string>
}

const as = { userId: USER, clientId: CLIENT_ID }
const IDS = `query ($topic: TopicName!) {
  topic(name: $topic) { id messages { nodes { id cursor } } }
  consumer(topic: $topic, name: "mailer") { id }
  deadLetters(topic: $topic) { nodes { id } }
}`

export async function prepareWorld(): Promise<World> {
  const server = await startServer({
    jwt: { secret: SECRET, audience: AUDIENCE },
    // What the server asks the database by itself is not to be counted.
    retentionIntervalMs: 3_600_000,
    delivery: { checkIntervalMs: 3_600_000 },
    limits: { publishesPerSecondPerUser: 0, historyPagesPerUser: 1_000 },
  })
  const { carillon } = server
  const token = await tokenOf({ sub: USER, expiresIn: 600, claims: { aud: AUDIENCE } })
  for (const topic of [TOPIC, TOPIC, 'other:1']) await carillon.publish({ topic, payload: 'kept' })
  await carillon.saveSnapshot({ topic: TOPIC, sequence: 1, state: 'allowed' })
  await carillon.ack({ topic: TOPIC, consumer: 'denied', sequence: 0 }, { as })
  await failToHandle(carillon)
  const types = new Set<string>()
  const watch = (message: AnyMessage) => void types.add(message.type)
  const watching = await carillon.subscribe({ topics: ['room:*'] }, watch)
  const entered = await carillon.presence({ topics: [TOPIC], enter: { state: 'allowed' } }, { as })
  return {
    server,
    token,
    prepared: await idsOf(server, token),
    fingerprint: () => fingerprint(carillon),
    delivered: () => types,
    [Symbol.asyncDispose]: async () => {
      await entered.return()
      await watching.unsubscribe()
      await server[Symbol.asyncDispose]()
    },
  }
}

/** Leaves dead letters of the consumer `mailer`. */
async function failToHandle(carillon: Carillon): Promise<void> {
  const handler = () => {
    throw new Error('no mail today')
  }
  const mailer = { topics: [TOPIC], consumer: 'mailer', handler, retry: { attempts: 1 } }
  const consumption = await carillon.consume(mailer, { as })
  while ((await lettersIn(carillon)).length < 2) await new Promise(setImmediate)
  await consumption.stop()
}

async function idsOf({ url }: TestServer, token: string): Promise<Prepared> {
  const headers = { authorization: `Bearer ${token}` }
  const answer = await request(url, IDS, { topic: TOPIC }, headers)
  const topic = fieldOf<{ id: string; messages: Nodes }>(answer, 'topic')
  const [first, message] = topic.messages.nodes
  const [deadLetter] = fieldOf<Nodes>(answer, 'deadLetters').nodes
  const consumer = fieldOf<{ id: string }>(answer, 'consumer')
  if (first === undefined || message === undefined || deadLetter === undefined)
    throw new Error(JSON.stringify(answer))
  const ids = { topic: topic.id, message: message.id, consumer: consumer.id }
  return { topic: TOPIC, cursor: first.cursor, ids: { ...ids, deadLetter: deadLetter.id } }
}

interface Nodes {
  readonly nodes: readonly { readonly id: string; readonly cursor: string }[]
}

async function lettersIn(carillon: Carillon) {
  return (await carillon.deadLetters({ topic: TOPIC }, { as })).letters
}

async function fingerprint(carillon: Carillon): Promise<unknown> {
  const { epoch, head, tail } = (await carillon.messages({ topic: TOPIC, last: 1 })).topic
  const letters = (await lettersIn(carillon)).map(({ message }) => message.sequence)
  const ack = await carillon.ack({ topic: TOPIC, consumer: 'denied', sequence: 0 }, { as })
  const mailer = await carillon.ack({ topic: TOPIC, consumer: 'mailer', sequence: 0 }, { as })
  const members = (await carillon.members(TOPIC)).map(({ userId, state }) => ({ userId, state }))
  const snapshot = await carillon.snapshot(TOPIC)
  const acked = [ack.acked, mailer.acked]
  return { epoch, head, tail, letters, acked, members, snapshot: snapshot?.sequence }
}

import type { Action } from '../../../src/access/action.ts'

/** The topic of the matrix, and what is there before anything is asked. */
export interface Prepared {
  readonly topic: string
  readonly cursor: string
  readonly ids: {
    readonly topic: string
    readonly message: string
    readonly consumer: string
    readonly deadLetter: string
  }
}

/** How an operation is asked for. */
export interface Asked extends Prepared {
  /** What a subscription is for: the topic, or a pattern. */
  readonly target: string
  /** What is written by operations that are to be refused could be told by this. */
  readonly mark: 'allowed' | 'denied'
  /** A token of the same user. */
  readonly token: string
}

export type Kind = 'query' | 'mutation' | 'subscription'

/** An operation of the schema, with what it needs. Written by hand: nothing here is of the sources. */
export interface MatrixOperation {
  /** `Type.field`, with a remark behind a blank where a field is there more than once. */
  readonly name: string
  readonly kind: Kind
  readonly needs: readonly Action[]
  /** What is answered where it is not permitted. */
  readonly denied: 'PERMISSION_DENIED' | 'null' | 'empty'
  readonly document: (asked: Asked) => string
}

type Document = MatrixOperation['document']

function operation(
  name: string,
  needs: readonly Action[],
  document: Document,
  denied: MatrixOperation['denied'] = 'PERMISSION_DENIED',
): MatrixOperation {
  const kind = KINDS[name.slice(0, name.indexOf('.'))] ?? 'query'
  return { name, kind, needs, denied, document }
}

const KINDS: Readonly<Record<string, Kind>> = { Mutation: 'mutation', Subscription: 'subscription' }

/** A purge that would remove nothing, where it is permitted. */
const OTHER_EPOCH = 'expectedEpoch: "000000000000"'

/** A consumer of dead letters, or one that has none: what is permitted leaves them there. */
const failing: (asked: Asked) => string = ({ mark }) => (mark === 'denied' ? 'mailer' : 'nobody')

export const OPERATIONS: readonly MatrixOperation[] = [
  operation('Query.viewer', [], () => '{ viewer { userId capabilities { topics actions } } }'),
  operation('Query.topic', ['HISTORY'], ({ topic }) => `{ topic(name: "${topic}") { epoch } }`),
  operation(
    'Query.topics',
    ['HISTORY'],
    () => '{ topics(prefix: "room:") { nodes { name } } }',
    'empty',
  ),
  operation(
    'Query.messages',
    ['HISTORY'],
    ({ topic }) => `{ messages(topic: "${topic}", last: 1) { nodes { payload } } }`,
  ),
  operation(
    'Topic.messages',
    ['HISTORY'],
    ({ topic }) => `{ topic(name: "${topic}") { messages(last: 1) { nodes { payload } } } }`,
  ),
  operation(
    'Topic.presence',
    ['HISTORY', 'PRESENCE'],
    ({ topic }) => `{ topic(name: "${topic}") { presence { userId } } }`,
  ),
  operation(
    'Topic.snapshot',
    ['HISTORY'],
    ({ topic }) => `{ topic(name: "${topic}") { snapshot { state } } }`,
  ),
  operation(
    'Query.presence',
    ['PRESENCE'],
    ({ topic }) => `{ presence(topic: "${topic}") { userId } }`,
  ),
  operation(
    'Query.consumer',
    ['ACK'],
    ({ topic }) => `{ consumer(topic: "${topic}", name: "mailer") { lag } }`,
  ),
  operation(
    'Query.deadLetters',
    ['ACK', 'HISTORY'],
    ({ topic }) => `{ deadLetters(topic: "${topic}") { nodes { error } } }`,
  ),
  operation('Query.node Topic', ['HISTORY'], ({ ids }) => node(ids.topic), 'null'),
  operation('Query.node Message', ['HISTORY'], ({ ids }) => node(ids.message), 'null'),
  operation('Query.node Consumer', ['ACK'], ({ ids }) => node(ids.consumer), 'null'),
  operation('Query.node DeadLetter', ['ACK', 'HISTORY'], ({ ids }) => node(ids.deadLetter), 'null'),
  operation(
    'Query.nodes',
    ['HISTORY'],
    ({ ids }) => `{ nodes(ids: ["${ids.topic}", "${ids.message}"]) { id } }`,
    'null',
  ),

  operation(
    'Mutation.publish',
    ['PUBLISH'],
    ({ topic, mark }) =>
      `mutation { publish(input: { topic: "${topic}", type: "${mark}", payload: 1 }) { duplicate } }`,
  ),
  operation(
    'Mutation.publish ephemeral',
    ['PUBLISH'],
    ({ topic, mark }) =>
      `mutation { publish(input: { topic: "${topic}", type: "${mark}", payload: 1, ephemeral: true }) { duplicate } }`,
  ),
  operation(
    'Mutation.publishMany',
    ['PUBLISH'],
    ({ topic, mark }) =>
      `mutation { publishMany(inputs: [{ topic: "${topic}", type: "${mark}", payload: 1 }]) { duplicate } }`,
  ),
  operation(
    'Mutation.ack',
    ['ACK'],
    ({ topic, mark }) =>
      `mutation { ack(input: { topic: "${topic}", consumer: "${mark}", sequence: 1 }) { consumer { name } } }`,
  ),
  operation(
    'Mutation.discardDeadLetters',
    ['ACK'],
    (asked) =>
      `mutation { discardDeadLetters(topic: "${asked.topic}", consumer: "${failing(asked)}") }`,
  ),
  operation(
    'Mutation.replayDeadLetters',
    ['ACK'],
    (asked) =>
      `mutation { replayDeadLetters(topic: "${asked.topic}", consumer: "${failing(asked)}") }`,
  ),
  operation('Mutation.purgeTopic', ['ADMIN'], ({ topic, mark }) =>
    mark === 'denied'
      ? `mutation { purgeTopic(topic: "${topic}") { epoch } }`
      : `mutation { purgeTopic(topic: "${topic}", ${OTHER_EPOCH}) { epoch } }`,
  ),
  operation(
    'Mutation.purgeTopic messages',
    ['ADMIN', 'HISTORY'],
    ({ topic }) =>
      `mutation { purgeTopic(topic: "${topic}", ${OTHER_EPOCH}) { messages(last: 1) { nodes { payload } } } }`,
  ),
  operation(
    'Mutation.purgeTopic presence',
    ['ADMIN', 'PRESENCE'],
    ({ topic }) =>
      `mutation { purgeTopic(topic: "${topic}", ${OTHER_EPOCH}) { presence { userId } } }`,
  ),
  operation('Mutation.saveSnapshot', ['ADMIN'], ({ topic, mark }) => {
    const sequence = mark === 'denied' ? 2 : 1
    return `mutation { saveSnapshot(input: { topic: "${topic}", sequence: ${sequence}, state: "${mark}" }) { sequence } }`
  }),
  operation(
    'Mutation.updatePresence',
    ['PRESENCE'],
    ({ topic, mark }) =>
      `mutation { updatePresence(topic: "${topic}", state: "${mark}") { userId } }`,
  ),
  operation(
    'Mutation.refreshToken',
    [],
    ({ token }) => `mutation { refreshToken(token: "${token}") { userId } }`,
  ),

  operation('Subscription.messages', ['SUBSCRIBE'], messages('')),
  operation('Subscription.messages last', ['SUBSCRIBE', 'HISTORY'], messages(', last: 1')),
  operation('Subscription.messages after', ['SUBSCRIBE', 'HISTORY'], (asked) =>
    messages(`, after: "${asked.cursor}"`)(asked),
  ),
  operation(
    'Subscription.messages consumer',
    ['SUBSCRIBE', 'HISTORY'],
    messages(', consumer: "never acknowledged"'),
  ),
  operation('Subscription.events', ['SUBSCRIBE'], events('')),
  operation('Subscription.events last', ['SUBSCRIBE', 'HISTORY'], events(', last: 1')),
  operation('Subscription.events after', ['SUBSCRIBE', 'HISTORY'], (asked) =>
    events(`, after: "${asked.cursor}"`)(asked),
  ),
  operation(
    'Subscription.events consumer',
    ['SUBSCRIBE', 'HISTORY'],
    events(', consumer: "never acknowledged"'),
  ),
  operation('Subscription.events snapshot', ['SUBSCRIBE', 'HISTORY'], events(', snapshot: true')),
  operation(
    'Subscription.presence',
    ['PRESENCE'],
    ({ target }) => `subscription { presence(topics: "${target}") { type } }`,
  ),
  operation(
    'Subscription.presence enter',
    ['PRESENCE'],
    ({ target, mark }) =>
      `subscription { presence(topics: "${target}", enter: { state: "${mark}" }) { type } }`,
  ),
]

function node(id: string): string {
  return `{ node(id: "${id}") { __typename } }`
}

function messages(more: string): Document {
  return ({ target }) => `subscription { messages(topics: "${target}"${more}) { sequence } }`
}

function events(more: string): Document {
  return ({ target }) => `subscription { events(topics: "${target}"${more}) { __typename } }`
}

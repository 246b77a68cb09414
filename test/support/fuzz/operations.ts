import fc from 'fast-check'
import { hostileJson, hostileText, nearly, nested } from './values.ts'

/** What is sent as an operation, by either transport. */
export type Parameters = Readonly<Record<string, unknown>>

const topic = fc.constantFrom(
  'fuzz:1',
  'fuzz:2',
  'fuzz',
  ':',
  '__proto__',
  'constructor',
  'a.b-c_d',
)
const pattern = fc.oneof(
  topic,
  fc.constantFrom('fuzz:*', ':*', '*', 'fuzz*', 'fuzz:**', '__proto__:*'),
)
const cursor = fc.constantFrom('AAAAAAAAAAAAAAAAAAAAAA', 'e30', '', 'MTox')
const page = fc.constantFrom(1, 25, 1_000, 0, -1, 1_001, 2 ** 31, 1.5, null)
const sequence = fc.constantFrom(0, 1, 2, 2 ** 53, -1, '1')
const texts = fc.array(hostileText, { maxLength: 3 })

/** What each variable of the documents below is given. */
const VARIABLES: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
  topic: nearly(topic),
  topics: nearly(fc.oneof(fc.array(pattern, { maxLength: 4 }), pattern)),
  prefix: nearly(fc.constantFrom('fuzz', '', null)),
  after: nearly(cursor),
  afters: nearly(fc.array(cursor, { maxLength: 2 })),
  first: nearly(page),
  last: nearly(page),
  from: nearly(texts),
  types: nearly(texts),
  consumer: nearly(fc.constantFrom('reader')),
  name: nearly(fc.constantFrom('reader')),
  id: nearly(fc.constantFrom('t.ZnV6ejox', 'm.AAAA', 'c.W10', 'd.W10', 't.', 'x.y')),
  ids: nearly(texts),
  epoch: nearly(fc.constantFrom('1', null)),
  sequence: nearly(sequence),
  state: hostileJson,
  enter: nearly(fc.record({ state: hostileJson }, { requiredKeys: [] })),
  max: nearly(fc.constantFrom(1, 1_000, 1_001, 0)),
  flag: nearly(fc.boolean()),
  input: nearly(
    fc.record(
      {
        topic: nearly(topic),
        payload: hostileJson,
        metadata: hostileJson,
        type: nearly(fc.constantFrom('message', null)),
        to: nearly(fc.oneof(texts, fc.constant(null))),
        idempotencyKey: nearly(fc.constantFrom('key', null)),
        ttl: nearly(fc.constantFrom(1, 60, 0, -1, 2 ** 31 - 1)),
        expectedHead: nearly(sequence),
        encrypted: nearly(fc.boolean()),
        ephemeral: nearly(fc.boolean()),
      },
      { requiredKeys: ['topic', 'payload'] },
    ),
  ),
  ack: nearly(
    fc.record(
      { topic: nearly(topic), consumer: nearly(hostileText), sequence: nearly(sequence), cursor },
      { requiredKeys: ['topic', 'consumer'] },
    ),
  ),
  snapshot: nearly(
    fc.record({ topic: nearly(topic), sequence: nearly(sequence), state: hostileJson }),
  ),
}

const MESSAGE =
  'id topic sequence cursor type payload metadata from clientId to idempotencyKey publishedAt expiresAt ephemeral encrypted'

/** Every field of the schema, with every argument. */
const DOCUMENTS = [
  '{ viewer { userId clientId } }',
  'query A { a: viewer { userId } } query B { b: viewer { clientId } }',
  `query ($topic: TopicName!, $first: Int, $last: Int, $after: Cursor, $from: [ID!], $types: [String!]) {
    messages(topic: $topic, first: $first, last: $last, after: $after, from: $from, types: $types) {
      headSequence nodes { ${MESSAGE} } edges { cursor node { id } } pageInfo { hasNextPage endCursor } } }`,
  `query ($topic: TopicName!) { topic(name: $topic) { id name epoch headSequence tailSequence
    snapshot { state sequence cursor } presence { userId clientIds state } messages { nodes { id } } } }`,
  `query ($prefix: String, $first: Int, $after: Cursor) { topics(prefix: $prefix, first: $first, after: $after) {
    nodes { id name messages(last: 1) { nodes { payload } } } pageInfo { endCursor } } }`,
  'query ($topic: TopicName!, $name: ID!) { consumer(topic: $topic, name: $name) { id name lag cursor } }',
  `query ($topic: TopicName!, $consumer: ID, $first: Int, $after: Cursor) {
    deadLetters(topic: $topic, consumer: $consumer, first: $first, after: $after) { nodes { id error } } }`,
  'query ($id: ID!) { node(id: $id) { __typename id } }',
  'query ($ids: [ID!]!) { nodes(ids: $ids) { __typename id } }',
  'query ($topic: TopicName!) { presence(topic: $topic) { userId clientIds state joinedAt } }',
  `mutation ($input: PublishInput!) { publish(input: $input) { duplicate message { ${MESSAGE} } } }`,
  'mutation ($input: PublishInput!) { publishMany(inputs: [$input, $input]) { duplicate message { id } } }',
  'mutation ($ack: AckInput!) { ack(input: $ack) { consumer { id name ackedSequence lag } } }',
  'mutation ($snapshot: SnapshotInput!) { saveSnapshot(input: $snapshot) { state sequence savedAt } }',
  'mutation ($topic: TopicName!, $epoch: ID) { purgeTopic(topic: $topic, expectedEpoch: $epoch) { epoch } }',
  'mutation ($topic: TopicName!, $state: JSON) { updatePresence(topic: $topic, state: $state) { userId } }',
  'mutation ($topic: TopicName!, $consumer: ID) { replayDeadLetters(topic: $topic, consumer: $consumer) }',
  'mutation ($topic: TopicName!, $consumer: ID) { discardDeadLetters(topic: $topic, consumer: $consumer) }',
  `subscription ($topics: [TopicPattern!]!, $afters: [Cursor!], $last: Int, $consumer: ID, $from: [ID!],
    $types: [String!], $max: Int, $flag: Boolean) {
    messages(topics: $topics, after: $afters, last: $last, consumer: $consumer, from: $from, types: $types,
      maxPerSecond: $max, echo: $flag, onGap: SKIP) { ${MESSAGE} } }`,
  'subscription ($topics: [TopicPattern!]!) { messages(topics: $topics) { sequence payload } }',
  `subscription ($topics: [TopicPattern!]!, $afters: [Cursor!], $last: Int, $flag: Boolean) {
    events(topics: $topics, after: $afters, last: $last, snapshot: $flag) {
      __typename ... on MessageEvent { message { ${MESSAGE} } } ... on GapEvent { reason }
      ... on SnapshotEvent { snapshot { state } } } }`,
  `subscription ($topics: [TopicPattern!]!, $enter: PresenceInput) {
    presence(topics: $topics, enter: $enter) { type topic members { userId clientIds state } } }`,
  '{ __schema { types { name fields { name args { name } } } } __type(name: "Query") { name } }',
] as const

const GARBAGE = [
  '',
  ' ',
  '{',
  '}',
  '{}',
  '{ __proto__ }',
  '{ constructor { name } }',
  '{ __typename @include(if: $x) }',
  'query ($x: __proto__) { viewer { userId } }',
  '{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }',
  'fragment A on Query { viewer { userId } }',
  'subscription { messages(topics: "fuzz:1") { id } presence(topics: "fuzz:1") { type } }',
  'subscription { __typename }',
  'subscription { ...A } fragment A on Subscription { messages(topics: "fuzz:1") { id } }',
  'query A { viewer { userId } } query A { viewer { userId } }',
  'mutation { publish(input: { topic: "fuzz:1", payload: { __proto__: 1, constructor: [1e400] } }) { duplicate } }',
  'mutation { publish(input: { topic: "fuzz:1", payload: "\\ud800" }) { duplicate } }',
  'mutation { publish(input: { topic: "fuzz:1", payload: """a\0b""" }) { duplicate } }',
  'type Query { a: Int }',
  'extend type Query { a: Int } { viewer { userId } }',
  '{ viewer { userId } } # \ud800',
  '\ufeff{ viewer { userId } }',
  `{ topic(name: "fuzz:1") { messages(first: ${'9'.repeat(400)}) { nodes { id } } } }`,
  nested(250, '{ viewer '),
  `{ ${'viewer { userId } '.repeat(500)} }`,
  `{ ${Array.from({ length: 200 }, (_, n) => `a${n}: viewer { userId }`).join(' ')} }`,
] as const

/** A valid document from which something was cut, or into which something was put. */
const mutated = fc
  .record({
    document: fc.constantFrom(...DOCUMENTS),
    at: fc.double({ min: 0, max: 1, noNaN: true }),
    cut: fc.nat({ max: 12 }),
    put: fc.oneof(fc.constant(''), hostileText, fc.constantFrom(...'{}()[]:$!@#".,|&=')),
  })
  .map(({ document, at, cut, put }) => {
    const start = Math.floor(at * document.length)
    return document.slice(0, start) + put + document.slice(start + cut)
  })

/** A text where a topic, a consumer or a payload would stand: as a literal of GraphQL. */
const literal = hostileText.map((text) => {
  const value = JSON.stringify(text)
  return `mutation { publish(input: { topic: "fuzz:1", type: ${value}, payload: { a: ${value} },
    to: [${value}], idempotencyKey: ${value} }) { message { ${MESSAGE} } } }`
})

/** Variables for whatever a document declares, and sometimes for what it does not. */
function variablesFor(document: string): fc.Arbitrary<unknown> {
  const names = [...document.matchAll(/\$(\w+):/g)].map(([, name]) => name ?? '')
  const known = names.filter((name) => name in VARIABLES)
  const values = Object.fromEntries(known.map((name) => [name, VARIABLES[name] ?? hostileJson]))
  // Those that are required are mostly there: without them nothing is run.
  const required = known.filter((name) => new RegExp(`\\$${name}: \\S+!`).test(document))
  return fc.oneof(
    { weight: 12, arbitrary: fc.record(values, { requiredKeys: required }) },
    { weight: 1, arbitrary: hostileJson },
  )
}

/** An operation with its variables. */
export const hostileParameters: fc.Arbitrary<Parameters> = fc
  .oneof(
    { weight: 12, arbitrary: fc.constantFrom<string>(...DOCUMENTS) },
    { weight: 3, arbitrary: mutated },
    { weight: 2, arbitrary: literal },
    { weight: 2, arbitrary: fc.constantFrom<string>(...GARBAGE) },
    { weight: 1, arbitrary: hostileText },
  )
  .chain((query) =>
    fc.record(
      {
        query: fc.oneof(
          { weight: 30, arbitrary: fc.constant<unknown>(query) },
          { weight: 1, arbitrary: hostileJson },
        ),
        variables: variablesFor(query),
        operationName: fc.oneof(fc.constantFrom(null, 'A', 'B'), hostileText, hostileJson),
        extensions: hostileJson,
      },
      { requiredKeys: ['query', 'variables'] },
    ),
  )

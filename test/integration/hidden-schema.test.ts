import fc from 'fast-check'
import {
  getIntrospectionQuery,
  isEnumType,
  isInputObjectType,
  isInterfaceType,
  isObjectType,
} from 'graphql'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { schema } from '../../src/graphql/schema.ts'
import { request, startServer, type TestServer } from '../support/carillon.ts'
import { openAcknowledged, type RawSocket } from '../support/websocket.ts'

let server: TestServer
let socket: RawSocket

beforeAll(async () => {
  server = await startServer({ introspection: false })
  socket = await openAcknowledged(server.socketUrl)
})
afterAll(async () => {
  await socket[Symbol.asyncDispose]()
  await server[Symbol.asyncDispose]()
})

interface Question {
  readonly query: string
  readonly variables?: Record<string, unknown>
}

async function overHttp({ query, variables }: Question): Promise<string> {
  return JSON.stringify(await request(server.url, query, variables))
}

async function overSocket(payload: Question): Promise<string> {
  const id = String(++ids)
  socket.send({ id, type: 'subscribe', payload })
  const { type, payload: answer } = await socket.receive()
  if (type === 'next') await socket.receive()
  return JSON.stringify(answer)
}

let ids = 0

/** What has a name: fields, arguments, fields of inputs and values of enums; types are told by errors. */
const NAMES = namesOf()

function namesOf(): readonly string[] {
  const names = new Set<string>()
  for (const type of Object.values(schema.getTypeMap())) {
    if (type.name.startsWith('__')) continue
    if (isEnumType(type)) for (const { name } of type.getValues()) names.add(name)
    if (isInputObjectType(type)) for (const name of Object.keys(type.getFields())) names.add(name)
    if (!isObjectType(type) && !isInterfaceType(type)) continue
    for (const field of Object.values(type.getFields())) {
      names.add(field.name)
      for (const { name } of field.args) names.add(name)
    }
  }
  return [...names]
}

/** What comes of a name by a slip of the finger: one character more, less, or another. */
const nearMiss = fc
  .tuple(fc.constantFrom(...NAMES), fc.nat(), fc.constantFrom('', 'x', 'xx'), fc.boolean())
  .map(([name, at, put, isReplaced]) => {
    const start = at % name.length
    return `${name.slice(0, start)}${put}${name.slice(start + (isReplaced ? 1 : 0))}`
  })
  .filter((name) => /^[A-Za-z]\w*$/.test(name) && !NAMES.includes(name))

/** Where a name can stand. All that has to be given is given, by the names that are asked for. */
const question: fc.Arbitrary<Question> = fc.tuple(nearMiss, fc.nat(6)).map(([name, place]) => {
  const publish = 'mutation ($input: PublishInput!) { publish(input: $input) { duplicate } }'
  const given = { topic: 'a', payload: 1 }
  const places: readonly [Question, ...Question[]] = [
    { query: `{ ${name} }` },
    { query: `{ messages(topic: "a") { nodes { ${name} } } }` },
    { query: `{ topic(name: "a", ${name}: 1) { name } }` },
    {
      query: `mutation { publish(input: { topic: "a", payload: 1, ${name}: 1 }) { duplicate } }`,
    },
    { query: publish, variables: { input: { ...given, [name]: 1 } } },
    { query: `subscription { messages(topics: "a", onGap: ${name}) { id } }` },
    {
      query: 'subscription ($gap: GapPolicy) { messages(topics: "a", onGap: $gap) { id } }',
      variables: { gap: name },
    },
  ]
  return places[place] ?? places[0]
})

test.each([
  ['HTTP', overHttp],
  ['WebSocket', overSocket],
])('over %s, no error has a name of the schema that was not asked for', async (_, ask) => {
  await fc.assert(
    fc.asyncProperty(question, async (asked) => {
      const answer = await ask(asked)
      if (!answer.includes('"message"')) return // not near enough, or no miss
      expect(answer).not.toContain('Did you mean')
      const text = JSON.stringify(asked)
      const told = quotedIn(answer).filter((word) => NAMES.includes(word) && !text.includes(word))
      expect(told).toEqual([])
    }),
    { numRuns: 300 },
  )
})

/** What messages put between quotation marks. */
function quotedIn(answer: string): readonly string[] {
  const messages = [...answer.matchAll(/"message":"((?:[^"\\]|\\.)*)"/g)].map(([, text]) => text)
  return messages.flatMap((text = '') =>
    [...text.matchAll(/\\"(.*?)\\"/g)].flatMap(([, quoted = '']) => quoted.split(/\W+/)),
  )
}

test.each([
  ['HTTP', overHttp],
  ['WebSocket', overSocket],
])('over %s, the schema is not told, and the names of types are', async (_, ask) => {
  for (const query of [getIntrospectionQuery(), '{ __type(name: "Query") { name } }']) {
    expect(await ask({ query })).toContain('introspection has been disabled')
  }
  expect(await ask({ query: '{ __typename }' })).toBe('{"data":{"__typename":"Query"}}')
})

test.each([
  ['HTTP', overHttp],
  ['WebSocket', overSocket],
])('over %s, what lacks a selection is told without a suggestion', async (_, ask) => {
  const answer = await ask({ query: '{ viewer }' })
  expect(answer).toContain('must have a selection of subfields.')
  expect(answer).not.toContain('Did you mean')
})

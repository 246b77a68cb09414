import {
  extendSchema,
  GraphQLObjectType,
  type GraphQLScalarType,
  type GraphQLSchema,
  getOperationAST,
  parse,
} from 'graphql'
import { expect, test } from 'vitest'
import { directRendering } from '../../../src/graphql/direct-rendering.ts'
import { schema } from '../../../src/graphql/schema.ts'
import { extendedSchema } from '../../support/extended-schema.ts'
import { ephemeral, message } from '../../support/messages.ts'

function compile(text: string, own: GraphQLSchema = schema) {
  const document = parse(text)
  const operation = getOperationAST(document)
  if (operation == null) throw new Error('no operation')
  return directRendering(own, document, operation)
}

function selecting(selections: string): string {
  return `subscription { messages(topics: "chat:1") { ${selections} } }`
}

test('writes fields, aliases, type names and fragments, each label once and where it stands first', () => {
  const text = `subscription Live {
    live: messages(topics: "chat:1") { __typename n: sequence ...A ... on Node { id } ... { n: sequence } }
  } fragment A on Message { from payload ... on Consumer { name } ...B } fragment B on Message { n: sequence ephemeral }`
  const event = message({ sequence: 7, from: 'ann', payload: '{"b":1,"a":-0}' })
  expect(String(compile(text)?.(event))).toBe(
    `{"data":{"live":{"__typename":"Message","n":7,"from":"ann","payload":{"b":1,"a":-0},"ephemeral":false,"id":"${event.id}"}}}`,
  )
})

test('writes every field of a message that schema.graphql has', () => {
  const type = schema.getType('Message')
  const names = type instanceof GraphQLObjectType ? Object.keys(type.getFields()) : []
  expect(names.length).toBeGreaterThan(10)
  for (const event of [message({ sequence: 1 }), ephemeral({})]) {
    const body = compile(selecting(names.join(' ')))?.(event)
    expect(Object.keys(JSON.parse(String(body)).data.messages)).toEqual(names)
  }
})

test.each([
  ['a directive on a field', selecting('id payload @include(if: true)')],
  ['a directive on a fragment', selecting('id ... @skip(if: false) { from }')],
  ['a directive on the root', 'subscription { messages(topics: "a") @skip(if: false) { id } }'],
  ['a field of the host', selecting('id shout')],
  ['a fragment at the root', 'subscription { ... { messages(topics: "a") { id } } }'],
])('leaves %s to GraphQL', (_what, text) => {
  expect(compile(text, extendedSchema)).toBeUndefined()
})

test('a host application that has extended the schema keeps it for what it left alone', () => {
  expect(compile(selecting('id payload publishedAt'), extendedSchema)).toBeDefined()
})

/** A schema of its own, so that the test may change it as a host application would. */
function ownSchema(): GraphQLSchema {
  return extendSchema(schema, parse('extend type Message { extra: Int }'))
}

function fieldOf(of: GraphQLSchema, name: string) {
  const type = of.getType('Message')
  const field = type instanceof GraphQLObjectType ? type.getFields()[name] : undefined
  if (field === undefined) throw new Error(`no field ${name}`)
  return field
}

test('a resolver that the host application wrapped is called', () => {
  const wrapped = ownSchema()
  fieldOf(wrapped, 'payload').resolve = () => 'redacted'
  expect(compile(selecting('id payload'), wrapped)).toBeUndefined()
  expect(compile(selecting('id from'), wrapped)).toBeDefined()
})

test('a scalar that the host application writes in its own way is', () => {
  const own = extendSchema(schema, parse('extend scalar DateTime @specifiedBy(url: "https://a.b")'))
  const scalar = own.getType('DateTime') as GraphQLScalarType
  scalar.serialize = (value) => Number(value)
  expect(compile(selecting('id publishedAt'), own)).toBeUndefined()
})

test('a payload that the database has as null is left to GraphQL, which says what is wrong', () => {
  expect(
    compile(selecting('payload'))?.(message({ sequence: 1, payload: ' null' })),
  ).toBeUndefined()
})

import fc from 'fast-check'
import { getIntrospectionQuery, Kind, type OperationDefinitionNode, parse } from 'graphql'
import { describe, expect, test } from 'vitest'
import { DEFAULT_LIMITS } from '../../../src/access/limits.ts'
import { Documents } from '../../../src/graphql/documents.ts'
import { costOf, type Variables } from '../../../src/graphql/query-cost.ts'
import type { QueryLimitName, QueryLimits } from '../../../src/graphql/query-limits.ts'
import { Shapes } from '../../../src/graphql/query-shape.ts'
import { schema } from '../../../src/graphql/schema.ts'
import { inlined, pickedOf, withFragments } from '../../support/documents.ts'

/** What a document is refused with; undefined for one that is not. */
function refusal(
  text: string,
  { limits = {}, variables = {} }: { limits?: Partial<QueryLimits>; variables?: Variables } = {},
) {
  const documents = new Documents(schema, { limits: { ...DEFAULT_LIMITS, ...limits } })
  const found = documents.find({ query: text, variables })
  if (found.kind === 'valid') return undefined
  return { message: found.errors[0]?.message, ...found.errors[0]?.extensions }
}

function repeat(count: number, text: (index: number) => string): string {
  return Array.from({ length: count }, (_, index) => text(index)).join(' ')
}

function cost(text: string, variables: Variables = {}): number {
  const document = parse(text)
  return costOf({ schema, document, operation: operationOf(text), variables }).cost
}

function shape(text: string) {
  const document = parse(text)
  const [operation] = document.definitions
  if (operation?.kind !== Kind.OPERATION_DEFINITION) throw new Error('There is no operation.')
  return new Shapes(document).ofOperation(operation)
}

function operationOf(text: string): OperationDefinitionNode {
  const [operation] = parse(text).definitions
  if (operation?.kind !== Kind.OPERATION_DEFINITION) throw new Error('There is no operation.')
  return operation
}

describe('A document right at a limit passes, and one over it is refused with its name', () => {
  const ofIntrospection = (depth: number) =>
    `{ __type(name: "A") { ${'ofType { '.repeat(depth - 2)} name ${'} '.repeat(depth - 2)} } }`
  const edges: readonly [QueryLimitName, (size: number) => string][] = [
    ['queryDepth', (depth) => ofIntrospection(depth)],
    ['queryTokens', (tokens) => `{ ${repeat((tokens - 2) / 3, (n) => `t${n}: __typename`)} }`],
    ['queryAliases', (aliases) => `{ ${repeat(aliases, (n) => `t${n}: __typename`)} }`],
    [
      'queryDirectives',
      (directives) => `{ ${repeat(directives, () => '... @skip(if: true) { __typename }')} }`,
    ],
    ['queryCost', (cost) => `{ topics(first: ${cost - 1}) { nodes { name } } }`],
  ]

  test.each(edges)('%s', (name, text) => {
    const roomy = { queryDepth: 1e4, queryTokens: 1e4, queryAliases: 1e4, queryDirectives: 1e4 }
    const limits = { ...roomy, [name]: 20 }
    expect(refusal(text(20), { limits })).toBeUndefined()
    expect(refusal(text(23), { limits })).toMatchObject({
      code: 'INVALID_INPUT',
      retryable: false,
      limit: name,
      message: expect.stringContaining('more than 20'),
    })
    if (name !== 'queryTokens') expect(refusal(text(21), { limits })).toMatchObject({ limit: name })
  })
})

test('brackets deeper than the parser can go are refused, as a payload where they are a value', () => {
  const value = `${'['.repeat(250)}${']'.repeat(250)}`
  expect(refusal(`mutation { publish(input: { payload: ${value} }) { duplicate } }`)).toMatchObject(
    { code: 'INVALID_PAYLOAD', limit: 'jsonDepth' },
  )
  expect(refusal(`${'{ a '.repeat(250)}${'}'.repeat(250)}`)).toMatchObject({
    code: 'INVALID_INPUT',
    limit: 'queryDepth',
  })
})

test('what GraphiQL asks for passes', () => {
  const options = { inputValueDeprecation: true, specifiedByUrl: true, schemaDescription: true }
  expect(refusal(getIntrospectionQuery(options))).toBeUndefined()
})

test('a publishMany of as many small inputs as it takes passes as one document', () => {
  const inputs = repeat(
    DEFAULT_LIMITS.publishMany,
    (n) => `{ topic: "chat:${n}", payload: { text: "Hello" } }`,
  )
  expect(
    refusal(`mutation { publishMany(inputs: [${inputs}]) { message { sequence } } }`),
  ).toBeUndefined()
})

describe('Cost', () => {
  const scalars = 'id topic sequence cursor type payload metadata encrypted from clientId to'
  test.each<[string, number, Variables?]>([
    ['{ viewer { userId } }', 1],
    ['{ topic(name: "a") { headSequence } }', 1],
    [`{ messages(topic: "a", first: 1000) { nodes { ${scalars} } } }`, 1_001],
    ['{ messages(topic: "a", last: 10) { edges { node { id } } pageInfo { endCursor } } }', 22],
    ['{ messages(topic: "a") { nodes { id } } }', 26],
    ['{ topics(first: 10) { nodes { messages(last: 5) { nodes { id } } } } }', 71],
    ['query ($n: Int) { topics(first: $n) { nodes { name } } }', 21, { n: 20 }],
    ['query ($n: Int = 30) { topics(first: $n) { nodes { name } } }', 31],
    ['query ($n: Int = 30) { topics(first: $n) { nodes { name } } }', 26, { n: null }],
    ['query ($n: Int) { topics(first: $n) { nodes { name } } }', 26],
    ['query ($n: Int) { topics(first: $n) { nodes { name } } }', 2, { n: -5 }],
    ['query ($n: Int) { topics(first: $n) { nodes { name } } }', 26, { n: 'many' }],
    ['{ nodes(ids: ["a", "b", "c"]) { id } }', 3],
    ['query ($ids: [ID!]!) { nodes(ids: $ids) { id } }', 4, { ids: ['a', 'b', 'c', 'd'] }],
    ['query ($ids: [ID!]!) { nodes(ids: $ids) { id } }', 1, { ids: 'a' }],
    ['{ topics(first: 10) { nodes { presence { userId } } } }', 21],
    ['{ topics(first: 10) { nodes @skip(if: true) { name } } }', 11],
    ['subscription { messages(topics: "a", last: 100) { id } }', 1],
  ])('of %s is %i', (text, expected, variables) => {
    expect(cost(text, variables)).toBe(expected)
  })

  const nested = 'topics(first: 1000) { nodes { messages(last: 1000) { nodes { id } } } }'
  test.each([
    ['as a literal', `{ ${nested} }`],
    ['in a fragment', `{ ...F } fragment F on Query { ${nested} }`],
    ['in an inline fragment', `{ ... { ... on Query { ${nested} } } }`],
    ['where skip leaves it out', `{ ... @skip(if: true) { ${nested} } }`],
    ['in another operation of the document', `query A { __typename } query B { ${nested} }`],
  ])('of pages in pages is refused %s', (_, text) => {
    expect(refusal(text)).toMatchObject({ code: 'INVALID_INPUT', limit: 'queryCost' })
  })

  test('is reckoned with the variables of each operation', () => {
    const query = `query ($n: Int!, $m: Int!) {
      topics(first: $n) { nodes { messages(last: $m) { nodes { id } } } }
    }`
    const limits: string[] = []
    const documents = new Documents(schema, { onLimit: (name) => limits.push(name) })
    const kindOf = (n: number, m: number) => documents.find({ query, variables: { n, m } }).kind
    expect(kindOf(20, 20)).toBe('valid')
    expect(kindOf(1_000, 1_000)).toBe('invalid')
    expect(kindOf(90, 100)).toBe('valid')
    expect(kindOf(1_000, 1_000)).toBe('invalid')
    expect(limits).toEqual(['queryCost', 'queryCost'])
  })
})

test('with fragments, cost and shape are those of the same document without', () => {
  fc.assert(
    fc.property(pickedOf('Query', 5), fc.nat(9), fc.nat(5), (picked, n, ids) => {
      const variables = { n, ids: Array.from({ length: ids }, () => 'id') }
      const [one, other] = [inlined(picked), withFragments(picked)]
      expect(cost(other, variables)).toBe(cost(one, variables))
      const { depth, aliases, directives } = shape(one)
      expect(shape(other)).toMatchObject({ depth, aliases, directives })
    }),
    { numRuns: 500 },
  )
})

describe('Fragments', () => {
  /** Each of them spreads the next one twice. */
  const doubling = (body: string) =>
    `{ ...F0 } ${repeat(60, (n) => `fragment F${n} on Query { ...F${n + 1} ... { ...F${n + 1} } }`)}
     fragment F60 on Query { ${body} }`

  test.each([
    ['queryAliases', 'me: viewer { userId }'],
    ['queryDirectives', '__typename @skip(if: false)'],
    ['queryCost', 'viewer { userId }'],
  ])('that double at each of many levels count as often as they are spread: %s', (limit, body) => {
    expect(refusal(doubling(body))).toMatchObject({ limit })
  })

  test('that spread themselves are refused as such', () => {
    const text = '{ ...A } fragment A on Query { a: __typename ...B } fragment B on Query { ...A }'
    expect(refusal(text)?.message).toContain('Cannot spread fragment "A" within itself')
  })

  test('in a long chain are refused before they exhaust the stack', () => {
    const text = `{ ...F0 } ${repeat(20_000, (n) => `fragment F${n} on Query { ...F${n + 1} }`)}`
    expect(refusal(text, { limits: { queryTokens: 1e6 } })).toMatchObject({ limit: 'queryDepth' })
  })
})

test('the same fields again and again are refused before they are compared', () => {
  expect(refusal(`{ ${'viewer { userId } '.repeat(273)} }`)).toBeUndefined()
  expect(refusal(`{ ${'viewer { userId } '.repeat(274)} }`)).toMatchObject({
    code: 'INVALID_INPUT',
    limit: 'queryTokens',
    message: expect.stringContaining('select each once'),
  })
})

test('each refusal is counted, those of a document that is known by then too', () => {
  const limits: string[] = []
  const documents = new Documents(schema, { onLimit: (name) => limits.push(name) })
  const query = `{ ${repeat(60, (n) => `t${n}: __typename`)} }`
  documents.find({ query })
  documents.find({ query })
  documents.find({ query: '{ nope }' })
  expect(limits).toEqual(['queryAliases', 'queryAliases'])
})

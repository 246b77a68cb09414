import { Kind, type OperationTypeNode, parse } from 'graphql'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startServer, type TestServer } from '../support/carillon.ts'
import { codeBlocks, readPage } from '../support/markdown.ts'

import { type GraphQLExample, graphqlExamples, isSubscription } from './graphql-example.ts'
import { type LiveStream, openLiveStream } from './live-stream.ts'
import { Placeholders } from './placeholders.ts'

const examples = graphqlExamples(codeBlocks(readPage('docs/graphql.md')))
const placeholders = new Placeholders()

let server: TestServer
let stream: LiveStream | undefined

beforeAll(async () => {
  server = await startServer()
})

afterAll(async () => {
  await stream?.[Symbol.asyncDispose]()
  await server[Symbol.asyncDispose]()
})

test('docs/graphql.md shows every operation of the schema', () => {
  const { schema } = server.carillon
  const shown = new Set(examples.flatMap(({ query }) => fieldsOf(query)))
  const kinds = ['query', 'mutation', 'subscription'] as const
  const operations = kinds.flatMap((kind) => {
    const type = schema.getRootType(kind as OperationTypeNode)
    return Object.keys(type?.getFields() ?? {}).map((field) => `${kind} ${field}`)
  })
  expect(operations.filter((operation) => !shown.has(operation))).toEqual([])
})

test.each(examples)(
  'the example of docs/graphql.md at line $line answers as written',
  async (example) => {
    const body = bodyOf(example)
    if (isSubscription(example.query)) {
      await stream?.[Symbol.asyncDispose]()
      stream = await openLiveStream(server.url, body, example.headers)
    } else {
      compare(await post(body, example.headers), example.answer ?? '')
    }
    for (const event of example.events) compare(await stream?.next(), event)
  },
)

/** What a document asks for at the top: `query topic`, `mutation publish`, … */
function fieldsOf(query: string): readonly string[] {
  return parse(query).definitions.flatMap((definition) => {
    if (definition.kind !== Kind.OPERATION_DEFINITION) return []
    const { operation, selectionSet } = definition
    return selectionSet.selections.flatMap((selection) =>
      selection.kind === Kind.FIELD ? [`${operation} ${selection.name.value}`] : [],
    )
  })
}

/** The variables go as text: parsing them here would change their numbers. */
function bodyOf({ query, variables }: GraphQLExample): string {
  return `{ "query": ${JSON.stringify(query)}, "variables": ${placeholders.fill(variables)} }`
}

async function post(body: string, headers: Record<string, string>): Promise<unknown> {
  const response = await fetch(server.url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body,
  })
  return response.json()
}

function compare(actual: unknown, text: string): void {
  const written: unknown = JSON.parse(text)
  expect(toText(placeholders.abstract(actual, written))).toBe(toText(written))
}

/** Texts show the order of keys, and make readable differences. */
function toText(value: unknown): string {
  return JSON.stringify(value, null, 2)
}

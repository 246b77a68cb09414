import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { Documents } from '../../../src/graphql/documents.ts'
import {
  PersistedOperationsError,
  parsePersistedOperations,
} from '../../../src/graphql/persisted-operations.ts'
import { schema } from '../../../src/graphql/schema.ts'

const TEXT = 'query Me { viewer { userId } }'
const HASH = createHash('sha256').update(TEXT).digest('hex')
const SOURCE = 'operations.json'

const FORMATS = [
  ['hashes and documents', { [HASH]: TEXT }],
  ['hashes with their algorithm', { [`sha256:${HASH}`]: TEXT }],
  [
    "Apollo's manifest",
    {
      format: 'apollo-persisted-query-manifest',
      version: 1,
      operations: [{ id: HASH, name: 'Me', type: 'query', body: TEXT }],
    },
  ],
] as const

function read(file: unknown) {
  return parsePersistedOperations(JSON.stringify(file), SOURCE)
}

describe.each(FORMATS)('With a file of %s', (_, file) => {
  const documents = new Documents(schema, { operations: read(file) })

  test.each([
    ['its text', { query: TEXT }],
    ['its text, written otherwise', { query: `query Me, {\n  viewer { userId } # me\n}` }],
    ['its id', { documentId: HASH }],
    ['its id with the algorithm', { documentId: `sha256:${HASH}`, query: '' }],
    ['a hash as Apollo sends it', { extensions: { persistedQuery: { sha256Hash: HASH } } }],
    ['its id and its text', { documentId: HASH, query: TEXT }],
  ])('an operation is found by %s', (_way, request) => {
    expect(documents.find(request)).toMatchObject({ kind: 'valid', text: TEXT })
  })

  test.each([
    ['another text', { query: '{ viewer { userId } }' }, 'PERMISSION_DENIED'],
    ['another id', { documentId: 'f00' }, 'PERMISSION_DENIED'],
    [
      'the name of something that every object has',
      { documentId: 'toString' },
      'PERMISSION_DENIED',
    ],
    ['nothing', {}, 'PERMISSION_DENIED'],
    ['an id that is no text', { documentId: 7 }, 'INVALID_INPUT'],
    ['an id and another text', { documentId: HASH, query: '{ __typename }' }, 'INVALID_INPUT'],
  ])('nothing is found by %s', (_way, request, code) => {
    const found = documents.find(request)
    expect(found.kind === 'invalid' && found.errors[0]?.extensions.code).toBe(code)
  })
})

test('an id and the text of another operation are refused', () => {
  const operations = read({ a: TEXT, b: '{ viewer { clientId } }' })
  const found = new Documents(schema, { operations }).find({ documentId: 'b', query: TEXT })
  expect(found).toMatchObject({ errors: [{ extensions: { code: 'INVALID_INPUT' } }] })
})

test('without a file, ids are refused, and the hash beside a text is not looked at', () => {
  const documents = new Documents(schema)
  const extensions = { persistedQuery: { version: 1, sha256Hash: HASH } }
  for (const request of [{ documentId: HASH }, { documentId: HASH, query: TEXT }, { extensions }]) {
    expect(documents.find(request)).toMatchObject({
      errors: [
        {
          message: expect.stringContaining('has no list of operations'),
          extensions: { code: 'INVALID_INPUT' },
        },
      ],
    })
  }
  expect(documents.find({ query: TEXT, extensions })).toMatchObject({ kind: 'valid' })
})

test.each([
  ['no JSON', '{', 'operations.json is not valid JSON.'],
  ['another JSON', '[]', 'operations.json has to be an object'],
  ['documents that are no texts', '{ "a": 1 }', 'operations.json has to be an object'],
  ['an id that comes twice', `{ "a": "{ b }", "sha256:a": "{ c }" }`, 'comes twice'],
  ['characters that no document has', `{ "a": "{ ? }" }`, '"a" of operations.json is not valid'],
])('a file with %s is refused', (_, text, message) => {
  const parse = () => parsePersistedOperations(text, SOURCE)
  expect(parse).toThrow(PersistedOperationsError)
  expect(parse).toThrow(message)
})

test.each([
  ['a syntax error', '{ viewer', 'Syntax Error'],
  ['a field that there is not', '{ nope }', 'Cannot query field "nope"'],
  ['more than a limit', `{ ${'...{'.repeat(210)} id ${'}'.repeat(210)} }`, 'nested deeper'],
])('an operation with %s is named before a server starts', (_, text, reason) => {
  const operations = read({ good: TEXT, bad: text })
  const start = () => new Documents(schema, { operations })
  expect(start).toThrow(PersistedOperationsError)
  expect(start).toThrow('The operation "bad" of operations.json cannot be executed')
  expect(start).toThrow(reason)
})

import { GraphQLError, Kind, type ValueNode, valueFromASTUntyped } from 'graphql'
import { type Cursor, decodeCursor } from '../core/cursor.ts'
import type { JsonValue } from '../core/json.ts'
import { parseSequence } from '../core/sequence.ts'
import { parseTopicName, parseTopicPattern } from '../core/topic-name.ts'
import { CarillonError } from '../protocol/errors.ts'
import { builder } from './builder.ts'
import { toGraphQLError } from './errors.ts'

builder.scalarType('Cursor', {
  description:
    'A position in one topic: its epoch and a sequence number. Opaque; compare cursors only for equality.',
  serialize: (cursor) => cursor,
  ...parsedBy((value) => {
    decodeCursor(value)
    return value as Cursor
  }),
})

builder.scalarType('DateTime', {
  description: 'An instant, ISO 8601 in UTC with milliseconds, e.g. 2026-11-20T12:30:58.077Z.',
  serialize: (instant) => instant.toISOString(),
  ...parsedBy((value) => {
    const instant = typeof value === 'string' ? new Date(value) : undefined
    if (instant !== undefined && !Number.isNaN(instant.getTime())) return instant
    throw new CarillonError('INVALID_INPUT', 'An instant is a text in ISO 8601.')
  }),
})

builder.scalarType('JSON', {
  description: 'Any JSON value.',
  serialize: (value) => value,
  parseValue: (value) => value as NonNullable<JsonValue>,
  parseLiteral: (node, variables) => jsonOf(node, variables ?? {}) as NonNullable<JsonValue>,
})

builder.scalarType('Sequence', {
  description:
    "A message's place in its topic: 1, 2, 3, … without holes. A JSON number, at most 2^53 - 1.",
  serialize: (sequence) => sequence,
  ...parsedBy(parseSequence),
})

builder.scalarType('TopicName', {
  description:
    '1 to 128 characters out of A-Z a-z 0-9 _ - : . — case-sensitive, no reserved names or prefixes.',
  serialize: (name) => name,
  ...parsedBy(parseTopicName),
})

builder.scalarType('TopicPattern', {
  description:
    "A TopicName, or a prefix that ends in ':*' (chat:* matches chat:1 and chat:eu:7, not chat). A bare * is not a pattern.",
  serialize: (pattern) => pattern,
  ...parsedBy(parseTopicPattern),
})

/** How a scalar reads variables and literals, with the errors of the catalogue. */
function parsedBy<T>(parse: (value: unknown) => T) {
  const parseAt = (value: unknown, node?: ValueNode): T => {
    try {
      return parse(value)
    } catch (error) {
      throw toGraphQLError(error, node)
    }
  }
  return {
    parseValue: (value: unknown) => parseAt(value),
    parseLiteral: (node: ValueNode) => parseAt(valueFromASTUntyped(node), node),
  }
}

/** Objects without a prototype: a key named __proto__ is a key like any other. */
function jsonOf(node: ValueNode, variables: Record<string, unknown>): JsonValue {
  switch (node.kind) {
    case Kind.NULL:
      return null
    case Kind.STRING:
    case Kind.BOOLEAN:
      return node.value
    case Kind.INT:
    case Kind.FLOAT:
      return Number(node.value)
    case Kind.VARIABLE:
      return (variables[node.name.value] ?? null) as JsonValue
    case Kind.LIST:
      return node.values.map((value) => jsonOf(value, variables))
    case Kind.OBJECT: {
      const object: Record<string, JsonValue> = Object.create(null)
      for (const field of node.fields) object[field.name.value] = jsonOf(field.value, variables)
      return object
    }
    case Kind.ENUM:
      throw new GraphQLError(`${node.value} is not a JSON value; write it in quotes.`, {
        nodes: node,
      })
  }
}

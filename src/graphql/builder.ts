import SchemaBuilder from '@pothos/core'
import type { Cursor } from '../core/cursor.ts'
import type { JsonValue } from '../core/json.ts'
import type { Sequence } from '../core/sequence.ts'
import type { TopicName, TopicPattern } from '../core/topic-name.ts'
import type { GraphQLContext } from './context.ts'

export interface SchemaTypes {
  Context: GraphQLContext
  DefaultFieldNullability: false
  Scalars: {
    ID: { Input: string; Output: string }
    Cursor: { Input: Cursor; Output: Cursor }
    DateTime: { Input: Date; Output: Date }
    JSON: { Input: NonNullable<JsonValue>; Output: JsonValue }
    Sequence: { Input: Sequence; Output: number }
    TopicName: { Input: TopicName; Output: TopicName }
    TopicPattern: { Input: TopicPattern; Output: TopicPattern }
  }
}

/** What every module of the schema adds its types and fields to. */
export const builder = new SchemaBuilder<SchemaTypes>({ defaultFieldNullability: false })

builder.queryType({})
builder.mutationType({})
builder.subscriptionType({})

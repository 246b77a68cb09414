import './scalars.ts'
import './consumer.ts'
import './dead-letter.ts'
import './history.ts'
import './node.ts'
import './presence.ts'
import './publish.ts'
import './snapshot.ts'
import './subscription.ts'
import './topic.ts'
import './viewer.ts'
import { type GraphQLSchema, lexicographicSortSchema, printSchema } from 'graphql'
import { builder } from './builder.ts'
import { markShared } from './extensions.ts'

/** The schema of Carillon. */
export const schema: GraphQLSchema = markShared(builder.toSchema())

/** The text of schema.graphql. */
export function printedSchema(): string {
  return `${printSchema(lexicographicSortSchema(schema))}\n`
}

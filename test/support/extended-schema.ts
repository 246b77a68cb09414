import { extendSchema, type GraphQLFieldResolver, isObjectType, parse } from 'graphql'
import type { AnyMessage } from '../../src/core/message.ts'
import type { GraphQLContext } from '../../src/graphql/context.ts'
import { carillon } from '../../src/graphql/extensions.ts'
import { schema } from '../../src/graphql/schema.ts'
import { CarillonError } from '../../src/protocol/errors.ts'

interface Field {
  readonly shared: boolean
  readonly resolve: GraphQLFieldResolver<AnyMessage, GraphQLContext>
}

/** What a host application may add to a message, one of each kind. */
const FIELDS: Readonly<Record<string, Field>> = {
  self: shared((message) => message),
  shout: shared(({ from }) => from.toUpperCase()),
  laterShared: shared(async ({ sequence }) => sequence),
  echo: shared((_message, args) => args),
  sometimes: shared(failOnEven(() => new Error('A secret of the database.'))),
  sometimesRefused: shared(failOnEven(() => new CarillonError('CURSOR_EXPIRED'))),
  sometimesRequired: shared(failOnEven(() => new Error('Another secret.'))),
  thing: shared((message) => thingOf(message.sequence ?? 0)),
  things: shared(async () => [thingOf(1), thingOf(2)]),
  attachment: shared((message) => thingOf((message.sequence ?? 0) + 1)),
  bigint: shared(() => 1n),
  bigintLater: shared(async () => 1n),
  spy: shared((_message, _args, { viewer }) => viewer.userId),
  mine: own((_message, _args, { viewer }) => `${viewer.userId}/${viewer.clientId}`),
  mineLater: own(async (message, _args, { viewer }) => message.from === viewer.userId),
}

const POLL: Readonly<Record<string, Field>> = {
  votes: shared(() => [1, 2]),
  mine: own((_poll, _args, { viewer }) => viewer.userId),
}

const PHOTO: Readonly<Record<string, Field>> = {
  width: shared((_photo, { unit }) => unit * 100),
}

const THING: Readonly<Record<string, Field>> = {
  label: shared((thing) => (thing as unknown as Thing).label),
  twin: shared((thing) => (thing as unknown as Thing).twin),
}

/** The schema of Carillon with what a host application has added to messages. */
export const extendedSchema = extendSchema(
  schema,
  parse(`
    enum Tone { LOUD QUIET undefined }
    input Shape { size: Int = 3, tone: Tone = QUIET, tags: [String!], next: Shape, weight: Int! = 2 }
    interface Thing { label: String!, twin: Thing }
    type Photo implements Thing { label: String!, twin: Thing, width(unit: Int! = 1): Int! }
    type Poll implements Thing { label: String!, twin: Thing, votes: [Int!]!, mine: String }
    union Attachment = Photo | Poll
    extend type Message {
      self: Message!
      shout: String!
      laterShared: Int
      echo(text: String, count: Int! = 1, tone: Tone, shape: Shape, tags: [String], json: JSON): JSON
      sometimes: Int
      sometimesRefused: Int
      sometimesRequired: Int!
      thing: Thing
      things: [Thing!]!
      attachment: Attachment
      bigint: JSON
      bigintLater: JSON
      spy: String
      mine: String!
      mineLater: Boolean
    }
  `),
)

for (const [name, fields] of Object.entries({
  Message: FIELDS,
  Poll: { ...THING, ...POLL },
  Photo: { ...THING, ...PHOTO },
})) {
  const type = extendedSchema.getType(name)
  if (!isObjectType(type)) throw new Error(`${name} is no object type.`)
  for (const [key, { shared, resolve }] of Object.entries(fields)) {
    const field = type.getFields()[key]
    if (field === undefined) throw new Error(`${name} has no field ${key}.`)
    field.resolve = resolve
    if (shared) field.extensions = { ...field.extensions, ...carillon({ shared }) }
  }
}

interface Thing {
  readonly __typename: 'Photo' | 'Poll'
  readonly label: string
  readonly twin: Thing | null
}

function thingOf(number: number): Thing {
  const twin: Thing = { __typename: 'Poll', label: `twin of ${number}`, twin: null }
  return { __typename: number % 2 === 0 ? 'Photo' : 'Poll', label: `thing ${number}`, twin }
}

function failOnEven(error: () => Error): Field['resolve'] {
  return ({ sequence }) => {
    if ((sequence ?? 1) % 2 === 0) throw error()
    return sequence
  }
}

function shared(resolve: Field['resolve']): Field {
  return { shared: true, resolve }
}

function own(resolve: Field['resolve']): Field {
  return { shared: false, resolve }
}
